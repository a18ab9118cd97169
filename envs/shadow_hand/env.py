"""A hand of human shape that turns a cube: the Shadow Dexterous Hand, palm up."""

import dataclasses

import torch
from torch import Tensor

from eureka_agent.environment import State, signal, variant_of

AllegroHand = variant_of("allegro_hand")

WORLD = ("left (x)", "back to the wrist (y)", "up (z)")
FINGERS = ("index", "middle", "ring", "little", "thumb")
FINGER_JOINTS = (
    "sideways (positive: to the right, where the thumb is)",
    "knuckle (positive: bent)",
    "middle (positive: bent)",
    "tip (positive: bent; about as much as the middle joint)",
)
JOINTS = (
    "wrist sideways (positive: hand to the right)",
    "wrist bend (positive: fingers up)",
    *(f"{finger} {joint}" for finger in FINGERS[:3] for joint in FINGER_JOINTS),
    "little palm (positive: little finger's root up and in)",
    *(f"little {joint}" for joint in FINGER_JOINTS),
    "thumb roll about its own length (positive: raised thumb swings left and forward)",
    "thumb knuckle (positive: raised over the palm)",
    "thumb hub (positive: raised over the palm)",
    "thumb middle (negative: bent)",
    "thumb tip (negative: bent)",
)
TIP_AXES = tuple(f"{finger} {axis}" for finger in FINGERS for axis in WORLD)
TIP_VELOCITIES = slice(20, 35)  # in the sensors: after five quaternions, before the angular ones


class ShadowHand(AllegroHand):
    """Goals, reset, early end and time limit as in IsaacGymEnvs' ShadowHand.

    The observation is that of its type "full" without the scales, which a normaliser undoes, and
    without the working point, which never moves.
    """

    robot = (
        "A right hand of human size and shape with four fingers, a thumb and a wrist, 24 joints, "
        "its forearm fixed, its palm up and its fingers pointing forward (-y). Servos move 20 of "
        "the joints to the target angles that the action sets; the tips of the four fingers follow "
        "their middle joints. A cube of 5 cm and 71 g lies on the palm and the fingers."
    )
    start = (
        "The fingers are nearly straight, the thumb lies aside, and the cube, turned at random, "
        "drops from 7 cm onto the roots of the fingers. The first goal is another random "
        "orientation."
    )
    substeps = 2
    training = dataclasses.replace(AllegroHand.training, initial_log_std=-0.3)

    WORKING_POINT = (0.0, -0.39, 0.56)

    @signal(unit="rad", kind="angle", size=len(JOINTS), axes=JOINTS)
    def joint_angles(self, state: State) -> Tensor:
        """Angles of the hand's joints, 0 with a straight wrist and straight fingers."""
        return state.qpos[:, 7:]

    @signal(unit="rad/s", kind="angular_velocity", size=len(JOINTS))
    def joint_velocities(self, state: State) -> Tensor:
        """Angular velocities of the hand's joints, in order and with the signs of their angles."""
        return state.qvel[:, 6:]

    @signal(unit="m", kind="position", size=len(TIP_AXES), axes=TIP_AXES)
    def fingertip_positions(self, state: State) -> Tensor:
        """Positions of the fingertips in the world: centres of the round ends."""
        return state.site_xpos.flatten(1)

    @signal(unit="m/s", kind="velocity", size=len(TIP_AXES), axes=TIP_AXES)
    def fingertip_velocities(self, state: State) -> Tensor:
        """Velocities of the fingertips in the world."""
        return state.sensordata[:, TIP_VELOCITIES]

    @signal(unit="m", kind="distance", size=len(FINGERS), axes=FINGERS)
    def fingertip_distances(self, state: State) -> Tensor:
        """Distances of the fingertips from the cube's centre."""
        return (state.site_xpos - state.qpos[:, None, 0:3]).norm(dim=2)

    def observation(self, state: State) -> Tensor:
        """As of `allegro_hand`, and the tips' positions, quaternions, velocities, `[N, 154]`."""
        tips = (self.fingertip_positions(state), state.sensordata)
        return torch.cat([super().observation(state), *tips], dim=1)
