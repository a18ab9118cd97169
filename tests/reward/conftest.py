"""A robot in words, its data, and honest programs in the styles that people and models write."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from eureka_agent.reward import Signal

SIGNALS = (
    Signal("torso_velocity", 2, "m/s", "Velocity of the torso", "velocity"),
    Signal("torso_up", 3, "1", "Torso's up axis in the world", "orientation"),
    Signal("torso_quat", 4, "1", "Orientation of the torso", "orientation"),
    Signal("goal_quat", 4, "1", "Orientation to reach", "goal"),
    Signal("hand_position", 3, "m", "Position of the hand", "position"),
    Signal("goal_position", 3, "m", "Position to reach", "goal"),
    Signal("joint_angles", 6, "rad", "Angles of the joints", "angle"),
    Signal("joint_velocities", 6, "rad/s", "Velocities of the joints", "angular_velocity"),
    Signal("foot_force", 2, "N", "Force on the feet", "force"),
    Signal("height", None, "m", "Height of the torso", "distance"),
    Signal("heading", None, "rad", "Heading of the torso", "angle"),
)

HONEST = {
    "the design's example": '''
"""Run forward, stay upright, waste no effort."""

WEIGHTS = {"forward": 1.0, "upright": 0.3, "effort": 0.01}
SCALES = {"upright_width": 0.25}

def compute_reward(torso_velocity, torso_up, action, prev_action, upright_width):
    forward = torso_velocity[:, 0]
    upright = torch.exp((torso_up[:, 2] - 1.0) / upright_width)
    effort = -(action - prev_action).square().sum(-1)
    return {"forward": forward, "upright": upright, "effort": effort}
''',
    "a scripted function with annotations": '''
"""Reach the goal."""
from __future__ import annotations
import math
from typing import Dict, Tuple
import torch
from torch import Tensor

WEIGHTS = {"distance": 2.0, "reached": 10.0, "quiet": 0.05}
SCALES = {"temperature": 0.2}

@torch.jit.script
def compute_reward(
    hand_position: torch.Tensor, goal_position: Tensor, joint_velocities: Tensor, temperature: float
) -> Tuple[torch.Tensor, Dict[str, torch.Tensor]]:
    """Everything for the goal."""
    to_goal: Tensor = goal_position - hand_position
    distance: Tensor = torch.norm(to_goal, p=2, dim=-1)
    distance_reward = torch.exp(-distance / temperature)
    reached = torch.where(distance < 0.05, torch.ones_like(distance), torch.zeros_like(distance))
    quiet = -torch.sum(torch.square(joint_velocities), dim=-1)
    return {"distance": distance_reward, "reached": reached, "quiet": quiet}
''',
    "subscript assignment to a copy and to a view": '''
"""Walk to the goal on the ground."""
WEIGHTS = {"near": 1.0, "slow": -0.1}

def compute_reward(hand_position, goal_position, torso_velocity):
    to_target = goal_position - hand_position
    to_target[:, 2] = 0.0
    error = to_target[:, :2]
    error[:, 0] *= 2.0
    speed = torso_velocity[:, 1]
    speed -= 0.5
    speed[speed < 0.0] = 0.0
    return {"near": -error.norm(dim=-1), "slow": speed}
''',
    "helpers that call earlier helpers": '''
"""Stay tall and straight."""
WEIGHTS = {"tall": 1.0, "straight": 1.0}

def _kernel(x, width=0.5):
    """Bell curve."""
    return torch.exp(-0.5 * (x / width) ** 2)

def near(x, target, width):
    return _kernel(x - target, width=width)

def compute_reward(height, heading):
    return {"tall": near(height, 1.2, 0.3), "straight": near(heading, 0.0, 1.0)}
''',
    "if on constants, loops over columns": '''
"""Bend no joint too far."""
WEIGHTS = {"limits": 1.0, "speed": 0.1}
SCALES = {"sharpness": 2.0}

def compute_reward(joint_angles, torso_velocity, sharpness):
    excess = torch.zeros_like(joint_angles[:, 0])
    for joint in range(6):
        excess = excess + torch.relu(joint_angles[:, joint].abs() - 1.0)
    if sharpness > 1.0:
        limits = -excess * sharpness
    else:
        limits = -excess
    for column, weight in ((0, 1.0), (1, 0.5)):
        limits = limits - weight * 0.0 * torso_velocity[:, column]
    return {"limits": limits, "speed": torso_velocity[:, 0] if sharpness > 0 else -excess}
''',
    "the reward library": '''
"""Turn the torso as the goal says."""
WEIGHTS = {"turn": 1.0, "closer": 5.0, "level": 0.5, "straight": 0.1, "far": 0.2}

def compute_reward(
    torso_quat, goal_quat, hand_position, goal_position, prev_hand_position, height, heading
):
    angle = quat_angle(torso_quat, goal_quat)
    local = quat_rotate_inverse(torso_quat, goal_position - hand_position)
    now = safe_norm(goal_position - hand_position)
    before = safe_norm(goal_position - prev_hand_position)
    return {
        "turn": gaussian_kernel(angle, 0.5),
        "closer": progress(now, before),
        "level": tolerance(height, 1.0, 1.4, 0.5),
        "straight": -angle_difference(heading, 0.3).abs(),
        "far": local[:, 0] / safe_norm(local),
    }
''',
    "memory by name": '''
"""Jump, and stay where you began."""
WEIGHTS = {"record": 1.0, "drift": -0.1, "alive": 0.5, "early": 1.0}

def compute_reward(height, max_height, min_height, start_hand_position, hand_position, terminated,
                   time_left):
    record = (height >= max_height).float() * (max_height - min_height)
    drift = torch.linalg.norm(hand_position - start_hand_position, dim=1)
    return {"record": record, "drift": drift, "alive": ~terminated, "early": 1 - time_left}
''',
    "a dict that grows": '''
"""Count what is good."""
WEIGHTS = {"forward": 1.0, "forces": 0.001}

def compute_reward(torso_velocity, foot_force):
    components = {}
    components["forward"] = torso_velocity[:, 0].clamp(-1.0, 3.0)
    components["forces"] = -foot_force.max(dim=-1).values
    return components
''',
    "functional and linear algebra": '''
"""Point the torso along the velocity."""
import torch.nn.functional as F

WEIGHTS = {"align": 1.0, "smooth": 0.1, "turning": 0.1, "contact": 0.1}

def compute_reward(torso_up, goal_position, joint_velocities, prev_joint_velocities, foot_force):
    direction = F.normalize(goal_position, dim=-1)
    align = torch.einsum("ij,ij->i", torso_up, direction)
    smooth = -F.huber_loss(joint_velocities, prev_joint_velocities, reduction="none").mean(-1)
    turning = torch.cross(torso_up, direction)[:, 2]
    contact = torch.any(foot_force > 1.0, dim=-1)
    return {"align": align, "smooth": smooth, "turning": turning, "contact": contact}
''',
    "variables named like functions of the library": '''
"""Approach."""
WEIGHTS = {"progress": 1.0, "sum": 1.0}

@torch.no_grad()
def compute_reward(hand_position, prev_hand_position, goal_position):
    distance = (goal_position - hand_position).pow(2).sum(dim=1).sqrt()
    prev_distance = (goal_position - prev_hand_position).pow(2).sum(dim=1).sqrt()
    progress = prev_distance - distance
    max, _ = hand_position.max(dim=1)
    sum = max + 1e-3
    return {"progress": progress, "sum": sum}
''',
    "own quaternion functions, tensors made on the side": '''
"""Keep the torso upright by its quaternion."""
WEIGHTS = {"upright": 1.0, "pose": 0.3}

def quat_rotate(q, v):
    q_w = q[:, 0]
    q_vec = q[:, 1:]
    a = v * (2.0 * q_w**2 - 1.0).unsqueeze(-1)
    b = torch.cross(q_vec, v, dim=-1) * q_w.unsqueeze(-1) * 2.0
    c = q_vec * torch.bmm(q_vec.view(-1, 1, 3), v.view(-1, 3, 1)).squeeze(-1) * 2.0
    return a + b + c

def compute_reward(torso_quat, joint_angles):
    device = joint_angles.device
    up = torch.tensor([0.0, 0.0, 1.0], device=device).repeat(joint_angles.shape[0], 1)
    pose = torch.zeros(joint_angles.shape[0], 6, dtype=torch.float32, device=joint_angles.device)
    error = torch.stack([joint_angles, pose]).sum(dim=0)
    return {"upright": quat_rotate(torso_quat, up)[..., 2], "pose": -error.abs().amax(dim=-1)}
''',
    "a no_grad block, masks and math": '''
"""Hold the height."""
import torch, math

WEIGHTS = {"height": 1, "bonus": 0}

def compute_reward(height, heading):
    with torch.no_grad():
        error = (height - 1.0).abs()
        scale = math.sqrt(2.0) / math.pi
        good = (error < 0.1) & (torch.cos(heading) > 0.9)
    bonus = torch.zeros_like(error)
    bonus[good] = 1.0
    bonus[~good] -= 0.1
    return {"height": -error * scale, "bonus": bonus}
''',
    "an early return by a scale, steep powers": '''
"""Lift the hand."""
SCALES = {"mode": 1.0, "power": 1.5, "lowest": -2}
WEIGHTS = {"lift": 1.0}

def compute_reward(hand_position, mode, power, lowest):
    lifted = torch.maximum(hand_position[:, -1], torch.full_like(hand_position[:, 2], lowest))
    if mode == 1.0 and power > 1.0:
        return {"lift": 0.5 ** (-lifted)}
    elif not mode:
        return {"lift": (lifted + 2.0) ** power}
    return {"lift": lifted}
''',
}


@pytest.fixture
def signals() -> tuple[Signal, ...]:
    return SIGNALS


@pytest.fixture(params=HONEST, ids=[name.replace(" ", "-") for name in HONEST])
def honest(request: pytest.FixtureRequest) -> str:
    """An honest program."""
    return HONEST[request.param].lstrip("\n")


@pytest.fixture
def example() -> str:
    """One honest program for all."""
    return HONEST["the design's example"].lstrip("\n")


@pytest.fixture
def make_arguments() -> Callable[[int], dict[str, Tensor]]:
    """Data of a number of rows for every parameter that a program may ask for."""

    def make(rows: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(rows)
        result: dict[str, Tensor] = {}
        for prefix in ("", "prev_", "start_", "max_", "min_"):
            for signal in SIGNALS:
                shape = (rows,) if signal.size is None else (rows, signal.size)
                result[prefix + signal.name] = torch.randn(shape, generator=generator)
        for name in ("action", "prev_action"):
            result[name] = torch.rand(rows, 4, generator=generator) * 2 - 1
        result["terminated"] = torch.rand(rows, generator=generator) < 0.5
        result["time_left"] = torch.rand(rows, generator=generator)
        return result

    return make
