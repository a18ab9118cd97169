"""Run in a steady gallop. Every quantity has its helper; the entry only puts them together."""

import torch

WEIGHTS = {
    "velocity": 1.2,
    "upright": 0.25,
    "height": 0.15,
    "gait": 0.2,
    "smoothness": 0.05,
    "energy": 0.01,
}

SCALES = {
    "v_max": 10.0,
    "pitch_temp": 0.8,
    "height_temp": 0.15,
}


def _exp_kernel(err: torch.Tensor, temp: float) -> torch.Tensor:
    return torch.exp(-err / temp)


def velocity_term(v: torch.Tensor, v_max: float) -> torch.Tensor:
    return torch.clamp(v, min=-1.0, max=v_max) / v_max


def upright_term(pitch: torch.Tensor, temp: float) -> torch.Tensor:
    return _exp_kernel(torch.abs(torch.atan2(torch.sin(pitch), torch.cos(pitch))), temp)


def height_term(z: torch.Tensor, z0: float = 0.0, temp: float = 0.15) -> torch.Tensor:
    return _exp_kernel((z - z0).abs(), temp)


def gait_term(feet: torch.Tensor) -> torch.Tensor:
    return torch.abs(feet[:, 0] - feet[:, 1]).clamp(max=0.3) / 0.3


def smooth_term(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return -((a - b) ** 2).sum(dim=-1)


def energy_term(a: torch.Tensor, qd: torch.Tensor) -> torch.Tensor:
    return -torch.sum(torch.abs(a * qd), dim=-1)


def compute_reward(torso_position, torso_velocity, torso_pitch, foot_heights, joint_velocities,
                   action, prev_action, v_max, pitch_temp, height_temp):
    v = torso_velocity[:, 0]
    moving = torch.sigmoid(v - 0.5)
    out = {
        "velocity": velocity_term(v, v_max),
        "upright": moving * upright_term(torso_pitch, pitch_temp),
        "height": moving * height_term(torso_position[:, 1], temp=height_temp),
        "gait": moving * gait_term(foot_heights),
        "smoothness": smooth_term(action, prev_action),
        "energy": energy_term(action, joint_velocities),
    }
    return out
