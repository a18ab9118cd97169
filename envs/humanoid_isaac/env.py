"""A robot of human shape that runs to a far target: IsaacGymEnvs' Humanoid task on MuJoCo."""

import functools

import torch
from torch import Tensor

from eureka_agent.environment import Environment, ResetNoise, State, TrainingSettings, signal

TARGET = 1000.0  # m ahead of the start
HEIGHT = 1.34  # of the torso at the start, m
TORSO = 1  # its body
WORLD = ("forward (x)", "left (y)", "up (z)")
FEET = ("right foot", "left foot")
SIDEWAYS = slice(3, 10, 6)  # the two joints of the hips that move the legs apart
JOINTS = (
    "abdomen twist (positive: pelvis turned left)",
    "abdomen bend (negative: bent forward)",
    "abdomen lean (positive: legs to the left)",
    "right hip sideways (negative: leg outwards)",
    "right hip twist (positive: toes inwards)",
    "right hip swing (negative: thigh forward)",
    "right knee (negative: bent)",
    "right ankle pitch (positive: toes down)",
    "right ankle roll (positive: inner edge up, toes inwards)",
    "left hip sideways (negative: leg outwards)",
    "left hip twist (positive: toes inwards)",
    "left hip swing (negative: thigh forward)",
    "left knee (negative: bent)",
    "left ankle pitch (positive: toes down)",
    "left ankle roll (positive: outer edge up, toes outwards)",
    "right shoulder 1 (positive: arm in and down)",
    "right shoulder 2 (positive: arm in and up)",
    "right elbow (positive: bent more)",
    "left shoulder 1 (positive: arm in and down)",
    "left shoulder 2 (positive: arm in and up)",
    "left elbow (positive: bent more)",
)


