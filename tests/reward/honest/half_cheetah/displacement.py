"""Distance covered per step, measured from positions rather than velocities."""

import math

import torch

WEIGHTS = {"distance": 20.0, "fall": 1.0, "energy": 0.01}


def compute_reward(torso_position, prev_torso_position, torso_pitch, joint_velocities, action):
    delta = torso_position - prev_torso_position
    distance = delta[:, 0]

    # upside down when |pitch| > pi / 2
    upside_down = torch.abs(torso_pitch) > (math.pi / 2)
    fall = -upside_down.float()

    # mechanical power, |torque * velocity|
    energy = -(action * joint_velocities).abs().sum(dim=1)
    return {"distance": distance, "fall": fall, "energy": energy}
