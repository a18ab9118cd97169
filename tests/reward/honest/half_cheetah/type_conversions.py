"""Casts here and there, of the harmless kind."""

import torch

WEIGHTS = {"speed": 1.0, "up": 0.1, "count": 0.05}


def compute_reward(torso_velocity, torso_pitch, foot_heights, terminated):
    device = torso_velocity.device
    threshold = torch.tensor(0.05, dtype=torch.float32).to(device)
    airborne = (foot_heights > threshold).long().sum(dim=1)
    count = airborne.to(dtype=torch.float32) / foot_heights.shape[1]
    up = torch.where(torso_pitch.abs() < 1.0, torch.ones_like(torso_pitch), -torch.ones_like(torso_pitch))
    speed = torso_velocity[:, 0].double().float() * (~terminated).to(torso_velocity.dtype)
    return {"speed": speed, "up": up, "count": count}
