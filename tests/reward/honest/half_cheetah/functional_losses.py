"""Costs from torch.nn.functional, kept per row."""

import torch.nn.functional as F

WEIGHTS = {"speed": 1.0, "pose": 0.1, "change": 0.05, "similar": 0.05}


def compute_reward(torso_velocity, joint_angles, prev_joint_angles, action, prev_action):
    speed = F.softplus(torso_velocity[:, 0]) - 0.5
    pose = -F.mse_loss(joint_angles, torch.zeros_like(joint_angles), reduction="none").mean(dim=-1)
    change = -F.l1_loss(action, prev_action, reduction="none").sum(dim=-1)
    similar = F.cosine_similarity(joint_angles, prev_joint_angles, dim=-1)
    return {"speed": speed, "pose": pose, "change": change, "similar": similar}