class HumanoidIsaac(Environment):
    """Observation, reset, early end and time limit as in IsaacGymEnvs' Humanoid.

    What the observation lacks are the readings of force sensors and the forces on the joints.
    """

    task = "Run as fast as possible to a target 1000 m ahead."
    robot = (
        "A robot of human shape, 1.6 m tall: a torso with a head, an abdomen with three joints, "
        "two legs with three hip joints, a knee and two ankle joints each, and two arms with two "
        "shoulder joints and an elbow each. Its parts collide with each other."
    )
    start = (
        "Upright, facing forward, its torso 1.34 m and its soles 0.05 m above the ground, at rest "
        "but for the joints: angles up to 0.2 rad from a straight stance, the legs not inwards, "
        "velocities up to 0.1 rad/s."
    )
    substeps = 3
    episode_steps = 1000
    termination = "The torso's centre is lower than 0.8 m above the ground."
    training = TrainingSettings(
        hidden=(256, 256),
        gamma=0.97,
        target_kl=0.02,
        n_epochs=8,
        initial_log_std=-0.7,
        budget=600_000,
    )

    @signal(unit="m", kind="position", size=3, axes=WORLD)
    def torso_position(self, state: State) -> Tensor:
        """Position of the torso's centre, the height above the ground."""
        return state.qpos[:, 0:3]

    @signal(unit="m/s", kind="velocity", size=3, axes=WORLD)
    def torso_velocity(self, state: State) -> Tensor:
        """Velocity of the torso's centre along the axes of the world."""
        return state.qvel[:, 0:3]

    @signal(unit="1", kind="orientation", size=4, axes=("w", "x", "y", "z"))
    def torso_orientation(self, state: State) -> Tensor:
        """Orientation of the torso in the world, a unit quaternion: (1, 0, 0, 0) at the start."""
        return state.xquat[:, TORSO]

    @signal(unit="1", kind="orientation", size=3, axes=WORLD)
    def torso_up(self, state: State) -> Tensor:
        """Direction of the torso's own up axis in the world: (0, 0, 1) when it is upright."""
        return state.body_rotation("torso")[:, :, 2]

    @signal(unit="1", kind="orientation", size=3, axes=WORLD)
    def torso_heading(self, state: State) -> Tensor:
        """Direction in which the chest faces in the world: (1, 0, 0) facing forward."""
        return state.body_rotation("torso")[:, :, 0]

    @signal(
        unit="rad/s",
        kind="angular_velocity",
        size=3,
        axes=("roll (forward axis)", "pitch (left axis)", "yaw (up axis)"),
    )
    def torso_angular_velocity(self, state: State) -> Tensor:
        """Angular velocity of the torso about its own axes, positive pitch tipping forward."""
        return state.qvel[:, 3:6]

    @signal(unit="m", kind="position", size=3, axes=WORLD)
    def centre_of_mass(self, state: State) -> Tensor:
        """Centre of mass of the whole body, the height above the ground."""
        return state.subtree_com[:, TORSO]

    @signal(unit="m", kind="position")
    def head_height(self, state: State) -> Tensor:
        """Height of the head's centre above the ground."""
        return state.body_position("head")[:, 2]

    @signal(unit="rad", kind="angle", size=21, axes=JOINTS)
    def joint_angles(self, state: State) -> Tensor:
        """Angles of the joints, 0 with straight legs, level feet and the hands before the chest."""
        return state.qpos[:, 7:28]

    @signal(unit="rad/s", kind="angular_velocity", size=21)
    def joint_velocities(self, state: State) -> Tensor:
        """Angular velocities of the joints, in the order and with the signs of their angles."""
        return state.qvel[:, 6:27]

    @signal(unit="1", kind="angle", size=21)
    def joint_positions(self, state: State) -> Tensor:
        """Angles of the joints in their ranges: -1 at the lower limit, 1 at the upper one.

        In the order of the angles.
        """
        low, high = self._limits(state.qpos.device)
        return (2.0 * state.qpos[:, 7:28] - high - low) / (high - low)

    @signal(unit="m", kind="position", size=2, axes=FEET)
    def foot_heights(self, state: State) -> Tensor:
        """Height of the feet above the ground, below the ankle: 0.027 when a foot stands flat."""
        return _feet(state)[:, :, 2]

    @signal(unit="m", kind="position", size=2, axes=FEET)
    def feet_ahead(self, state: State) -> Tensor:
        """How far each foot (below the ankle) is ahead of the torso's centre, negative behind."""
        return _feet(state)[:, :, 0] - state.qpos[:, 0:1]

    @signal(unit="m", kind="distance")
    def target_distance(self, state: State) -> Tensor:
        """Horizontal distance from the torso's centre to the target."""
        return _to_target(state).norm(dim=1)

    @signal(unit="1", kind="goal", size=2, axes=WORLD[:2])
    def target_direction(self, state: State) -> Tensor:
        """Horizontal direction from the torso's centre to the target, a unit vector."""
        return torch.nn.functional.normalize(_to_target(state), dim=1)

    def observation(self, state: State) -> Tensor:
        """Isaac's without forces, `[N, 75]`.

        Height; velocity and angular velocity (a quarter of rad/s) in the torso's frame; yaw, roll,
        angle to the target; cosines of the torso's tilt and of its heading to the target;
        positions of the joints in their ranges, their velocities (a tenth of rad/s), and the last
        action.
        """
        frame = state.body_rotation("torso")
        velocity = (frame.mT @ state.qvel[:, 0:3, None])[:, :, 0]
        yaw = torch.atan2(frame[:, 1, 0], frame[:, 0, 0])
        roll = torch.atan2(frame[:, 2, 1], frame[:, 2, 2])
        direction = self.target_direction(state)
        turn = torch.atan2(direction[:, 1], direction[:, 0]) - yaw
        heading = (frame[:, 0:2, 0] * direction).sum(1)
        angles = [yaw, roll, torch.atan2(turn.sin(), turn.cos()), frame[:, 2, 2], heading]
        return torch.cat(
            [
                *(state.qpos[:, 2:3], velocity, 0.25 * state.qvel[:, 3:6], torch.stack(angles, 1)),
                *(self.joint_positions(state), 0.1 * state.qvel[:, 6:], state.ctrl),
            ],
            dim=1,
        )

    def terminated(self, state: State) -> Tensor:
        """Torso too low."""
        return ~(state.qpos[:, 2] >= 0.8)

    def reset(self, noise: ResetNoise) -> tuple[Tensor, Tensor]:
        """Upright, with noise on the joints."""
        low, high = self._limits(noise.device)
        root = self.rest_pose(noise)[:7].repeat(len(noise), 1)
        root[:, 2] = HEIGHT
        joints = noise.uniform(21, -0.2, 0.2).clamp(low, high)
        joints[:, SIDEWAYS] = -joints[:, SIDEWAYS].abs()  # outwards, or feet would begin crossed
        still = torch.zeros_like(root[:, :6])
        velocity = torch.cat([still, noise.uniform(21, -0.1, 0.1)], dim=1)
        return torch.cat([root, joints], dim=1), velocity

    def _limits(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Lower and upper limits of the joints, rad, `[21]` each."""
        limits = self._sent.get(device)
        if limits is None:  # sent once: a GPU would have to be waited for at every step
            limits = torch.as_tensor(self.model.jnt_range[1:].T, dtype=torch.float32, device=device)
            self._sent[device] = limits
        return limits[0], limits[1]

    @functools.cached_property
    def _sent(self) -> dict[torch.device, Tensor]:
        return {}


def _feet(state: State) -> Tensor:
    """World positions of the feet's frames, m, `[N, 2, 3]`."""
    return torch.stack([state.body_position("right_foot"), state.body_position("left_foot")], 1)


def _to_target(state: State) -> Tensor:
    """Horizontal way from the torso's centre to the target, m, `[N, 2]`."""
    x, y = state.qpos[:, 0], state.qpos[:, 1]
    return torch.stack([TARGET - x, -y], dim=1)
