"""Follow the commands with little torque, and never pay less than nothing: IsaacGymEnvs' Anymal."""

WEIGHTS = {"velocity": 0.02, "turning": 0.01, "torque": 0.02}
SCALES = {"squared_width": 0.25, "torque_price": 0.000025, "turning_share": 0.5}


def compute_reward(
    command_velocity,
    command_yaw_rate,
    base_velocity,
    base_angular_velocity,
    joint_torques,
    squared_width,
    torque_price,
    turning_share,
):
    plane_error = (command_velocity - base_velocity[:, :2]).square().sum(-1)
    turning_error = (command_yaw_rate - base_angular_velocity[:, 2]).square()
    velocity = torch.exp(-plane_error / squared_width)
    turning = torch.exp(-turning_error / squared_width)
    price = torque_price * joint_torques.square().sum(-1)
    torque = -torch.minimum(price, velocity + turning_share * turning)
    return {"velocity": velocity, "turning": turning, "torque": torque}
