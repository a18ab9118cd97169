"""An arm that pushes a cylinder to a goal: Gymnasium's packaged Pusher model."""

import mujoco
import torch
from torch import Tensor

from eureka_agent.environment import Environment, ResetNoise, State, TrainingSettings, signal
from eureka_agent.environment.gymnasium_models import gymnasium_model

ARM = 7  # joints, before the object's two and the goal's two
WORLD = ("forward (x)", "left (y)", "up (z)")
GOAL = 0.17  # m: objects begin farther from it
DRAWS = 16  # of a place for the object; each is too near the goal with probability 0.38
MOTORS = (
    "shoulder pan",
    "shoulder lift",
    "upper arm roll",
    "elbow",
    "forearm roll",
    "wrist",
    "wrist roll",
)
JOINTS = (
    "shoulder pan (positive: arm to the left)",
    "shoulder lift (positive: arm lowered)",
    "upper arm roll (positive: its left side up)",
    "elbow (negative: bent, forearm raised)",
    "forearm roll (positive: its left side up)",
    "wrist (negative: fork raised)",
    "wrist roll (positive: its left side up)",
)


class Pusher(Environment):
    """Observation, reset and time limit as in Gymnasium's Pusher-v5; it never ends early.

    The integrator is `implicitfast` instead of Euler.
    """

    task = "Push the object over the table to the goal."
    robot = (
        "An arm with seven driven joints, without gravity: a shoulder 0.6 m to the right of the "
        "middle, an upper arm of 0.4 m, a forearm of 0.32 m and a fork at the wrist, whose two "
        "prongs are 0.2 m apart and 0.1 m long. Below it is a table, 0.325 m lower than the "
        "shoulder, and on it a cylinder of 0.1 m width and height, the object, which slides with "
        "friction. Only the fork touches object and table. Origin of all positions is the point "
        "0.6 m left of the shoulder."
    )
    start = (
        "The arm stretched forward and level, nearly at rest; the goal 0.45 m ahead of the origin "
        "and 0.05 m to its right; the object up to 0.3 m to the right of the goal and up to 0.2 m "
        "ahead of it or behind, 0.17 to 0.36 m away."
    )
    substeps = 5
    episode_steps = 100
    training = TrainingSettings(
        worlds=32, gamma=0.95, target_kl=0.03, initial_log_std=-0.5, budget=500_000
    )

    def build(self) -> mujoco.MjSpec:
        """Gymnasium's model with names for its motors, the fork's velocity and a camera."""
        spec = gymnasium_model("pusher_v5.xml", MOTORS)
        # They always touch, without effect: the object cannot move upwards.
        spec.add_exclude(bodyname1="world", bodyname2="object")
        spec.add_sensor(
            name="fork_velocity",
            type=mujoco.mjtSensor.mjSENS_FRAMELINVEL,
            objtype=mujoco.mjtObj.mjOBJ_XBODY,
            objname="tips_arm",
        )
        spec.worldbody.add_camera(
            name="across",
            pos=[1.9, 1.0, 0.8],
            mode=mujoco.mjtCamLight.mjCAMLIGHT_TARGETBODY,
            targetbody="goal",
        )
        return spec

    @signal(unit="m", kind="position", size=3, axes=WORLD)
    def fork_position(self, state: State) -> Tensor:
        """Position of the fork's base, in the middle between its prongs."""
        return state.body_position("tips_arm")

    @signal(unit="m/s", kind="velocity", size=3, axes=WORLD)
    def fork_velocity(self, state: State) -> Tensor:
        """Velocity of the fork's base."""
        return state.sensor("fork_velocity")

    @signal(unit="1", kind="orientation", size=3, axes=WORLD)
    def fork_direction(self, state: State) -> Tensor:
        """Direction in which the prongs point."""
        return state.body_rotation("tips_arm")[:, :, 0]

    @signal(unit="m", kind="position", size=3, axes=WORLD)
    def object_position(self, state: State) -> Tensor:
        """Position of the object's centre, always 0.05 m above the table."""
        return state.body_position("object")

    @signal(unit="m/s", kind="velocity", size=2, axes=WORLD[:2])
    def object_velocity(self, state: State) -> Tensor:
        """Velocity of the object over the table."""
        return torch.stack([state.qvel[:, ARM + 1], state.qvel[:, ARM]], dim=1)

    @signal(unit="m", kind="position", size=3, axes=WORLD)
    def object_offset(self, state: State) -> Tensor:
        """Where the object is as seen from the fork: its position minus that of the fork's base."""
        return state.body_position("object") - state.body_position("tips_arm")

    @signal(unit="m", kind="goal", size=3, axes=WORLD)
    def goal_offset(self, state: State) -> Tensor:
        """Where the goal is as seen from the object: its position minus the object's centre.

        The third column is always -0.048: the goal lies on the table, flat.
        """
        return state.body_position("goal") - state.body_position("object")

    @signal(unit="rad", kind="angle", size=ARM, axes=JOINTS)
    def joint_angles(self, state: State) -> Tensor:
        """Angles of the joints, 0 with the arm stretched forward and level."""
        return state.qpos[:, :ARM]

    @signal(unit="rad/s", kind="angular_velocity", size=ARM, axes=MOTORS)
    def joint_velocities(self, state: State) -> Tensor:
        """Angular velocities of the joints, with the signs of their angles."""
        return state.qvel[:, :ARM]

    def observation(self, state: State) -> Tensor:
        """Angles, velocities, positions of fork, object and goal, `[N, 23]`."""
        places = [state.body_position(name) for name in ("tips_arm", "object", "goal")]
        return torch.cat([state.qpos[:, :ARM], state.qvel[:, :ARM], *places], dim=1)

    def reset(self, noise: ResetNoise) -> tuple[Tensor, Tensor]:
        """A stretched arm, and the object in a rectangle next to the goal but not near it."""
        left = noise.uniform(DRAWS, -0.3, 0.0)
        forward = noise.uniform(DRAWS, -0.2, 0.2)
        far = torch.hypot(left, forward) > GOAL
        chosen = far.byte().argmax(1, keepdim=True)  # the first: one of the 16 is always far
        place = torch.cat([left.gather(1, chosen), forward.gather(1, chosen)], dim=1)
        velocity = noise.uniform(ARM, -0.005, 0.005)
        rest, still = torch.zeros_like(velocity), torch.zeros_like(velocity[:, :4])
        return torch.cat([rest, place, still[:, :2]], dim=1), torch.cat([velocity, still], dim=1)
