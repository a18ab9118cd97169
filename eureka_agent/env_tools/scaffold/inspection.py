"""What a model consists of and what its actuators move, for its signals and placeholder task."""

import functools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import mujoco
import numpy as np

from eureka_agent.common.text import plural
from eureka_agent.env_tools.scaffold.quoting import display_name, join_names

_JNT, _TRN, _WRAP, _EQ = mujoco.mjtJoint, mujoco.mjtTrn, mujoco.mjtWrap, mujoco.mjtEq
FREE, BALL, SLIDE, HINGE = map(
    int, (_JNT.mjJNT_FREE, _JNT.mjJNT_BALL, _JNT.mjJNT_SLIDE, _JNT.mjJNT_HINGE)
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
        driven: whether an actuator moves it in any way.
    """

    name: str
    kind: int
    qpos: int
    qvel: int
    axis: tuple[float, ...]
    limits: tuple[float, float] | None
    rest: float
    driven: bool


class ModelInspection:
    """The robot in a compiled model, and the other objects.

    The robot is the tree of bodies with the most driven joints.

    Args:
        model: one whose bodies, joints and geoms have names.

    Attributes:
        root: name of the body from which the robot's tree starts.
        free: the free joint of the root, if it has one.
        joints: of the robot, except a free joint of its root.
        objects: free joints of bodies that do not belong to the robot.
        others: joints of things that neither float nor belong to the robot, such as a door.
        travels: whether the root can go anywhere: it floats, or slides freely and undriven.
        holder: name of the mocap body that holds the root; empty if none does.
        ends: bodies at the ends of the robot's limbs; none if there are too many to name.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self.model = model
        driven = driven_joints(model)
        top_of = [self._top(int(body)) for body in model.jnt_bodyid]  # of each joint's tree
        tops = sorted({self._top(b) for b in range(1, model.nbody) if model.body_weldid[b]})
        counts = Counter(top_of[joint] for joint in driven)
        self._root = max(tops, key=lambda top: counts[top], default=0)
        self.root: str = model.body(self._root).name
        joints = [self._joint(j, j in driven) for j in range(model.njnt)]
        mine = [joint for joint, top in zip(joints, top_of, strict=True) if top == self._root]
        rest = [joint for joint, top in zip(joints, top_of, strict=True) if top != self._root]
        self.free = next((joint for joint in mine if joint.kind == FREE), None)
        self.joints = [joint for joint in mine if joint.kind != FREE]
        self.objects = [joint for joint in rest if joint.kind == FREE][:MOST_OBJECTS]
        self.others = [joint for joint in rest if joint.kind != FREE]
        self.travels = self.free is not None or any(map(self.carries_away, self.joints))
        held = (model.body(mocap).name for mocap, body in _held(model) if body == self._root)
        self.holder: str = next(held, "")

    def carries_away(self, joint: Joint) -> bool:
        """Whether a joint carries the root away: a slide without limits and motor."""
        at_root = int(self.model.joint(joint.name).bodyid[0]) == self._root
        return at_root and joint.kind == SLIDE and not joint.driven and joint.limits is None

    @property
    def mobility(self) -> str:
        """How the root moves, and how many joints actuators move, as part of a sentence."""
        base = "is fixed to the world by its joints"
        if self.holder:
            base = f"is held by the mocap body {display_name(self.holder)}"
        elif self.free is not None:
            base = "can move freely"
        elif self.travels:
            base = "is carried by slides and hinges"
        count, driven = len(self.joints), sum(joint.driven for joint in self.joints)
        return f"{base}; {plural(count, 'joint')}, {driven} driven"

    @functools.cached_property
    def ends(self) -> list[str]:
        """See the class."""
        model = self.model
        moving = [b for b in range(1, model.nbody) if model.body_weldid[b] == b]
        mine = [b for b in moving if b != self._root and self._top(b) == self._root]
        inner = {int(model.body_weldid[model.body_parentid[b]]) for b in mine}
        ends = [model.body(b).name for b in mine if b not in inner]
        return ends if len(ends) <= MOST_ENDS else []

    @property
    def end_bodies(self) -> list[str]:
        """Bodies whose ends get a position; the root if nothing else would have one."""
        return self.ends or ([] if self.travels else [self.root])

    def body_of(self, joint: Joint) -> str:
        """Name of the body that a joint moves."""
        return self.model.body(int(self.model.joint(joint.name).bodyid[0])).name

    def tip(self, body: str) -> str | None:
        """The geom of a body that is farthest from the body's frame; None if it has none."""
        model = self.model
        geoms = np.flatnonzero(model.geom_bodyid == model.body(body).id)
        if not len(geoms):
            return None
        return model.geom(int(geoms[np.linalg.norm(model.geom_pos[geoms], axis=1).argmax()])).name

    def unactuated_parts(self) -> list[str]:
        """What no action moves, and what to add, a sentence each."""
        model, driven = self.model, driven_joints(self.model)
        sentences = list(_mocap_sentences(model))
        # What carries a robot that travels needs no motor.
        carriers = {
            j for j in range(model.njnt) if self.travels and model.jnt_bodyid[j] == self._root
        }
        idle = [
            model.joint(j).name
            for j in range(model.njnt)
            if j not in driven | carriers and model.jnt_type[j] != FREE
        ]
        if idle:
            sentences.append(
                f"No actuator moves {len(idle)} of {model.njnt} joints: {join_names(idle)}; what "
                "touches them may. To drive one, add such as "
                f'<motor joint="{display_name(idle[0])}" ctrlrange="-1 1"/> to <actuator>.'
            )
        excused = {self._root, *(body for _, body in _held(model))}
        loose = [
            model.body(int(model.jnt_bodyid[j])).name
            for j in range(model.njnt)
            if model.jnt_type[j] == FREE and j not in driven and model.jnt_bodyid[j] not in excused
        ]
        if loose:
            verb = "floats" if len(loose) == 1 else "float"
            sentences.append(
                f"No actuator moves {join_names(loose)}, which {verb}: only what touches it does."
            )
        return sentences

    def _joint(self, index: int, driven: bool) -> Joint:
        model, address = self.model, int(self.model.jnt_qposadr[index])
        low, high = map(float, model.jnt_range[index])
        return Joint(
            *(model.joint(index).name, int(model.jnt_type[index])),
            *(address, int(model.jnt_dofadr[index])),
            tuple(float(value) for value in model.jnt_axis[index]),
            (low, high) if model.jnt_limited[index] else None,
            float(model.qpos0[address]),
            driven,
        )

    def _top(self, body: int) -> int:
        """The body at the root of a body's tree: the last one that still moves."""
        while self.model.body_weldid[self.model.body_parentid[body]]:
            body = int(self.model.body_parentid[body])
        return body


def driven_joints(model: mujoco.MjModel) -> set[int]:
    """Joints that an actuator moves: itself, by a tendon, by a force on a body, or coupled to one.

    Joints are coupled by equality constraints between joints or tendons, and where two bodies are
    held together, all around the loop.
    """
    found: set[int] = set()
    for i in range(model.nactuator):
        found |= _moved_by(model, i)
    groups = list(_coupled(model))
    while True:
        more = {joint for group in groups if group & found for joint in group} - found
        if not more:
            return found
        found |= more


def _mocap_sentences(model: mujoco.MjModel) -> Iterator[str]:
    for mocap in (b for b in range(model.nbody) if model.body_mocapid[b] >= 0):
        name = repr(display_name(model.body(mocap).name))
        held = [model.body(body).name for holder, body in _held(model) if holder == mocap]
        if not held:
            yield f"No action moves the mocap body {name}: it stays where episodes begin."
            continue
        yield (
            f"No action moves the mocap body {name}, and it holds {join_names(held)} by an "
            "equality constraint: both stay where episodes begin. To move them, put the held body "
            "on joints with actuators and take the constraint out."
        )


def _held(model: mujoco.MjModel) -> list[tuple[int, int]]:
    """Pairs of a mocap body and a body that an equality constraint holds to it."""
    return [
        (int(model.body_rootid[mocap]), body)
        for pair in _joined(model)
        for mocap, body in (pair, pair[::-1])
        if model.body_mocapid[model.body_rootid[mocap]] >= 0 and body
    ]


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
    """Groups of joints in which each moves when another one does."""
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
    """Joints that move bodies relative to each other, a single body relative to the world."""
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
