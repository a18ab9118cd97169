"""What a model consists of, as far as signals, observation and task need to know."""

import functools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import mujoco
import numpy as np

from eureka_agent.env_tools.scaffold.quoting import display_name, join_names

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


class ModelInspection:
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
        return unactuated_parts(self.model, self._root, self.travels)

    @functools.cached_property
    def holder(self) -> str:
        """Name of the mocap body that holds the root; empty if none does."""
        return mocap_holder(self.model, self._root)

    @property
    def mobility(self) -> str:
        """How the root moves, and how many joints actuators move, as part of a sentence."""
        if self.holder:
            base = f"is held by the mocap body {display_name(self.holder)}"
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


_TRN, _WRAP, _EQ = mujoco.mjtTrn, mujoco.mjtWrap, mujoco.mjtEq
_FREE = int(mujoco.mjtJoint.mjJNT_FREE)


def driven_joints(model: mujoco.MjModel) -> set[int]:
    """Joints that an actuator moves: itself, by a tendon, by a force on a body, or coupled to one.

    Joints are coupled by equality constraints between joints or tendons, and where two bodies are
    held together, all around the loop.
    """
    found: set[int] = set()
    for i in range(model.nactuator):
        found |= _moved_by(model, i)
    groups = [group for group in _coupled(model) if group]
    while True:
        more = {joint for group in groups if group & found for joint in group} - found
        if not more:
            return found
        found |= more


def unactuated_parts(model: mujoco.MjModel, root: int, travels: bool) -> list[str]:
    """What no action moves, and what to add, a sentence each.

    Args:
        model: one whose parts have names.
        root: the body from which the robot's tree starts.
        travels: whether the robot goes anywhere; what carries its root is then no news.
    """
    driven = driven_joints(model)
    said = list(_mocap_sentences(model))
    carriers = {j for j in range(model.njnt) if travels and model.jnt_bodyid[j] == root}
    idle = [
        joint
        for joint in range(model.njnt)
        if joint not in driven | carriers and model.jnt_type[joint] != _FREE
    ]
    if idle:
        first = model.joint(idle[0]).name
        said.append(
            f"No actuator moves {len(idle)} of {model.njnt} joints: "
            f"{join_names([model.joint(j).name for j in idle])}; what touches them may. To drive one, "
            f'add such as <motor joint="{display_name(first)}" ctrlrange="-1 1"/> to <actuator>.'
        )
    bodies = [int(model.jnt_bodyid[j]) for j in range(model.njnt) if model.jnt_type[j] == _FREE]
    held = {body for _, body in _held(model)}
    loose = [
        model.body(body).name
        for body in bodies
        if body != root and body not in held and int(model.body_jntadr[body]) not in driven
    ]
    if loose:
        verb = "floats" if len(loose) == 1 else "float"
        said.append(
            f"No actuator moves {join_names(loose)}, which {verb}: only what touches it does."
        )
    return said


def mocap_holder(model: mujoco.MjModel, body: int) -> str:
    """Name of the mocap body that holds a body by an equality constraint; empty if none does."""
    return next((model.body(mocap).name for mocap, held in _held(model) if held == body), "")


def _mocap_sentences(model: mujoco.MjModel) -> Iterator[str]:
    for mocap in (b for b in range(model.nbody) if model.body_mocapid[b] >= 0):
        name = repr(display_name(model.body(mocap).name))
        held = [body for holder, body in _held(model) if holder == mocap]
        if not held:
            yield f"No action moves the mocap body {name}: it stays where episodes begin."
            continue
        bodies = join_names([model.body(body).name for body in held])
        yield (
            f"No action moves the mocap body {name}, and it holds {bodies} by an equality "
            "constraint: both stay where episodes begin. To move them, put the held body on joints "
            "with actuators and take the constraint out."
        )


