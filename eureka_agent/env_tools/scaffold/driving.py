"""What the actuators of a model move, by whatever way, and what no action can move."""

from collections.abc import Iterator

import mujoco

from eureka_agent.env_tools.scaffold.quoting import listed, shown

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


def unmoved(model: mujoco.MjModel, root: int, travels: bool) -> list[str]:
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
            f"{listed([model.joint(j).name for j in idle])}; what touches them may. To drive one, "
            f'add such as <motor joint="{shown(first)}" ctrlrange="-1 1"/> to <actuator>.'
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
        said.append(f"No actuator moves {listed(loose)}, which {verb}: only what touches it does.")
    return said


def held_by_mocap(model: mujoco.MjModel, body: int) -> str:
    """Name of the mocap body that holds a body by an equality constraint; empty if none does."""
    return next((model.body(mocap).name for mocap, held in _held(model) if held == body), "")


def _mocap_sentences(model: mujoco.MjModel) -> Iterator[str]:
    for mocap in (b for b in range(model.nbody) if model.body_mocapid[b] >= 0):
        name = repr(shown(model.body(mocap).name))
        held = [body for holder, body in _held(model) if holder == mocap]
        if not held:
            yield f"No action moves the mocap body {name}: it stays where episodes begin."
            continue
        bodies = listed([model.body(body).name for body in held])
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
