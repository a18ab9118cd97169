"""A quadruped that follows commanded velocities: ANYmal C's dimensions, in primitives."""

from typing import ClassVar

import torch
from torch import Tensor

from eureka_agent.environment import Environment, ResetNoise, State, TrainingSettings, signal

LEGS = ("front left", "front right", "back left", "back right")
PARTS = (
    "hip sideways (positive: leg to the left)",
    "hip swing (positive: leg backward)",
    "knee (positive: shin backward)",
)
JOINTS = tuple(f"{leg} {part}" for leg in LEGS for part in PARTS)
OWN = ("forward", "left", "up (the robot's own axes)")
WORLD = ("x", "y", "up (z)")
TURNS = ("roll (forward axis)", "pitch (left axis)", "yaw (up axis)")

STIFFNESS, DAMPING, STRONGEST = 85.0, 2.0, 80.0  # N m / rad, N m s / rad and N m, of every motor
TARGET_RANGE = 0.5  # rad at action 1
KNEE = 0.06  # m: radius of a knee's housing
BOX = (0.5, 0.25, 0.09)  # m: half of the box around base and hips
BASE = 1  # its body


class Anymal(Environment):
    """Commands, motors, reset and what the policy sees as in IsaacGymEnvs' Anymal.

    Joint angles count from the standing pose, so that an action of 0 aims at it. The README says
    what differs from the source.
    """

    task = "Walk with the commanded velocities: forward, sideways and turning."
    robot = (
        "A quadruped of 45 kg: a base 1.05 m long and 0.25 m wide and four legs, each with a hip "
        "that swings it sideways, a hip that swings it forward and back, and a knee between thigh "
        "and shin, 0.285 m and 0.33 m long. The knees point to the middle of the robot: front "
        "knees back, back knees forward. The feet are balls of 0.03 m radius. Motors follow "
        "target angles like springs (85 N m / rad, 2 N m s / rad, at most 80 N m)."
    )
    start = (
        "Level at a height of 0.62 m, at rest, facing along x, its joints in the standing pose "
        "with much noise; it drops onto its feet and stands at about 0.52 m. Commands are drawn "
        "then and stay: forward within 2 m/s, sideways and turning within 1 m/s and 1 rad/s."
    )
    substeps = 2
    episode_steps = 500
    termination = (
        "The base, a hip or a knee touches the ground: a knee is 0.06 m above it or lower, or a "
        "corner of the box around base and hips (1.0 m x 0.5 m x 0.18 m) is below it."
    )
    task_state: ClassVar = {"command": 3}
    training = TrainingSettings(
        hidden=(128, 128), activation="elu", initial_log_std=-1.5, budget=500_000
    )

    @signal(unit="m/s", kind="goal", size=2, axes=OWN[:2])
    def command_velocity(self, state: State) -> Tensor:
        """Commanded velocity along the robot's own axes, the same for a whole episode."""
        return state.task["command"][:, 0:2]

    @signal(unit="rad/s", kind="goal")
    def command_yaw_rate(self, state: State) -> Tensor:
        """Commanded turning about the robot's up axis, positive to the left."""
        return state.task["command"][:, 2]

    @signal(unit="m", kind="position", size=3, axes=WORLD)
    def base_position(self, state: State) -> Tensor:
        """Position of the base's centre in the world, the height above the ground."""
        return state.qpos[:, 0:3]

    @signal(unit="m/s", kind="velocity", size=3, axes=OWN)
    def base_velocity(self, state: State) -> Tensor:
        """Velocity of the base's centre along the base's own axes."""
        return (state.body_rotation("base") * state.qvel[:, 0:3, None]).sum(1)

    @signal(unit="rad/s", kind="angular_velocity", size=3, axes=TURNS)
    def base_angular_velocity(self, state: State) -> Tensor:
        """Angular velocity of the base about its own axes: nose down and left turns positive."""
        return state.qvel[:, 3:6]

    @signal(unit="1", kind="orientation", size=4, axes=("w", "x", "y", "z"))
    def base_orientation(self, state: State) -> Tensor:
        """Orientation of the base in the world, a unit quaternion: (1, 0, 0, 0) at the start."""
        return state.xquat[:, BASE]

    @signal(unit="1", kind="orientation", size=3, axes=OWN)
    def gravity_direction(self, state: State) -> Tensor:
        """Where down is along the base's own axes: (0, 0, -1) when it is level."""
        return -state.body_rotation("base")[:, 2]

    @signal(unit="rad", kind="angle", size=12, axes=JOINTS)
    def joint_angles(self, state: State) -> Tensor:
        """Angles of the leg joints, 0 in the standing pose."""
        return state.qpos[:, 7:19]

    @signal(unit="rad/s", kind="angular_velocity", size=12, axes=JOINTS)
    def joint_velocities(self, state: State) -> Tensor:
        """Angular velocities of the leg joints, with the signs of their angles."""
        return state.qvel[:, 6:18]

    @signal(unit="N m", kind="force", size=12, axes=JOINTS)
    def joint_torques(self, state: State) -> Tensor:
        """Torques of the motors towards their present targets, with the signs of the angles."""
        spring = STIFFNESS * (state.ctrl - state.qpos[:, 7:19])
        return (spring - DAMPING * state.qvel[:, 6:18]).clamp(-STRONGEST, STRONGEST)

    @signal(unit="m", kind="position", size=4, axes=LEGS)
    def foot_heights(self, state: State) -> Tensor:
        """Height of the feet's centres above the ground: 0.03 when a foot stands on it."""
        return state.site_xpos[:, :, 2]

    @signal(
        unit="m",
        kind="position",
        size=12,
        axes=tuple(f"{leg} {axis}" for leg in LEGS for axis in WORLD),
    )
    def foot_positions(self, state: State) -> Tensor:
        """Positions of the feet's centres in the world."""
        return state.site_xpos.flatten(1)

    @signal(unit="m", kind="position", size=4, axes=LEGS)
    def knee_heights(self, state: State) -> Tensor:
        """Height of the knee joints above the ground: 0.06 when a knee touches it."""
        return _knees(state)[:, :, 2]

    def observation(self, state: State) -> Tensor:
        """Velocities, down, commands, joints and the targets that they were given, `[N, 48]`."""
        return torch.cat(
            [
                self.base_velocity(state),
                self.base_angular_velocity(state),
                self.gravity_direction(state),
                state.task["command"],
                self.joint_angles(state),
                self.joint_velocities(state),
                state.ctrl / TARGET_RANGE,
            ],
            dim=1,
        )

    def terminated(self, state: State) -> Tensor:
        """Base, hips or a knee on the ground."""
        forward, left, up = state.body_rotation("base")[:, 2].abs().unbind(1)
        lowest = state.qpos[:, 2] - (BOX[0] * forward + BOX[1] * left + BOX[2] * up)
        return (lowest < 0.0) | (_knees(state)[:, :, 2] < KNEE).any(1)

    def reset(self, noise: ResetNoise) -> tuple[Tensor, Tensor]:
        """The standing pose in the air; each joint off by up to half of its published angle."""
        angles = [noise.uniform(4, -size, size) for size in (0.015, 0.2, 0.4)]
        joints = torch.stack(angles, dim=2).flatten(1)
        base = self.rest_pose(noise)[:7].expand(len(noise), 7)
        speeds = noise.uniform(12, -0.1, 0.1)
        return torch.cat([base, joints], 1), torch.cat([torch.zeros_like(base[:, :6]), speeds], 1)

    def begin_task(self, state: State, noise: ResetNoise) -> dict[str, Tensor]:
        """Commands anew for each episode: forward in m/s, to the left in m/s, turning in rad/s."""
        forward, rest = noise.uniform(1, -2.0, 2.0), noise.uniform(2, -1.0, 1.0)
        return {"command": torch.cat([forward, rest], dim=1)}


def _knees(state: State) -> Tensor:
    """Positions of the knee joints, m, `[N, 4, 3]`: the shins' frames, each leg's third body."""
    return state.xpos[:, 4::3]
