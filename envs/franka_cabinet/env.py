"""An arm that opens a drawer: Franka's Panda and a cabinet, in primitives."""

import functools

import torch
from torch import Tensor

from eureka_agent.environment import Environment, ResetNoise, State, TrainingSettings, signal

START = (1.157, -1.066, -0.155, -2.239, -1.841, 1.003, 0.469)  # rad
FINGER_START, FINGER_RANGE = 0.035, 0.04  # m
WORLD = ("out of the cabinet (x)", "sideways (y)", "up (z)")
ARM = tuple(f"joint {i}" for i in range(1, 8))
FINGERS = ("left finger", "right finger")


class FrankaCabinet(Environment):
    """Actions, reset, early end, time limit and what the policy sees as in IsaacGymEnvs.

    The README says what differs from the source.
    """

    task = "Open the cabinet's drawer."
    robot = (
        "A Panda arm of seven joints with a gripper of two fingers. It stands on the ground, 1 m "
        "in front of the centre of a cabinet, and faces it. The cabinet's upper drawer slides out "
        "by up to 0.4 m along x, towards the arm, against a damping of 10 N s / m. Its handle is "
        "a level bar along y, 0.15 m long and 0.018 m thick, at a height of 0.73 m, 0.05 m in "
        "front of the drawer. Fingers are 0.054 m long, each moves by up to 0.04 m from the "
        "middle of the hand. There is no gravity. Each action moves the target position of a "
        "joint by up to 7.5 rad/s, of a finger by up to 0.75 m/s; a joint follows its target at "
        "2.2 to 2.6 rad/s at most, a finger at 0.2 m/s."
    )
    start = (
        "At rest, the drawer closed, the gripper open about 0.45 m from the handle and not facing "
        "it, every joint up to 0.125 rad off a fixed pose."
    )
    substeps = 2
    episode_steps = 500
    termination = "The drawer is open by more than 0.39 m."
    training = TrainingSettings(
        hidden=(128, 128),
        activation="elu",
        initial_log_std=-0.7,
        n_epochs=8,
        target_kl=0.02,
        budget=500_000,
    )

    @signal(unit="m", kind="position")
    def drawer_opening(self, state: State) -> Tensor:
        """How far the drawer has been pulled out: 0 closed, at most 0.4."""
        return state.qpos[:, 9]

    @signal(unit="m/s", kind="velocity")
    def drawer_speed(self, state: State) -> Tensor:
        """Velocity of the drawer, positive when it opens."""
        return state.qvel[:, 9]

    @signal(unit="m", kind="position", size=3, axes=WORLD)
    def handle_position(self, state: State) -> Tensor:
        """Where to hold the drawer, in the world.

        5 mm behind and 10 mm below the axis of the bar, and 10 mm along y from its middle.
        """
        return state.site_xpos[:, 2]

    @signal(unit="m", kind="position", size=3, axes=WORLD)
    def grip_position(self, state: State) -> Tensor:
        """A reference point beside the hand, not where it grips (see `fingertips_position`).

        It is amid the fingers' roots, then 0.04 m aside, halfway between the direction to the left
        finger and the one to its right as seen along the fingers.
        """
        return state.site_xpos[:, 0]

    @signal(unit="m", kind="position", size=3, axes=WORLD)
    def fingertips_position(self, state: State) -> Tensor:
        """Point in the world amid the two fingers, 9 mm before the fingers' ends."""
        return state.site_xpos[:, 1]

    @signal(unit="m", kind="distance", size=3, axes=WORLD)
    def grip_to_handle(self, state: State) -> Tensor:
        """Vector from `grip_position` to `handle_position`."""
        return self.handle_position(state) - self.grip_position(state)

    @signal(unit="m", kind="distance", size=3, axes=WORLD)
    def fingertips_to_handle(self, state: State) -> Tensor:
        """Vector from `fingertips_position` to `handle_position`."""
        return self.handle_position(state) - self.fingertips_position(state)

    @signal(unit="m", kind="position", size=3, axes=WORLD)
    def left_finger_position(self, state: State) -> Tensor:
        """Position of the left finger's root in the world; its end is 0.054 m along the hand."""
        return state.body_position("left finger")

    @signal(unit="m", kind="position", size=3, axes=WORLD)
    def right_finger_position(self, state: State) -> Tensor:
        """Position of the right finger's root in the world; its end is 0.054 m along the hand."""
        return state.body_position("right finger")

    @signal(unit="1", kind="orientation", size=3, axes=WORLD)
    def hand_forward(self, state: State) -> Tensor:
        """Direction in the world in which the fingers point."""
        return state.body_rotation("hand")[:, :, 2]

    @signal(unit="1", kind="orientation", size=3, axes=WORLD)
    def hand_up(self, state: State) -> Tensor:
        """Direction in the world from the right finger to the left one."""
        return state.body_rotation("hand")[:, :, 1]

    @signal(unit="rad", kind="angle", size=7, axes=ARM)
    def joint_angles(self, state: State) -> Tensor:
        """Angles of the arm's joints, from its base to its hand."""
        return state.qpos[:, 0:7]

    @signal(unit="rad/s", kind="angular_velocity", size=7, axes=ARM)
    def joint_velocities(self, state: State) -> Tensor:
        """Angular velocities of the arm's joints, from its base to its hand."""
        return state.qvel[:, 0:7]

    @signal(unit="m", kind="distance", size=2, axes=FINGERS)
    def finger_openings(self, state: State) -> Tensor:
        """How far each finger is from the middle of the hand: 0 closed, 0.04 wide open."""
        return state.qpos[:, 7:9]

    def observation(self, state: State) -> Tensor:
        """Robot's positions and velocities, way to the handle, drawer and its speed, `[N, 23]`."""
        robot = [state.qpos[:, :9], state.qvel[:, :9], self.grip_to_handle(state)]
        return torch.cat([*robot, state.qpos[:, 9:], state.qvel[:, 9:]], dim=1)

    def terminated(self, state: State) -> Tensor:
        """The drawer is open."""
        return self.drawer_opening(state) > 0.39

    def reset(self, noise: ResetNoise) -> tuple[Tensor, Tensor]:
        """The start pose with noise, as far as the joints allow; the drawer closed, all at rest."""
        arm = _start(noise.device) + noise.uniform(7, -0.125, 0.125)
        fingers = (FINGER_START + noise.uniform(2, -0.125, 0.125)).clamp(0.0, FINGER_RANGE)
        qpos = torch.cat([arm, fingers, torch.zeros_like(arm[:, :1])], dim=1)
        return qpos, torch.zeros_like(qpos)

    def activations(self, qpos: Tensor) -> Tensor:
        """Target positions begin where the joints are."""
        return qpos[:, :9]


@functools.cache
def _start(device: torch.device) -> Tensor:
    """Angles of the arm at the start, rad, `[7]` float64, sent to each device once."""
    return torch.tensor(START, dtype=torch.float64, device=device)