def _held(model: mujoco.MjModel) -> list[tuple[int, int]]:
    """Pairs of a mocap body and a body that an equality constraint holds to it."""
    found = []
    for one, other in _joined(model):
        for mocap, body in ((one, other), (other, one)):
            if model.body_mocapid[model.body_rootid[mocap]] >= 0 and body:
                found.append((int(model.body_rootid[mocap]), body))
    return found


def _moved_by(model: mujoco.MjModel, actuator: int) -> set[int]:
    """Joints that an actuator moves."""
    kind = _TRN(int(model.actuator_trntype[actuator]))
    target, second = (int(number) for number in model.actuator_trnid[actuator])
    if kind in (_TRN.mjTRN_JOINT, _TRN.mjTRN_JOINTINPARENT):
        return {target}
    if kind == _TRN.mjTRN_SO3 and second < 0:
        return {target}  # a ball joint; with a second part it would be two sites
    if kind == _TRN.mjTRN_TENDON:
        return _of_tendon(model, target)
    if kind in (_TRN.mjTRN_SITE, _TRN.mjTRN_SLIDERCRANK, _TRN.mjTRN_SO3):
        sites = [site for site in (target, second) if site >= 0]
        return _between(model, [int(model.site_bodyid[site]) for site in sites])
    return set()  # adhesion holds, and moves nothing


def _of_tendon(model: mujoco.MjModel, tendon: int) -> set[int]:
    """Joints that change the length of a tendon."""
    start, count = int(model.tendon_adr[tendon]), int(model.tendon_num[tendon])
    joints: set[int] = set()
    bodies: list[int] = []
    for wrap in range(start, start + count):
        kind, part = _WRAP(int(model.wrap_type[wrap])), int(model.wrap_objid[wrap])
        if kind == _WRAP.mjWRAP_JOINT:
            joints.add(part)
        elif kind == _WRAP.mjWRAP_SITE:
            bodies.append(int(model.site_bodyid[part]))
        elif kind in (_WRAP.mjWRAP_SPHERE, _WRAP.mjWRAP_CYLINDER):
            bodies.append(int(model.geom_bodyid[part]))
    return joints | _between(model, bodies) if bodies else joints


def _coupled(model: mujoco.MjModel) -> Iterator[set[int]]:
    """Groups of joints each of which moves when another one does."""
    for i in range(model.neq):
        one, other = int(model.eq_obj1id[i]), int(model.eq_obj2id[i])
        if not model.eq_active0[i] or other < 0:
            continue
        if model.eq_type[i] == int(_EQ.mjEQ_JOINT):
            yield {one, other}
        elif model.eq_type[i] == int(_EQ.mjEQ_TENDON):
            yield _of_tendon(model, one) | _of_tendon(model, other)
    for bodies in _joined(model):
        yield _between(model, list(bodies))


def _joined(model: mujoco.MjModel) -> Iterator[tuple[int, int]]:
    """Pairs of bodies that an equality constraint holds together; 0 is the world."""
    for i in range(model.neq):
        kind = _EQ(int(model.eq_type[i]))
        if not model.eq_active0[i] or kind not in (_EQ.mjEQ_CONNECT, _EQ.mjEQ_WELD):
            continue
        pair = (int(model.eq_obj1id[i]), int(model.eq_obj2id[i]))
        if model.eq_objtype[i] == int(mujoco.mjtObj.mjOBJ_SITE):
            pair = (int(model.site_bodyid[pair[0]]), int(model.site_bodyid[pair[1]]))
        yield pair[0], max(pair[1], 0)


def _between(model: mujoco.MjModel, bodies: list[int]) -> set[int]:
    """Joints that move some bodies against each other; against the world if it is one."""
    chains = [_chain(model, body) for body in bodies]
    shared = set.intersection(*chains) if len(chains) > 1 else set()
    return set.union(*chains) - shared


def _chain(model: mujoco.MjModel, body: int) -> set[int]:
    """Joints between a body and the world."""
    joints: set[int] = set()
    while body:
        first = int(model.body_jntadr[body])
        joints |= set(range(first, first + int(model.body_jntnum[body])))
        body = int(model.body_parentid[body])
    return joints
