"""A four-legged robot that runs to a far target: the Ant task of IsaacGymEnvs on MuJoCo."""

import functools

import mujoco
import torch
from torch import Tensor

from eureka_agent.environment import ResetNoise, State, TrainingSettings, signal, variant_of

Ant = variant_of("ant")

FREQUENCY = 60  # of control, Hz
TARGET = 1000.0  # m ahead of the start
HEIGHT = 0.44  # of the torso at the start, m
# Degrees: hips, and ankles bent down, which counts negative for the legs behind.
HIP, ANKLE = (-40.0, 40.0), (30.0, 100.0)
LEGS = ("front left", "back left", "back right", "front right")
JOINTS = tuple(f"{leg} {joint}" for leg in LEGS for joint in ("hip", "ankle"))
WORLD = ("forward (x)", "left (y)")


class AntIsaac(Ant):
    """Observation, reset, early end and time limit as in IsaacGymEnvs' Ant, without force sensors.

    The body is that of `ant`; ranges, armature, damping and torques of its joints are Isaac's.
    """

    task = "Run as fast as possible to a target 1000 m ahead."
    start = (
        "Level, facing forward, its torso 0.44 m above the ground and at rest, the ankles bent "
        "down by 0.52 to 0.72 rad and the hips turned by up to 0.2 rad either way."
    )
    substeps = 2
    termination = "The torso's centre is lower than 0.31 m above the ground."
    training = TrainingSettings(
        hidden=(128, 128), target_kl=0.03, n_epochs=8, initial_log_std=-0.7, budget=500_000
    )

    def build(self) -> mujoco.MjSpec:
        """The model of `ant` with the joints and the torques of Isaac's."""
        spec = super().build()
        assert isinstance(spec, mujoco.MjSpec)
        spec.option.timestep = 1.0 / (FREQUENCY * self.substeps)
        for joint in spec.joints[1:]:  # the first one is the torso's own
            low, high = HIP if joint.name.startswith("hip") else ANKLE
            joint.range = [low, high] if joint.range[1] > 0.0 else [-high, -low]
            joint.armature, joint.damping = 0.01, [0.1, 0.0, 0.0]
        for motor in spec.actuators:
            motor.gear[0] = 15.0
        for geom in spec.geoms:
            geom.margin = 0.0  # Isaac's bodies push when they touch, not before
        return spec

    @signal(unit="rad", kind="angle", size=8, axes=JOINTS)
    def joint_angles(self, state: State) -> Tensor:
        """Angles of the leg joints, 0 with all legs stretched out at the corners.

        Positive hips turn to the left as seen from above, up to 0.70 either way. Ankles bent down
        are positive in front and negative behind, between 0.52 and 1.75 either way.
        """
        return state.qpos[:, 7:15]

    @signal(unit="1", kind="angle", size=8, axes=JOINTS)
    def joint_positions(self, state: State) -> Tensor:
        """Angles of the leg joints in their ranges: -1 at the lower limit, 1 at the upper one."""
        low, high = self._limits(state.qpos.device)
        return (2.0 * state.qpos[:, 7:15] - high - low) / (high - low)

    @signal(unit="m", kind="distance")
    def target_distance(self, state: State) -> Tensor:
        """Horizontal distance from the torso's centre to the target."""
        return _to_target(state).norm(dim=1)

    @signal(unit="1", kind="goal", size=2, axes=WORLD)
    def target_direction(self, state: State) -> Tensor:
        """Horizontal direction from the torso's centre to the target, a unit vector."""
        return torch.nn.functional.normalize(_to_target(state), dim=1)

    def observation(self, state: State) -> Tensor:
        """Isaac's without the readings of force sensors, `[N, 36]`.

        Height; velocity and angular velocity in the torso's frame; yaw, roll, angle to the target;
        cosines of the torso's tilt and of its heading to the target; positions of the joints in
        their ranges, their velocities (a fifth of rad/s), and the last action.
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
                *(state.qpos[:, 2:3], velocity, state.qvel[:, 3:6], torch.stack(angles, 1)),
                *(self.joint_positions(state), 0.2 * state.qvel[:, 6:], state.ctrl),
            ],
            dim=1,
        )

    def terminated(self, state: State) -> Tensor:
        """Torso too low."""
        return ~(state.qpos[:, 2] >= 0.31)

    def reset(self, noise: ResetNoise) -> tuple[Tensor, Tensor]:
        """Standing, with noise on the joints."""
        low, high = self._limits(noise.device)
        root = self.rest_pose(noise)[:7].repeat(len(noise), 1)
        root[:, 2] = HEIGHT
        rest = torch.zeros_like(low).clamp(low, high)
        joints = (rest + noise.uniform(8, -0.2, 0.2)).clamp(low, high)
        still = torch.zeros_like(root[:, :6])
        velocity = torch.cat([still, noise.uniform(8, -0.1, 0.1)], dim=1)
        return torch.cat([root, joints], dim=1), velocity

    def _limits(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Lower and upper limits of the joints, rad, `[8]` each."""
        limits = self._sent.get(device)
        if limits is None:  # sent once: a GPU would have to be waited for at every step
            limits = torch.as_tensor(self.model.jnt_range[1:].T, dtype=torch.float32, device=device)
            self._sent[device] = limits
        return limits[0], limits[1]

    @functools.cached_property
    def _sent(self) -> dict[torch.device, Tensor]:
        return {}


def _to_target(state: State) -> Tensor:
    """Horizontal way from the torso's centre to the target, m, `[N, 2]`."""
    x, y = state.qpos[:, 0], state.qpos[:, 1]
    return torch.stack([TARGET - x, -y], dim=1)
