"""A robot of human shape that runs: Gymnasium's packaged Humanoid model."""

import mujoco
import torch
from torch import Tensor

from eureka_agent.environment import Environment, ResetNoise, State, TrainingSettings, signal
from eureka_agent.environment.gymnasium_models import gymnasium_model

WORLD = ("forward (x)", "left (y)", "up (z)")
FEET = ("right foot", "left foot")
TORSO = 1  # its body
JOINTS = (
    "abdomen twist (positive: pelvis turned left)",
    "abdomen bend (negative: bent forward)",
    "abdomen lean (positive: legs to the left)",
    "right hip sideways (negative: leg outwards)",
    "right hip twist (positive: toes inwards)",
    "right hip swing (negative: thigh forward)",
    "right knee (negative: bent)",
    "left hip sideways (negative: leg outwards)",
    "left hip twist (positive: toes inwards)",
    "left hip swing (negative: thigh forward)",
    "left knee (negative: bent)",
    "right shoulder 1 (positive: arm in and down)",
    "right shoulder 2 (positive: arm in, forward and up)",
    "right elbow (positive: bent more)",
    "left shoulder 1 (negative: arm in and down)",
    "left shoulder 2 (negative: arm in, forward and up)",
    "left elbow (positive: bent more)",
)


class Humanoid(Environment):
    """Reset, early end and time limit as in Gymnasium's Humanoid-v5.

    The integrator is `implicitfast` instead of RK4, the solver Newton instead of PGS. Of the
    observation positions and velocities are kept; what Gymnasium adds follows from them (inertias
    and velocities of the bodies), from the last action, or (contact forces) is known only as it
    was one physics step before the state.
    """

    task = "Run forward as fast as possible without falling."
    robot = (
        "A robot of human shape, 1.6 m tall: a torso with a head, an abdomen with three joints, "
        "two legs with three hip joints and a knee each (the round feet have no joint), and two "
        "arms with two shoulder joints and an elbow each."
    )
    start = (
        "Upright with straight legs, facing forward, its torso's centre 1.4 m and its soles 0.1 m "
        "above the ground, nearly at rest."
    )
    substeps = 5
    episode_steps = 1000
    termination = "The torso's centre is at 1.0 m above the ground or lower, or at 2.0 m or higher."
    training = TrainingSettings(
        hidden=(256, 256),
        gamma=0.97,
        target_kl=0.02,
        n_epochs=8,
        initial_log_std=-0.7,
        budget=600_000,
    )

    def build(self) -> mujoco.MjSpec:
        """Gymnasium's model."""
        spec = gymnasium_model("humanoid.xml")
        spec.option.solver = mujoco.mjtSolver.mjSOL_NEWTON
        return spec

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
        return state.geom_position("head")[:, 2]

    @signal(unit="rad", kind="angle", size=17, axes=JOINTS)
    def joint_angles(self, state: State) -> Tensor:
        """Angles of the joints, 0 in the start pose: straight legs, hands in front of the chest."""
        return state.qpos[:, 7:24]

    @signal(unit="rad/s", kind="angular_velocity", size=17)
    def joint_velocities(self, state: State) -> Tensor:
        """Angular velocities of the joints, in the order and with the signs of their angles."""
        return state.qvel[:, 6:23]

    @signal(unit="m", kind="position", size=2, axes=FEET)
    def foot_heights(self, state: State) -> Tensor:
        """Height of the feet's centres above the ground: 0.075 when a foot stands on it."""
        return _feet(state)[:, :, 2]

    @signal(unit="m", kind="position", size=2, axes=FEET)
    def feet_ahead(self, state: State) -> Tensor:
        """How far each foot's centre is ahead of the torso's centre, negative behind it."""
        return _feet(state)[:, :, 0] - state.qpos[:, 0:1]

    def observation(self, state: State) -> Tensor:
        """Positions without the two horizontal ones, and velocities, `[N, 45]`."""
        return torch.cat([state.qpos[:, 2:], state.qvel], dim=1)

    def terminated(self, state: State) -> Tensor:
        """Torso too low or too high."""
        height = state.qpos[:, 2]
        return ~((height > 1.0) & (height < 2.0))

    def reset(self, noise: ResetNoise) -> tuple[Tensor, Tensor]:
        """Upright, with a little noise on every coordinate."""
        pose = noise.uniform(24, -0.01, 0.01)
        return self.rest_pose(noise) + pose, noise.uniform(23, -0.01, 0.01)


def _feet(state: State) -> Tensor:
    """World positions of the feet's centres, m, `[N, 2, 3]`."""
    return torch.stack([state.geom_position("right_foot"), state.geom_position("left_foot")], 1)
