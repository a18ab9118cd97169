"""What a model consists of, as far as signals, observation and task need to know."""

import functools
from collections import Counter
from dataclasses import dataclass

import mujoco
import numpy as np

from eureka_agent.env_tools.scaffold.driving import driven_joints, held_by_mocap, unmoved
from eureka_agent.env_tools.scaffold.quoting import shown

FREE, BALL, SLIDE, HINGE = (
    int(kind)
    for kind in (
        mujoco.mjtJoint.mjJNT_FREE,
        mujoco.mjtJoint.mjJNT_BALL,
        mujoco.mjtJoint.mjJNT_SLIDE,
        mujoco.mjtJoint.mjJNT_HINGE,
    )
)
MOST_ENDS = 6
"""Ends of limbs that get signals of their own."""
MOST_OBJECTS = 4


@dataclass(frozen=True)
class Joint:
    """A joint.

    Attributes:
        name: in the model.
        kind: `mjtJoint` as a number.
        qpos: where its positions begin in `qpos`.
        qvel: where its velocities begin in `qvel`.
        axis: of slides and hinges, in the frame of the body.
        limits: of slides and hinges, m or rad; None if there are none.
        rest: of slides and hinges, the position in which the model file has them, m or rad.
        driven: whether an actuator moves it, by whatever way.
    """

    name: str
    kind: int
    qpos: int
    qvel: int
    axis: tuple[float, ...]
    limits: tuple[float, float] | None
    rest: float
    driven: bool

    @property
    def scalar(self) -> bool:
        """Whether it is a slide or a hinge."""
        return self.kind in (SLIDE, HINGE)


class Survey:
    """A look at a compiled model.

    Args:
        model: one whose bodies, joints and geoms have names.

    Attributes:
        joints: of the robot, but for a free joint of its root.
        free: the free joint of the root, if it has one.
        root: name of the body from which the robot's tree starts.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self.model = model
        tops = [b for b in range(1, model.nbody) if self._moves(b) and not self._moves(self._up(b))]
        driven = Counter(self._top_of_joint(joint) for joint in self._driven)
        root = max(tops, key=lambda top: driven[top]) if tops else 0
        self.root = model.body(root).name
        self._root = root
        joints = [self._joint(j) for j in range(model.njnt) if self._top_of_joint(j) == root]
        self.free = next((joint for joint in joints if joint.kind == FREE), None)
        self.joints = [joint for joint in joints if joint.kind != FREE]
        self._tops = [top for top in tops if top != root]

    @property
    def travels(self) -> bool:
        """Whether the root can go anywhere: it floats, or slides freely and undriven."""
        return self.free is not None or any(self.leaves(joint) for joint in self.joints)

    def leaves(self, joint: Joint) -> bool:
        """Whether a joint carries the root away: a slide without limits and motor."""
        at_root = int(self.model.joint(joint.name).bodyid[0]) == self._root
        return at_root and joint.kind == SLIDE and not joint.driven and joint.limits is None

    @functools.cached_property
    def objects(self) -> list[Joint]:
        """Free joints of bodies that do not belong to the robot."""
        found = [
            self._joint(j) for j in range(self.model.njnt) if self._top_of_joint(j) != self._root
        ]
        return [joint for joint in found if joint.kind == FREE][:MOST_OBJECTS]

    @functools.cached_property
    def others(self) -> list[Joint]:
        """Joints of things that neither float nor belong to the robot, such as a door."""
        found = [
            self._joint(j) for j in range(self.model.njnt) if self._top_of_joint(j) != self._root
        ]
        return [joint for joint in found if joint.kind != FREE]

    @functools.cached_property
    def unmoved(self) -> list[str]:
        """What no action can move, and what to add, a sentence each."""
        return unmoved(self.model, self._root, self.travels)

    @functools.cached_property
    def holder(self) -> str:
        """Name of the mocap body that holds the root; empty if none does."""
        return held_by_mocap(self.model, self._root)

    @property
    def mobility(self) -> str:
        """How the root moves, and how many joints actuators move, as part of a sentence."""
        if self.holder:
            base = f"is held by the mocap body {shown(self.holder)}"
        elif self.free is not None:
            base = "can move freely"
        elif self.travels:
            base = "is carried by slides and hinges"
        else:
            base = "is fixed to the world by its joints"
        count, driven = len(self.joints), sum(joint.driven for joint in self.joints)
        return f"{base}; {count} joint{'s' * (count != 1)}, {driven} driven"

    @functools.cached_property
    def ends(self) -> list[str]:
        """Bodies at the ends of the robot's limbs; none if there are too many to name."""
        model = self.model
        moving = [b for b in range(1, model.nbody) if model.body_weldid[b] == b]
        mine = [b for b in moving if b != self._root and self._top(b) == self._root]
        inner = {int(model.body_weldid[model.body_parentid[b]]) for b in mine}
        ends = [model.body(b).name for b in mine if b not in inner]
        return ends if len(ends) <= MOST_ENDS else []

    def body_of(self, joint: Joint) -> str:
        """Name of the body that a joint moves."""
        return self.model.body(int(self.model.joint(joint.name).bodyid[0])).name

    def tip(self, body: str) -> str | None:
        """The geom of a body that is farthest from the body's frame; None if it has none."""
        model = self.model
        index = model.body(body).id
        geoms = [g for g in range(model.ngeom) if model.geom_bodyid[g] == index]
        if not geoms:
            return None
        return model.geom(max(geoms, key=lambda g: float(np.linalg.norm(model.geom_pos[g])))).name

    def _joint(self, index: int) -> Joint:
        model = self.model
        limits = model.jnt_range[index]
        return Joint(
            model.joint(index).name,
            int(model.jnt_type[index]),
            int(model.jnt_qposadr[index]),
            int(model.jnt_dofadr[index]),
            tuple(float(value) for value in model.jnt_axis[index]),
            (float(limits[0]), float(limits[1])) if model.jnt_limited[index] else None,
            float(model.qpos0[model.jnt_qposadr[index]]),
            index in self._driven,
        )

    @functools.cached_property
    def _driven(self) -> set[int]:
        """Joints that an actuator moves, by whatever way."""
        return driven_joints(self.model)

    def _moves(self, body: int) -> bool:
        return int(self.model.body_weldid[body]) != 0

    def _up(self, body: int) -> int:
        return int(self.model.body_parentid[body])

    def _top(self, body: int) -> int:
        """The body at the root of a body's tree."""
        while self._moves(self._up(body)):
            body = self._up(body)
        return body

    def _top_of_joint(self, joint: int) -> int:
        return self._top(int(self.model.jnt_bodyid[joint]))
