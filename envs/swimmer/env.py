"""A snake-like robot of three segments that swims: Gymnasium's packaged Swimmer model."""

import mujoco
import torch
from torch import Tensor

from eureka_agent.environment import Environment, ResetNoise, State, TrainingSettings, signal
from eureka_agent.environment.gymnasium_models import gymnasium_model

MOTORS = ("front joint", "back joint")
PLANE = ("forward (x)", "left (y)")
FRONT = 1  # the body of the front segment; the others hang on it


class Swimmer(Environment):
    """Observation, reset and time limit as in Gymnasium's Swimmer-v5; it never ends early.

    The integrator is `implicitfast` instead of RK4.
    """

    task = "Swim forward as fast as possible."
    robot = (
        "A snake-like robot of three segments of 1 m in a row, joined by two driven hinges, which "
        "moves in a horizontal plane in a viscous fluid. There is nothing to touch."
    )
    start = (
        "Almost stretched out, pointing forward (along x), almost at rest: noise of up to 0.1 on "
        "every coordinate (m, rad) and velocity (m/s, rad/s)."
    )
    substeps = 4
    episode_steps = 1000
    training = TrainingSettings(
        worlds=16,
        n_steps=256,
        gae_lambda=0.99,
        gamma=0.9999,
        target_kl=0.03,
        n_epochs=8,
        initial_log_std=-0.7,
        budget=300_000,
    )

    def build(self) -> mujoco.MjSpec:
        """Gymnasium's model with names for its motors."""
        return gymnasium_model("swimmer.xml", MOTORS)

    @signal(unit="m", kind="position", size=2, axes=PLANE)
    def torso_position(self, state: State) -> Tensor:
        """Position of the front segment's frame, a point on its axis 1 m behind its centre.

        With the body stretched out it is the middle of the middle segment.
        """
        return state.qpos[:, 0:2]

    @signal(unit="m/s", kind="velocity", size=2, axes=PLANE)
    def torso_velocity(self, state: State) -> Tensor:
        """Velocity of the front segment's frame along the axes of the world."""
        return state.qvel[:, 0:2]

    @signal(unit="rad", kind="angle")
    def front_angle(self, state: State) -> Tensor:
        """Direction of the front segment: 0 forward, positive turned to the left, not wrapped."""
        return state.qpos[:, 2]

    @signal(unit="rad/s", kind="angular_velocity")
    def front_turn_rate(self, state: State) -> Tensor:
        """Rate at which the front segment turns, positive to the left."""
        return state.qvel[:, 2]

    @signal(unit="rad", kind="angle", size=2, axes=MOTORS)
    def joint_angles(self, state: State) -> Tensor:
        """Angles of the joints, 0 stretched out.

        Positive where the segment behind the joint is turned to the left of the one before it, so
        that its tail swings to the right.
        """
        return state.qpos[:, 3:5]

    @signal(unit="rad/s", kind="angular_velocity", size=2, axes=MOTORS)
    def joint_velocities(self, state: State) -> Tensor:
        """Angular velocities of the joints, with the signs of their angles."""
        return state.qvel[:, 3:5]

    @signal(unit="m", kind="position", size=2, axes=PLANE)
    def centre_of_mass(self, state: State) -> Tensor:
        """Centre of mass of the whole body."""
        return state.subtree_com[:, FRONT, 0:2]

    def observation(self, state: State) -> Tensor:
        """Angles and velocities, without the two positions, `[N, 8]`."""
        return torch.cat([state.qpos[:, 2:], state.qvel], dim=1)

    def reset(self, noise: ResetNoise) -> tuple[Tensor, Tensor]:
        """Stretched out, with noise on every coordinate."""
        return noise.uniform(5, -0.1, 0.1), noise.uniform(5, -0.1, 0.1)
