# Wrong: the gate takes the height for one above the ground, but it counts from the start height, so speed is never paid and the policy stands.
"""Speed counts while a level torso is carried above 0.65 m; level alone earns a little."""

WEIGHTS = {"carried_run": 1.0, "effort": 0.05}
SCALES = {"carried": 0.65, "softness": 0.02, "level_width": 0.5}


def compute_reward(
    torso_velocity, torso_position, torso_pitch, action, carried, softness, level_width
):
    gate = torch.sigmoid((torso_position[:, 1] - carried) / softness)
    level = gaussian_kernel(wrap_angle(torso_pitch), level_width)
    carried_run = level * (0.3 + gate * torso_velocity[:, 0])
    return {"carried_run": carried_run, "effort": -action.square().sum(-1)}
