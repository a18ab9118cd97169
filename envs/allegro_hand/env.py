"""A four-fingered hand that turns a cube: the Wonik Allegro hand, palm up."""

import functools
import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from eureka_agent.environment import Environment, ResetNoise, State, TrainingSettings, signal

WORLD = ("left (x)", "back to the wrist (y)", "up (z)")
QUATERNION = ("w", "x", "y", "z")
FINGERS = ("index", "middle", "ring", "thumb")
FINGER_JOINTS = (
    "roll about its own length (positive: bent tip swings right)",
    "knuckle (positive: bent)",
    "middle (positive: bent)",
    "tip (positive: bent)",
)
THUMB_JOINTS = (
    "thumb opposition (positive: in over the palm)",
    "thumb twist (positive: bent tip swings forward)",
    "thumb knuckle (positive: bent)",
    "thumb tip (positive: bent)",
)
JOINTS = (*(f"{f} {joint}" for f in FINGERS[:3] for joint in FINGER_JOINTS), *THUMB_JOINTS)


class AllegroHand(Environment):
    """Goals, reset, early end and time limit as in IsaacGymEnvs' AllegroHand.

    The observation is that of its type "full" without the scales, which a normaliser undoes, and
    without the working point, which never moves.
    """

    task = "Turn the cube in the hand to the goal orientation, again and again as the goal changes."
    robot = (
        "A right hand with three fingers and a thumb, four joints each, fixed with its palm up and "
        "its fingers pointing forward (-y) and 5 degrees down. Servos move the joints to the "
        "target angles that the action sets. A cube of 6.5 cm and 0.11 kg lies on the fingers."
    )
    start = (
        "The fingers are nearly straight, the thumb lies aside, and the cube, turned at random, "
        "drops onto the fingers from 3 cm. The first goal is another random orientation."
    )
    substeps = 4
    episode_steps = 600
    termination = (
        "The cube's centre is 0.24 m or more away from the working point, 4 cm below where its "
        "fall begins: it was dropped."
    )
    training = TrainingSettings(
        hidden=(128, 128),
        activation="elu",
        initial_log_std=-1.0,
        worlds=128,
        n_steps=16,
        n_epochs=4,
        gamma=0.97,
        learning_rate=5e-4,
        target_kl=0.02,
        budget=400_000,
    )
    task_state: ClassVar[Mapping[str, int]] = {"goal": 4, "reached": 1}

    WORKING_POINT = (0.0, -0.2, 0.52)
    """Where the cube is while it is turned, m: the start of its fall less 4 cm."""
    TOLERANCE = 0.1
    """A goal is reached at this angle (rad) or less."""
    FALL = 0.24
    """The cube is dropped at this distance (m) from the working point or more."""

    @signal(unit="m", kind="position", size=3, axes=WORLD)
    def cube_position(self, state: State) -> Tensor:
        """Position of the cube's centre in the world."""
        return state.qpos[:, 0:3]

    @signal(unit="m", kind="position", size=3, axes=WORLD)
    def cube_offset(self, state: State) -> Tensor:
        """Position of the cube's centre relative to the working point, 4 cm below its start."""
        x, y, z = self.WORKING_POINT
        return torch.stack([state.qpos[:, 0] - x, state.qpos[:, 1] - y, state.qpos[:, 2] - z], 1)

    @signal(unit="1", kind="orientation", size=4, axes=QUATERNION)
    def cube_orientation(self, state: State) -> Tensor:
        """Orientation of the cube in the world, a unit quaternion."""
        return state.qpos[:, 3:7]

    @signal(unit="1", kind="goal", size=4, axes=QUATERNION)
    def goal_orientation(self, state: State) -> Tensor:
        """Goal orientation of the cube in the world, a unit quaternion."""
        return state.task["goal"]

    @signal(unit="1", kind="orientation", size=4, axes=QUATERNION)
    def rotation_from_goal(self, state: State) -> Tensor:
        """Rotation in the world that leads from the goal orientation to the cube's, a quaternion.

        It is (1, 0, 0, 0) where the two agree, and w is never negative.
        """
        rotation = _product(self.cube_orientation(state), _conjugate(state.task["goal"]))
        return torch.where(rotation[:, :1] < 0.0, -rotation, rotation)

    @signal(unit="rad", kind="angle")
    def goal_angle(self, state: State) -> Tensor:
        """Angle of the rotation between the cube's orientation and the goal, 0 to pi."""
        rotation = self.rotation_from_goal(state)
        return 2.0 * torch.atan2(rotation[:, 1:].norm(dim=1), rotation[:, 0])

    @signal(unit="1", kind="other")
    def goals_reached(self, state: State) -> Tensor:
        """How many goals were reached in this episode, this step's included.

        A goal is reached when goal_angle is 0.1 rad or less; the next step has another goal.
        """
        return state.task["reached"][:, 0]

    @signal(unit="m/s", kind="velocity", size=3, axes=WORLD)
    def cube_velocity(self, state: State) -> Tensor:
        """Velocity of the cube's centre in the world."""
        return state.qvel[:, 0:3]

    @signal(unit="rad/s", kind="angular_velocity", size=3, axes=WORLD)
    def cube_angular_velocity(self, state: State) -> Tensor:
        """Angular velocity of the cube about the axes of the world."""
        own = state.qvel[:, 3:6, None]
        return (state.body_rotation("cube") @ own)[:, :, 0]

    @signal(unit="rad", kind="angle", size=len(JOINTS), axes=JOINTS)
    def joint_angles(self, state: State) -> Tensor:
        """Angles of the hand's joints, 0 with straight fingers."""
        return state.qpos[:, 7:]

    @signal(unit="rad/s", kind="angular_velocity", size=len(JOINTS))
    def joint_velocities(self, state: State) -> Tensor:
        """Angular velocities of the hand's joints, in order and with the signs of their angles."""
        return state.qvel[:, 6:]

    @signal(
        unit="m",
        kind="position",
        size=3 * len(FINGERS),
        axes=tuple(f"{finger} {axis}" for finger in FINGERS for axis in WORLD),
    )
    def fingertip_positions(self, state: State) -> Tensor:
        """Positions of the fingertips in the world: centres of the round ends."""
        return state.site_xpos.flatten(1)

    @signal(unit="m", kind="distance", size=len(FINGERS), axes=FINGERS)
    def fingertip_distances(self, state: State) -> Tensor:
        """Distances of the fingertips from the cube's centre."""
        return (state.site_xpos - state.qpos[:, None, 0:3]).norm(dim=2)

    def observation(self, state: State) -> Tensor:
        """Hand, cube, goal, rotation between them, and the servos' last targets, `[N, 69]`."""
        return torch.cat(
            [
                *(self.joint_angles(state), self.joint_velocities(state)),
                *(state.qpos[:, 0:7], self.cube_velocity(state), self.cube_angular_velocity(state)),
                *(self.goal_orientation(state), self.rotation_from_goal(state)),
                state.ctrl,
            ],
            dim=1,
        )

    def begin_task(self, state: State, noise: ResetNoise) -> dict[str, Tensor]:
        """Another goal."""
        return {"goal": _random_orientation(noise)}

    def update_task(self, state: State) -> dict[str, Tensor]:
        """Count a goal that is reached."""
        return {"reached": state.task["reached"] + self.task_changes(state)[:, None]}

    def task_changes(self, state: State) -> Tensor:
        """The goal is reached."""
        return self.goal_angle(state) <= self.TOLERANCE

    def terminated(self, state: State) -> Tensor:
        """The cube was dropped."""
        return self.cube_offset(state).norm(dim=1) >= self.FALL

    def reset(self, noise: ResetNoise) -> tuple[Tensor, Tensor]:
        """The cube above the fingers, turned at random; the joints at a fifth of random angles."""
        m, (low, high) = len(noise), self._joint_ranges(noise.device)
        cube = noise.uniform(3, -0.01, 0.01) + self.rest_pose(noise)[:3]
        turned = _random_orientation(noise)
        joints = 0.2 * (low + (high - low) * noise.uniform(len(low)))
        hand = torch.maximum(torch.minimum(joints, high), low)
        return torch.cat([cube, turned, hand], dim=1), cube.new_zeros(m, self.model.nv)

    @functools.cached_property
    def _ranges(self) -> dict[torch.device, Tensor]:
        return {}

    def _joint_ranges(self, device: torch.device) -> Tensor:
        """Lower and upper ends of the hand's joints, rad, `[2, joints]` float64."""
        if device not in self._ranges:  # sent once: a GPU would have to be waited for
            ranges = torch.as_tensor(self.model.jnt_range[1:].T.copy())
            self._ranges[device] = ranges.to(device)
        return self._ranges[device]


def _random_orientation(noise: ResetNoise) -> Tensor:
    """A random turn about y, then one about x, as in the source: `[m, 4]`."""
    about_x, about_y = noise.uniform(2, -math.pi / 2, math.pi / 2).unbind(1)  # half the angles
    cx, sx, cy, sy = about_x.cos(), about_x.sin(), about_y.cos(), about_y.sin()
    return torch.stack([cx * cy, sx * cy, cx * sy, sx * sy], dim=1)


def _conjugate(q: Tensor) -> Tensor:
    """The inverse rotations of unit quaternions `[N, 4]`."""
    return torch.cat([q[:, :1], -q[:, 1:]], dim=1)


def _product(a: Tensor, b: Tensor) -> Tensor:
    """The rotations `b` followed by `a`, quaternions `[N, 4]`."""
    (aw, av), (bw, bv) = (q.split([1, 3], dim=1) for q in (a, b))
    scalar = aw * bw - (av * bv).sum(1, keepdim=True)
    return torch.cat([scalar, aw * bv + bw * av + torch.linalg.cross(av, bv)], dim=1)
