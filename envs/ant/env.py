"""A four-legged robot that runs: Gymnasium's packaged Ant model."""

import mujoco
import torch
from torch import Tensor

from eureka_agent.environment import Environment, ResetNoise, State, TrainingSettings, signal
from eureka_agent.environment.gymnasium_models import gymnasium_model

# In the order of the model's joints. Its own names for the legs take y for forward; ours take x.
LEGS = {
    "front left": "left_ankle_geom",
    "back left": "right_ankle_geom",
    "back right": "third_ankle_geom",
    "front right": "fourth_ankle_geom",
}
MOTORS = ("front right", "front left", "back left", "back right")
JOINTS = tuple(f"{leg} {joint}" for leg in LEGS for joint in ("hip", "ankle"))
WORLD = ("forward (x)", "left (y)", "up (z)")
TORSO = 1  # its body


class Ant(Environment):
    """Reset, early end and time limit as in Gymnasium's Ant-v5, and its observation without forces.

    The integrator is `implicitfast` instead of RK4. Contact forces are neither observed nor
    signals: the physics knows them only as they were one step before the state.
    """

    task = "Run forward as fast as possible."
    robot = (
        "A four-legged robot: a sphere of 0.25 m radius with a leg at each corner, in front and "
        "behind, left and right. A leg has a fixed part, then a hip that turns it sideways about "
        "the torso's vertical axis, then an ankle that lowers the last part, 0.57 m long, which "
        "ends in the foot."
    )
    start = (
        "In the air, facing forward, its torso 0.75 m above the ground and all legs stretched out "
        "level, with noise on pose and velocities; it drops while its ankles bend down."
    )
    substeps = 5
    episode_steps = 1000
    termination = "The torso's centre is lower than 0.2 m or higher than 1.0 m above the ground."
    training = TrainingSettings(target_kl=0.03, n_epochs=8, initial_log_std=-0.7, budget=500_000)

    def build(self) -> mujoco.MjSpec:
        """Gymnasium's model with names for its motors and a site at each foot."""
        names = [f"{leg} {joint}" for leg in MOTORS for joint in ("hip", "ankle")]
        spec = gymnasium_model("ant.xml", names)
        for leg, name in LEGS.items():
            last = spec.geom(name)
            last.parent.add_site(name=f"{leg} foot", pos=last.fromto[3:])
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
        """Direction of the torso's own up axis in the world: (0, 0, 1) when it is level."""
        return state.body_rotation("torso")[:, :, 2]

    @signal(unit="1", kind="orientation", size=3, axes=WORLD)
    def torso_heading(self, state: State) -> Tensor:
        """Direction of the torso's own forward axis in the world: (1, 0, 0) facing forward."""
        return state.body_rotation("torso")[:, :, 0]

    @signal(
        unit="rad/s",
        kind="angular_velocity",
        size=3,
        axes=("roll (forward axis)", "pitch (left axis)", "yaw (up axis)"),
    )
    def torso_angular_velocity(self, state: State) -> Tensor:
        """Angular velocity of the torso about its own axes, positive pitch nose down."""
        return state.qvel[:, 3:6]

    @signal(unit="rad", kind="angle", size=8, axes=JOINTS)
    def joint_angles(self, state: State) -> Tensor:
        """Angles of the leg joints, 0 with all legs stretched out at the corners.

        Positive hips turn to the left as seen from above. Ankles bent down are positive in front
        and negative behind, between 0.52 and 1.22 either way.
        """
        return state.qpos[:, 7:15]

    @signal(unit="rad/s", kind="angular_velocity", size=8, axes=JOINTS)
    def joint_velocities(self, state: State) -> Tensor:
        """Angular velocities of the leg joints, with the signs of their angles."""
        return state.qvel[:, 6:14]

    @signal(unit="m", kind="position", size=4, axes=tuple(LEGS))
    def foot_heights(self, state: State) -> Tensor:
        """Height of the feet's centres above the ground: 0.08 when a foot stands on it."""
        return state.site_xpos[:, :, 2]

    def observation(self, state: State) -> Tensor:
        """Positions without the two horizontal ones, and velocities, `[N, 27]`."""
        return torch.cat([state.qpos[:, 2:], state.qvel], dim=1)

    def terminated(self, state: State) -> Tensor:
        """Torso too low or too high."""
        height = state.qpos[:, 2]
        return ~((height >= 0.2) & (height <= 1.0))

    def reset(self, noise: ResetNoise) -> tuple[Tensor, Tensor]:
        """The rest pose with noise on every coordinate, the quaternion's too."""
        pose = noise.uniform(15, -0.1, 0.1)
        return self.rest_pose(noise) + pose, noise.normal(14, 0.1)
