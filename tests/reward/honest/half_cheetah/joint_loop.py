"""Loop over joints, with a weight for each."""

WEIGHTS = {"run": 1.0, "joint_cost": 0.05}


def compute_reward(torso_velocity, joint_velocities, action):
    run = torso_velocity[:, 0]
    joint_cost = torch.zeros_like(run)
    for j in range(6):
        power = action[:, j] * joint_velocities[:, j]
        joint_cost = joint_cost - power.abs() * 0.1
    for j, weight in ((0, 0.5), (3, 0.5), (5, 0.1)):
        joint_cost = joint_cost - weight * action[:, j].square()
    return {"run": run, "joint_cost": joint_cost}
