"""A planar arm that reaches for a target: Gymnasium's packaged Reacher model."""

import math

import mujoco
import torch
from torch import Tensor

from eureka_agent.environment import Environment, ResetNoise, State, TrainingSettings, signal
from eureka_agent.environment.gymnasium_models import gymnasium_model

MOTORS = ("shoulder", "elbow")  # the model does not name them
PLANE = ("right (x)", "away (y)")


class Reacher(Environment):
    """Observation, reset and time limit as in Gymnasium's Reacher-v5; it never ends early.

    The integrator is `implicitfast` instead of RK4.
    """

    task = "Bring the fingertip of the arm to the target soon, and keep it there."
    robot = (
        "A flat arm on a table, seen from above: a link of 0.10 m on a driven shoulder in the "
        "middle, which turns without limits, then a link of 0.11 m with the fingertip at its end, "
        "on a driven elbow."
    )
    start = (
        "The arm nearly straight to the right and at rest, the target anywhere within 0.2 m of "
        "the shoulder, where it stays."
    )
    substeps = 2
    episode_steps = 50
    training = TrainingSettings(
        n_steps=50, n_epochs=8, gamma=0.95, target_kl=0.03, initial_log_std=-1.0, budget=300_000
    )

    def build(self) -> mujoco.MjSpec:
        """Gymnasium's model with names for its motors, the fingertip's velocity and a camera."""
        spec = gymnasium_model("reacher.xml", MOTORS)
        spec.add_sensor(
            name="fingertip_velocity",
            type=mujoco.mjtSensor.mjSENS_FRAMELINVEL,
            objtype=mujoco.mjtObj.mjOBJ_XBODY,
            objname="fingertip",
        )
        spec.worldbody.add_camera(name="above", pos=[0.0, 0.0, 0.7])
        return spec

    @signal(unit="m", kind="position", size=2, axes=PLANE)
    def fingertip_position(self, state: State) -> Tensor:
        """Position of the fingertip, from the shoulder."""
        return state.body_position("fingertip")[:, :2]

    @signal(unit="m/s", kind="velocity", size=2, axes=PLANE)
    def fingertip_velocity(self, state: State) -> Tensor:
        """Velocity of the fingertip."""
        return state.sensor("fingertip_velocity")[:, :2]

    @signal(unit="m", kind="goal", size=2, axes=PLANE)
    def target_position(self, state: State) -> Tensor:
        """Position of the target, from the shoulder; it does not move during an episode."""
        return state.qpos[:, 2:4]

    @signal(unit="m", kind="goal", size=2, axes=PLANE)
    def target_offset(self, state: State) -> Tensor:
        """Where the target is as seen from the fingertip: its position minus the fingertip's."""
        return self.target_position(state) - self.fingertip_position(state)

    @signal(
        unit="rad",
        kind="angle",
        size=2,
        axes=("shoulder: 0 when the upper link points right, not wrapped", "elbow: 0 straight"),
    )
    def joint_angles(self, state: State) -> Tensor:
        """Angles of the joints, positive anticlockwise as seen from above."""
        return state.qpos[:, 0:2]

    @signal(unit="rad/s", kind="angular_velocity", size=2, axes=MOTORS)
    def joint_velocities(self, state: State) -> Tensor:
        """Angular velocities of the joints, with the signs of their angles."""
        return state.qvel[:, 0:2]

    def observation(self, state: State) -> Tensor:
        """Cosines and sines of the angles, target, velocities, target to fingertip, `[N, 10]`."""
        angles = state.qpos[:, 0:2]
        target, offset = self.target_position(state), self.target_offset(state)
        return torch.cat([angles.cos(), angles.sin(), target, state.qvel[:, 0:2], -offset], dim=1)

    def reset(self, noise: ResetNoise) -> tuple[Tensor, Tensor]:
        """A nearly straight arm, and a target anywhere in a disk of 0.2 m."""
        arm = noise.uniform(2, -0.1, 0.1)
        radius = 0.2 * noise.uniform(1).sqrt()  # the root spreads targets evenly over the area
        angle = noise.uniform(1, -math.pi, math.pi)
        pose = torch.cat([arm, radius * angle.cos(), radius * angle.sin()], dim=1)
        velocity = noise.uniform(2, -0.005, 0.005)
        return pose, torch.cat([velocity, torch.zeros_like(velocity)], dim=1)
