"""A planar two-legged robot that walks: Gymnasium's packaged Walker2d model."""

import mujoco
import torch
from torch import Tensor

from eureka_agent.environment import Environment, ResetNoise, State, TrainingSettings, signal
from eureka_agent.environment.gymnasium_models import gymnasium_model

LEGS = ("right", "left")
MOTORS = tuple(f"{leg} {joint}" for leg in LEGS for joint in ("hip", "knee", "ankle"))
JOINTS = tuple(
    f"{leg} {joint}"
    for leg in LEGS
    for joint in (
        "hip (negative: thigh swung back)",
        "knee (negative: bent, shin swung back)",
        "ankle (positive: toe up)",
    )
)


class Walker2d(Environment):
    """Observation, reset, early end and time limit as in Gymnasium's Walker2d-v5.

    The integrator is `implicitfast` instead of RK4.
    """

    task = "Walk forward as fast as possible without falling."
    robot = (
        "A two-legged robot that moves in a vertical plane: an upright torso of 0.5 m, below it "
        "two legs side by side, each with a thigh of 0.55 m, a shin of 0.58 m and a foot of 0.32 m "
        "that points forward, joined by a driven hip, knee and ankle. It cannot fall sideways, "
        "and its legs pass through each other."
    )
    start = (
        "Upright on straight legs side by side, its torso's centre 1.25 m and its soles 0.04 m "
        "above the ground, nearly at rest."
    )
    substeps = 4
    episode_steps = 1000
    termination = (
        "The torso's centre is at 0.8 m above the ground or lower, or at 2.0 m or higher, or the "
        "torso is pitched by 1.0 rad or more either way."
    )
    training = TrainingSettings(target_kl=0.03, n_epochs=8, initial_log_std=-0.7, budget=500_000)

    def build(self) -> mujoco.MjSpec:
        """Gymnasium's model with names for its motors."""
        return gymnasium_model("walker2d_v5.xml", MOTORS)

    @signal(unit="m", kind="position", size=2, axes=("forward (x)", "up (z), above the ground"))
    def torso_position(self, state: State) -> Tensor:
        """Position of the torso's centre."""
        return state.qpos[:, 0:2]

    @signal(unit="m/s", kind="velocity", size=2, axes=("forward (x)", "up (z)"))
    def torso_velocity(self, state: State) -> Tensor:
        """Velocity of the torso's centre."""
        return state.qvel[:, 0:2]

    @signal(unit="rad", kind="angle")
    def torso_pitch(self, state: State) -> Tensor:
        """Pitch of the torso: 0 upright, positive leaning forward, not wrapped."""
        return state.qpos[:, 2]

    @signal(unit="rad/s", kind="angular_velocity")
    def torso_pitch_rate(self, state: State) -> Tensor:
        """Rate of the torso's pitch, positive tipping forward."""
        return state.qvel[:, 2]

    @signal(unit="rad", kind="angle", size=6, axes=JOINTS)
    def joint_angles(self, state: State) -> Tensor:
        """Angles of the leg joints, 0 with straight legs and level feet."""
        return state.qpos[:, 3:9]

    @signal(unit="rad/s", kind="angular_velocity", size=6, axes=MOTORS)
    def joint_velocities(self, state: State) -> Tensor:
        """Angular velocities of the leg joints, with the signs of their angles."""
        return state.qvel[:, 3:9]

    @signal(unit="m", kind="position", size=2, axes=LEGS)
    def foot_heights(self, state: State) -> Tensor:
        """Height of the feet's centres above the ground: 0.06 when a foot lies flat on it."""
        return _feet(state)[:, :, 2]

    @signal(unit="m", kind="position", size=2, axes=LEGS)
    def feet_ahead(self, state: State) -> Tensor:
        """How far each foot's centre is ahead of the torso's centre, negative behind it."""
        return _feet(state)[:, :, 0] - state.qpos[:, 0:1]

    def observation(self, state: State) -> Tensor:
        """Positions without the forward one, and velocities cut at 10, `[N, 17]`."""
        return torch.cat([state.qpos[:, 1:], state.qvel.clamp(-10.0, 10.0)], dim=1)

    def terminated(self, state: State) -> Tensor:
        """Too low, too high, or too much pitch."""
        height, pitch = state.qpos[:, 1], state.qpos[:, 2]
        return ~((height > 0.8) & (height < 2.0) & (pitch.abs() < 1.0))

    def reset(self, noise: ResetNoise) -> tuple[Tensor, Tensor]:
        """Upright on straight legs, with a little noise on every coordinate."""
        pose = noise.uniform(9, -0.005, 0.005)
        return self.rest_pose(noise) + pose, noise.uniform(9, -0.005, 0.005)


def _feet(state: State) -> Tensor:
    """World positions of the feet's centres, m, `[N, 2, 3]`."""
    return torch.stack(
        [state.geom_position("foot_geom"), state.geom_position("foot_left_geom")], dim=1
    )
