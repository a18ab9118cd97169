"""Turn the cube towards the goal, keep it in place, move little: IsaacGymEnvs' ShadowHand."""

WEIGHTS = {"place": 10.0, "rotation": 1.0, "action": 0.0002, "success": 250.0}
SCALES = {"softening": 0.1}


def compute_reward(cube_offset, goal_angle, goals_reached, prev_goals_reached, action, softening):
    return {
        "place": -torch.linalg.norm(cube_offset, dim=1),
        "rotation": 1.0 / (goal_angle + softening),
        "action": -action.square().sum(dim=1),
        "success": goals_reached - prev_goals_reached,
    }
