"""A quadcopter with tilting rotors, which flies to a point: Isaac Gym's Quadcopter."""

import math

import torch
from torch import Tensor

from eureka_agent.environment import Environment, ResetNoise, State, TrainingSettings, signal

TARGET = 1.0  # m, its height above the origin
WORLD = ("x (forward at the start)", "y (left at the start)", "up (z)")
ROTORS = ("front left", "back left", "back right", "front right")
TILTS = tuple(f"{rotor} {joint}" for rotor in ROTORS for joint in ("pitch", "roll"))


class Quadcopter(Environment):
    """Observation, reset, early end and time limit as in Isaac Gym's Quadcopter."""

    task = "Fly to the target, 1 m above the origin, and hover there."
    robot = (
        "A round chassis of 0.2 m across with four rotors at its corners, 0.25 kg in all. Each "
        "rotor pushes along its own axis with 0 to 2 N and tilts by up to 30 degrees, outwards or "
        "inwards (pitch) and to either side (roll). Actions are rates: how fast the target angles "
        "of the tilts move (up to 25 rad/s either way) and how fast the thrusts change (up to "
        "200 N/s either way, so from none to full in one control step). Thrusts begin at 0; "
        "0.62 N on each rotor carry the weight."
    )
    start = (
        "Level and at rest, without thrust, its tilts within 0.2 rad, up to 1.5 m from the target "
        "along each horizontal axis, 0.8 to 2.5 m above the ground."
    )
    substeps = 2
    episode_steps = 500
    termination = (
        "The chassis is more than 3 m from the target or lower than 0.3 m above the ground."
    )
    training = TrainingSettings(target_kl=0.03, n_epochs=8, initial_log_std=-1.5, budget=600_000)

    @signal(unit="m", kind="position", size=3, axes=WORLD)
    def chassis_position(self, state: State) -> Tensor:
        """Position of the chassis, the height above the ground."""
        return state.qpos[:, 0:3]

    @signal(unit="m", kind="goal", size=3, axes=WORLD)
    def target_offset(self, state: State) -> Tensor:
        """Where the target is as seen from the chassis: its position minus the chassis's."""
        x, y, z = state.qpos[:, 0:3].unbind(1)
        return torch.stack([-x, -y, TARGET - z], dim=1)

    @signal(unit="m/s", kind="velocity", size=3, axes=WORLD)
    def chassis_velocity(self, state: State) -> Tensor:
        """Velocity of the chassis along the axes of the world."""
        return state.qvel[:, 0:3]

    @signal(unit="1", kind="orientation", size=4, axes=("w", "x", "y", "z"))
    def chassis_orientation(self, state: State) -> Tensor:
        """Orientation of the chassis in the world, a unit quaternion: (1, 0, 0, 0) at the start."""
        return state.qpos[:, 3:7]

    @signal(unit="1", kind="orientation", size=3, axes=WORLD)
    def chassis_up(self, state: State) -> Tensor:
        """Direction of the chassis's own up axis in the world: (0, 0, 1) when it is level."""
        return state.body_rotation("chassis")[:, :, 2]

    @signal(unit="rad/s", kind="angular_velocity", size=3, axes=WORLD)
    def angular_velocity(self, state: State) -> Tensor:
        """Angular velocity of the chassis about the axes of the world.

        Positive is anticlockwise as seen from the axis's tip: the third column is the spin.
        """
        return (state.body_rotation("chassis") @ state.qvel[:, 3:6, None])[:, :, 0]

    @signal(unit="rad", kind="angle", size=8, axes=TILTS)
    def tilt_angles(self, state: State) -> Tensor:
        """Tilts of the rotors, 0 level.

        With a positive pitch a rotor pushes the chassis outwards, away from its middle; with a
        positive roll it turns the chassis clockwise as seen from above.
        """
        return state.qpos[:, 7:15]

    @signal(unit="N", kind="force", size=4, axes=ROTORS)
    def thrusts(self, state: State) -> Tensor:
        """Forces with which the rotors push, along their own axes, 0 to 2."""
        return state.act[:, 8:12]

    def observation(self, state: State) -> Tensor:
        """Target, orientation, velocities and tilts, scaled as in the original, `[N, 21]`."""
        return torch.cat(
            [
                self.target_offset(state) / 3.0,
                state.qpos[:, 3:7],
                state.qvel[:, 0:3] / 2.0,
                self.angular_velocity(state) / math.pi,
                state.qpos[:, 7:15],
            ],
            dim=1,
        )

    def terminated(self, state: State) -> Tensor:
        """Too far away, or too low."""
        away = self.target_offset(state).norm(dim=1)
        return (away > 3.0) | (state.qpos[:, 2] < 0.3)

    def reset(self, noise: ResetNoise) -> tuple[Tensor, Tensor]:
        """Level and at rest somewhere around the target, rotors tilted a little."""
        sideways, above = noise.uniform(2, -1.5, 1.5), noise.uniform(1, -0.2, 1.5)
        upright = self.rest_pose(noise)[3:7].expand(len(noise), -1)
        tilts = noise.uniform(8, -0.2, 0.2)
        still = torch.zeros(len(noise), 14, dtype=tilts.dtype, device=tilts.device)
        return torch.cat([sideways, TARGET + above, upright, tilts], dim=1), still

    def activations(self, qpos: Tensor) -> Tensor:
        """The tilts' targets are where they are; no thrust."""
        return torch.cat([qpos[:, 7:15], torch.zeros_like(qpos[:, :4])], dim=1)
