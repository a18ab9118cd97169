"""A ball on a tray that three legs tilt: Isaac Gym's BallBalance."""

import math

import torch
from torch import Tensor

from eureka_agent.environment import Environment, ResetNoise, State, TrainingSettings, signal

WORLD = ("x", "y", "up (z)")
LEGS = ("leg 0 (under +x)", "leg 1 (120 degrees on)", "leg 2 (240 degrees on)")
KNEES = slice(8, 13, 2)  # in the positions: the tray's seven, then hip and knee of each leg
KNEE_SPEEDS = slice(7, 12, 2)
BALL = slice(13, 16)
BALL_SPEED = slice(12, 15)


class BallBalance(Environment):
    """Reset, early end and time limit as in Isaac Gym's BallBalance.

    Of its observation the forces and torques between legs and tray are left out: the physics knows
    them only as they were one step before the state.
    """

    task = "Catch the falling ball with the tray and keep it on it for as long as possible."
    robot = (
        "A round tray of 1 m across, 0.56 m above the ground, on three legs 120 degrees apart. A "
        "leg hangs from a free hip 0.4 m from the tray's middle and has a driven knee below the "
        "tray; its foot is held in place on the ground, right below the hip. So the three knees "
        "decide how high the tray is and how it tilts. An action is the speed at which a knee's "
        "target angle moves, from -20 to 20 rad/s."
    )
    start = (
        "The tray is level and at rest. The ball, 0.1 m in radius and 0.84 kg, is 1 to 2 m above "
        "the ground and up to 0.5 m from the middle; it falls at 5 m/s and flies towards the "
        "middle at up to 5 m/s."
    )
    substeps = 2
    episode_steps = 500
    termination = "The ball's centre is lower than 0.15 m above the ground: it has left the tray."
    training = TrainingSettings(target_kl=0.02, initial_log_std=-1.0, budget=300_000)

    @signal(unit="m", kind="position", size=3, axes=WORLD)
    def ball_position(self, state: State) -> Tensor:
        """Position of the ball's centre, from the ground below the tray's middle."""
        return state.qpos[:, BALL]

    @signal(unit="m/s", kind="velocity", size=3, axes=WORLD)
    def ball_velocity(self, state: State) -> Tensor:
        """Velocity of the ball's centre."""
        return state.qvel[:, BALL_SPEED]

    @signal(unit="m", kind="position", size=3, axes=("tray's x", "tray's y", "tray's up"))
    def ball_on_tray(self, state: State) -> Tensor:
        """Where the ball's centre is as seen from the tray's middle, along the tray's own axes.

        The third column is 0.11 while the ball lies on the tray, whose radius is 0.5.
        """
        offset = self.ball_position(state) - self.tray_position(state)
        return (offset[:, None] @ state.body_rotation("tray"))[:, 0]

    @signal(unit="m", kind="position", size=3, axes=WORLD)
    def tray_position(self, state: State) -> Tensor:
        """Position of the tray's middle; about (0, 0, 0.56) at rest."""
        return state.qpos[:, 0:3]

    @signal(unit="1", kind="orientation", size=3, axes=WORLD)
    def tray_up(self, state: State) -> Tensor:
        """Direction of the tray's upper side in the world: (0, 0, 1) when it is level.

        A ball on it rolls to where the first two columns point.
        """
        return state.body_rotation("tray")[:, :, 2]

    @signal(unit="rad", kind="angle", size=3, axes=LEGS)
    def knee_angles(self, state: State) -> Tensor:
        """Angles of the knees, 0 at right angles and positive stretched: that side is higher."""
        return state.qpos[:, KNEES]

    @signal(unit="rad/s", kind="angular_velocity", size=3, axes=LEGS)
    def knee_velocities(self, state: State) -> Tensor:
        """Angular velocities of the knees, with the signs of their angles."""
        return state.qvel[:, KNEE_SPEEDS]

    def observation(self, state: State) -> Tensor:
        """Angles and velocities of the knees, position and velocity of the ball, `[N, 12]`."""
        knees = [state.qpos[:, KNEES], state.qvel[:, KNEE_SPEEDS]]
        return torch.cat([*knees, state.qpos[:, BALL], state.qvel[:, BALL_SPEED]], dim=1)

    def terminated(self, state: State) -> Tensor:
        """The ball is down."""
        return state.qpos[:, BALL.start + 2] < 0.15

    def reset(self, noise: ResetNoise) -> tuple[Tensor, Tensor]:
        """A level tray, and a ball that falls and the farther out it is the faster flies in."""
        share, angle = noise.uniform(1), noise.uniform(1, -math.pi, math.pi)
        outwards = torch.cat([angle.cos(), angle.sin()], dim=1)
        place = (0.001 + 0.499 * share) * outwards
        inwards = -share * noise.uniform(1, 0.0, 5.0) * outwards
        height = noise.uniform(1, 1.0, 2.0)
        rest = self.rest_pose(noise).expand(len(noise), -1)
        pose = torch.cat([rest[:, : BALL.start], place, height, rest[:, BALL.stop :]], dim=1)
        still, fall = torch.zeros_like(rest[:, :12]), torch.full_like(height, -5.0)
        return pose, torch.cat([still, inwards, fall, still[:, :3]], dim=1)
