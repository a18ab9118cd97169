"""The signals, the observation and the placeholder task of a model, worked out from an inspection.

Names of signals are made from the names of the model's parts, and each is used only once.
"""

import keyword
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import mujoco
import numpy as np

from eureka_agent.env_tools.scaffold.inspection import (
    BALL,
    HINGE,
    MOST_OBJECTS,
    SLIDE,
    Joint,
    ModelInspection,
)
from eureka_agent.env_tools.scaffold.quoting import display_name, join_names, literal
from eureka_agent.env_tools.scaffold.sensors import (
    FEW,
    MOST_COLUMNS,
    QUATERNION,
    SignalSource,
    concatenated,
    sensor_signals,
)
from eureka_agent.environment import Environment
from eureka_agent.environment.model_facts import adds_angles
from eureka_agent.reward import SIGNAL_PREFIXES
from eureka_agent.reward.signals import STANDARD_PARAMETERS

TRIES = 50
MOST_SITES = 12
"""Sites up to this number get signals."""
MOVES = 1e-3
"""Standard deviation of a position, m, from which it counts as moving."""
LONGEST = 40
"""Letters of a part's name that the names of its signals begin with."""
LISTED = 12
"""Parts that the sentence about new names lists."""

_WORLD = ("x", "y", "z (up)")
_RESERVED = {*STANDARD_PARAMETERS, *dir(Environment), *Environment.__annotations__, *keyword.kwlist}
# Unit, kind and axes of what signals measure.
_POSITION = ("m", "position", _WORLD)
_VELOCITY = ("m/s", "velocity", _WORLD)
_DIRECTION = ("1", "orientation", _WORLD)
_ROTATION = ("1", "orientation", QUATERNION)
_ROTATION_RATE = ("rad/s", "angular_velocity", ("own x", "own y", "own z"))
# Unit and kind of the position and the velocity of joints and tendons.
_LINEAR = (("m", "position"), ("m/s", "velocity"))
_ANGULAR = (("rad", "angle"), ("rad/s", "angular_velocity"))


@dataclass(frozen=True)
class PlaceholderTask:
    """A task that any robot can begin with, until a person writes the real one.

    Attributes:
        sentence: the task.
        signal: the `[N, 3]` position that it is about.
        column: which of its axes.
        speed: whether it is about the rate of that, not about the value.
        given: whether a person wrote the sentence.
    """

    sentence: str
    signal: str
    column: int
    speed: bool
    given: bool = False


@dataclass(frozen=True)
class SignalSet:
    """The signals of a model.

    Attributes:
        signals: all of them, each name once.
        notes: which parts have signals of another name or none, and why, a sentence each.
    """

    signals: list[SignalSource]
    notes: tuple[str, ...]

    def position_of(self, body: str) -> str:
        """Name of the signal with the position of a body, or of its end."""
        part = ("body", body)
        return next(s.name for s in self.signals if s.part == part and s.kind == "position")


def make_signals(inspection: ModelInspection) -> SignalSet:
    """All signals of a model, and notes about their names."""
    model, found = inspection.model, list[SignalSource]()
    if inspection.free is not None:
        found += _floating(inspection.root, inspection.free)
    elif inspection.travels:
        found += [_position(inspection.root), _up(inspection.root)]
    found += _joints(inspection.joints, inspection)
    found += [_end(inspection, body) for body in inspection.end_bodies]
    for joint in inspection.objects:
        found += _floating(inspection.body_of(joint), joint)
    found += _joints(inspection.others, inspection, "other_")
    found += _mocap(model) + _sites(model) + _tendons(model) + sensor_signals(model)
    signals, renamed = with_unique_names(found)
    return SignalSet(signals, (*filter(None, [renamed]), *_parts_without_signal(model, signals)))


def observation_of(inspection: ModelInspection) -> list[str]:
    """Expressions `[N, d]` over `state` that together make the observation."""
    parts: list[str] = []
    if inspection.free is not None:
        parts.append(f"state.qpos[:, {inspection.free.qpos + 2}:{inspection.free.qpos + 7}]")
    plain: list[tuple[int, int]] = []
    endless: list[tuple[int, int]] = []
    for joint in (*inspection.joints, *inspection.others):
        if inspection.carries_away(joint) and abs(joint.axis[2]) < 0.5:
            continue  # horizontal travel grows without bound
        unlimited_hinge = joint.kind == HINGE and joint.limits is None
        columns = (joint.qpos, 4 if joint.kind == BALL else 1)
        (endless if unlimited_hinge else plain).append(columns)
    plain += [(joint.qpos, 7) for joint in inspection.objects]
    if plain:
        parts.append(concatenated(_columns("qpos", plain)))
    if endless:
        angles = concatenated(_columns("qpos", endless))
        parts += [f"{angles}.cos()", f"{angles}.sin()"]
    return [*parts, "state.qvel"]


def placeholder_task(
    inspection: ModelInspection, pose: np.ndarray, signals: SignalSet
) -> PlaceholderTask:
    """Run forward if the robot travels, else raise the end of its first limb that moves.

    Args:
        inspection: of the model.
        pose: where episodes begin, `[nq]`.
        signals: of the model.
    """
    if inspection.travels and not inspection.holder:
        name = signals.position_of(inspection.root)
        return PlaceholderTask("Move forward, along x, as fast as possible.", name, 0, True)
    spreads = {end: _spread(inspection, end, pose) for end in inspection.ends or [inspection.root]}
    end = next(
        (end for end, spread in spreads.items() if spread.max() > MOVES), next(iter(spreads))
    )
    column = next((c for c in (2, 0, 1) if spreads[end][c] > MOVES), 2)
    name = display_name(end).replace("_", " ")
    sentence = f"Raise the {name} as high as possible."
    if column != 2:
        sentence = f"Move the {name} as far along {'xy'[column]} as possible."
    return PlaceholderTask(sentence, signals.position_of(end), column, False)


def _parts_without_signal(model: mujoco.MjModel, signals: Sequence[SignalSource]) -> list[str]:
    """Which parts have no signal, and why, a sentence for each kind of part."""
    has = {part for source in signals for part in (source.part, *source.members)}
    sentences = ["Actuators have no signals: programs read their commands as action."]
    for kind, count, part, why in (
        (
            *("joint", model.njnt, model.joint),
            f"more than {MOST_OBJECTS} loose bodies would crowd out the rest. Add what the task "
            "needs, to the observation as well",
        ),
        (
            *("site", model.nsite, model.site),
            f"more than {MOST_SITES} would crowd out the rest. Add those that the task is about, "
            "with state.site_position(name)",
        ),
        (
            *("sensor", model.nsensor, model.sensor),
            f"sensors with more than {MOST_COLUMNS} numbers or none do not get one. Add what the "
            "task needs of them, with state.sensor(name)",
        ),
    ):
        missing = [name for i in range(count) if (kind, name := part(i).name) not in has]
        if missing:
            plural, have = ("s", "have") if len(missing) > 1 else ("", "has")
            sentences.append(f"The {kind}{plural} {join_names(missing)} {have} no signal: {why}.")
    return sentences


def _position(body: str) -> SignalSource:
    meaning = f"Position of the body {display_name(body)} in the world"
    term = f"state.body_position({literal(body)})"
    return SignalSource("position", *_POSITION, meaning, (term,), ("body", body))


def _up(body: str) -> SignalSource:
    meaning = f"Direction of the own z axis of the body {display_name(body)} in the world"
    term = f"state.body_rotation({literal(body)})[:, :, 2]"
    return SignalSource("up", *_DIRECTION, meaning, (term,), ("body", body))


def _end(inspection: ModelInspection, body: str) -> SignalSource:
    tip = inspection.tip(body)
    if tip is None:
        return _position(body)
    part = f"{display_name(tip)}, a part of the body {display_name(body)}"
    term = f"state.geom_position({literal(tip)})"
    meaning = f"Position in the world of {part}"
    return SignalSource("position", *_POSITION, meaning, (term,), ("body", body))


def _floating(body: str, joint: Joint) -> list[SignalSource]:
    part, name = ("body", body), display_name(body)
    qpos, qvel = joint.qpos, joint.qvel
    return [
        _position(body),
        SignalSource(
            *("velocity", *_VELOCITY, f"Velocity of the body {name} along the axes of the world"),
            (f"state.qvel[:, {qvel}:{qvel + 3}]",),
            part,
            (("joint", joint.name),),
        ),
        SignalSource(
            *("orientation", *_ROTATION),
            f"Orientation of the body {name} in the world, a unit quaternion",
            (f"torch.nn.functional.normalize(state.qpos[:, {qpos + 3}:{qpos + 7}])",),
            part,
        ),
        _up(body),
        SignalSource(
            *("angular_velocity", *_ROTATION_RATE),
            f"Angular velocity of the body {name} about its own axes",
            (f"state.qvel[:, {qvel + 3}:{qvel + 6}]",),
            part,
        ),
    ]


def _joints(
    joints: Sequence[Joint], inspection: ModelInspection, prefix: str = ""
) -> list[SignalSource]:
    """Positions and velocities of joints.

    Slides and hinges get signals of their own if they are few or at the root, others share one.
    """
    found: list[SignalSource] = []
    scalar = [joint for joint in joints if joint.kind in (SLIDE, HINGE)]
    alone = [
        joint
        for joint in scalar
        if len(scalar) <= FEW or inspection.body_of(joint) == inspection.root
    ]
    for joint in alone:
        found += _single(joint)
    for kind in (HINGE, SLIDE):
        group = [joint for joint in scalar if joint.kind == kind and joint not in alone]
        if group:
            found += _single(group[0]) if len(group) == 1 else _group(kind, group, prefix)
    return found + [source for joint in joints if joint.kind == BALL for source in _ball(joint)]


def _single(joint: Joint) -> list[SignalSource]:
    part, turns = ("joint", joint.name), joint.kind == HINGE
    limits = ", no limits" if joint.limits is None else ", {:.3g} to {:.3g}".format(*joint.limits)
    what = f"of the {'hinge' if turns else 'slide'} {display_name(joint.name)}"
    about = f"{'about' if turns else 'along'} its axis {_vector(joint.axis)}{limits}"
    position, rate = _ANGULAR if turns else _LINEAR
    return [
        SignalSource(
            *(position[1], *position, ()),
            f"{'Angle' if turns else 'Position'} {what} {about}; {_rest([joint])}",
            (f"state.qpos[:, {joint.qpos}]",),
            part,
        ),
        SignalSource(
            *("velocity", *rate, ()),
            f"{'Angular velocity' if turns else 'Velocity'} {what}, with the sign of its position",
            (f"state.qvel[:, {joint.qvel}]",),
            part,
        ),
    ]


def _group(kind: int, joints: Sequence[Joint], prefix: str) -> list[SignalSource]:
    names = tuple(display_name(joint.name) for joint in joints)
    members = tuple(("joint", joint.name) for joint in joints)
    axes = tuple(f"{n} (axis {_vector(j.axis)})" for n, j in zip(names, joints, strict=True))
    turns = kind == HINGE
    position, rate = _ANGULAR if turns else _LINEAR
    word, rate_word = (
        ("joint_angles", "joint_velocities") if turns else ("slides", "slide_velocities")
    )
    return [
        SignalSource(
            *(prefix + word, *position, axes),
            f"{'Angles of the hinges about' if turns else 'Positions of the slides along'} their "
            f"axes in the bodies' frames; {_rest(joints)}",
            _columns("qpos", [(joint.qpos, 1) for joint in joints]),
            *(("", prefix + word), members),
        ),
        SignalSource(
            *(prefix + rate_word, *rate, names),
            f"{'Angular velocities of the hinges' if turns else 'Velocities of the slides'}, with "
            "the signs of their positions",
            _columns("qvel", [(joint.qvel, 1) for joint in joints]),
            *(("", prefix + rate_word), members),
        ),
    ]


def _ball(joint: Joint) -> list[SignalSource]:
    part, name = ("joint", joint.name), display_name(joint.name)
    return [
        SignalSource(
            *("rotation", *_ROTATION),
            f"Rotation of the ball joint {name}, a unit quaternion: (1, 0, 0, 0) at rest",
            (f"torch.nn.functional.normalize(state.qpos[:, {joint.qpos}:{joint.qpos + 4}])",),
            part,
        ),
        SignalSource(
            *("angular_velocity", *_ROTATION_RATE),
            f"Angular velocity of the ball joint {name} in the frame of the body it moves",
            (f"state.qvel[:, {joint.qvel}:{joint.qvel + 3}]",),
            part,
        ),
    ]


def _mocap(model: mujoco.MjModel) -> list[SignalSource]:
    """Poses of bodies that the task itself moves."""
    found = []
    for index in range(1, model.nbody):
        if model.body_mocapid[index] >= 0:
            body = model.body(index).name
            name, term = display_name(body), f"state.xquat[:, {index}]"
            meaning = f"Orientation of the mocap body {name} in the world, a unit quaternion"
            source = SignalSource("orientation", *_ROTATION, meaning, (term,), ("body", body))
            found += [_position(body), source]
    return found


def _sites(model: mujoco.MjModel) -> list[SignalSource]:
    """Positions of sites; none if they are too many to name."""
    names = [model.site(index).name for index in range(model.nsite)]
    return [
        SignalSource(
            *("position", *_POSITION, f"Position of the site {display_name(name)} in the world"),
            (f"state.site_position({literal(name)})",),
            ("site", name),
        )
        for name in (names if len(names) <= MOST_SITES else [])
    ]


def _tendons(model: mujoco.MjModel) -> list[SignalSource]:
    """Lengths of tendons and their rates: one by one if they are few."""
    turning = [i for i in range(model.ntendon) if adds_angles(model, i)]
    others = [i for i in range(model.ntendon) if i not in turning]
    found: list[SignalSource] = []
    for tendons, length, quantities, sums in (
        (turning, "angle", _ANGULAR, ", a weighted sum of joint positions,"),
        (others, "length", _LINEAR, ""),
    ):
        names = [model.tendon(i).name for i in tendons]
        columns = tuple(display_name(name) for name in names)
        for word, quantity, field, what in (
            (length, quantities[0], "ten_length", length.capitalize()),
            (f"{length}_rate", quantities[1], "ten_velocity", f"Rate of the {length}"),
        ):
            if len(tendons) <= FEW:
                found += [
                    SignalSource(
                        *(word, *quantity, (), f"{what}{sums} of the tendon {column}"),
                        (f"state.{field}[:, {i}]",),
                        ("tendon", name),
                    )
                    for i, name, column in zip(tendons, names, columns, strict=True)
                ]
                continue
            found.append(
                SignalSource(
                    *(f"tendon_{word}s", *quantity, columns),
                    f"{what}{sums} of the tendons, each in a column",
                    _columns(field, [(i, 1) for i in tendons]),
                    ("", f"tendon_{word}s"),
                    tuple(("tendon", name) for name in names),
                )
            )
    return found


def _columns(field: str, parts: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    """Expressions for some columns of a field, given as (first, count)."""
    runs: list[list[int]] = []
    for first, count in sorted(parts):
        if runs and runs[-1][1] == first:
            runs[-1][1] = first + count
        else:
            runs.append([first, first + count])
    return tuple(f"state.{field}[:, {first}:{stop}]" for first, stop in runs)


def _rest(joints: Sequence[Joint]) -> str:
    """Where zero is, by the joints' positions in the pose of the model file."""
    values = [f"{joint.rest:.3g}" for joint in joints]
    same = len(set(values)) == 1
    return f"{values[0] if same else ', '.join(values)} in the pose of the model file"


def _vector(values: Sequence[float]) -> str:
    return f"({', '.join(f'{value:.3g}' for value in values)})"


def _spread(inspection: ModelInspection, body: str, pose: np.ndarray) -> np.ndarray:
    """Standard deviation of a limb's end along x, y and z over random joint positions `[3]`."""
    model, data = inspection.model, mujoco.MjData(inspection.model)
    random, tip = np.random.default_rng(0), inspection.tip(body)
    places = []
    for _ in range(TRIES):
        data.qpos[:] = pose
        for joint in inspection.joints:
            if joint.kind in (SLIDE, HINGE):
                data.qpos[joint.qpos] = random.uniform(*(joint.limits or (-1.0, 1.0)))
            elif joint.kind == BALL:
                data.qpos[joint.qpos : joint.qpos + 4] = random.normal(size=4)
        mujoco.mj_kinematics(model, data)
        places.append((data.geom(tip) if tip else data.body(body)).xpos.copy())
    return np.std(places, axis=0)


def with_unique_names(found: Iterable[SignalSource]) -> tuple[list[SignalSource], str]:
    """Signals with their full names, and a sentence about those with another name than their part.

    Signals of one part begin with the same word. Where two parts share it, as `joint-1` and
    `joint_1` do, the name of the later one has the kind of part or a number.

    Args:
        found: signals named without the word for their part.
    """
    groups: dict[tuple[str, str], dict[str, SignalSource]] = {}
    for source in found:
        groups.setdefault(source.part, {}).setdefault(source.name, source)
    owners = dict.fromkeys(_RESERVED, "")
    signals: list[SignalSource] = []
    renamed: list[str] = []
    for (kind, name), sources in groups.items():
        plain = identifier(name) if kind else ""
        chosen = _unused_word(plain, kind, list(sources), owners)
        for source in sources.values():
            full = _joined(chosen, source.name)
            owners[full] = kind
            signals.append(replace(source, name=full))
        if kind and (chosen != plain or not name.isascii() or len(name) > LONGEST):
            renamed.append(f"the {kind} {display_name(name)!r} is {chosen}")
    more = f", and {len(renamed) - LISTED} more" if len(renamed) > LISTED else ""
    sentence = (
        "Signals use other names for these parts, whose own are taken, too long or not ASCII: "
        f"{', '.join(renamed[:LISTED])}{more}."
    )
    return signals, sentence if renamed else ""


def identifier(name: str) -> str:
    """A part's name as small ASCII letters, digits and `_`; empty if nothing of it is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    made = re.sub(r"[^a-z0-9]+", "_", plain)[: LONGEST + 1].strip("_")[:LONGEST].strip("_")
    prefix = made.partition("_")[0]
    taken = made and (made[0].isdigit() or prefix in (*SIGNAL_PREFIXES, "action"))
    return f"the_{made}" if taken else made


def _unused_word(plain: str, kind: str, ends: Sequence[str], owners: Mapping[str, str]) -> str:
    """The word for a part with which none of its signals takes the name of another's.

    Args:
        plain: what its name gives; may be empty.
        kind: of part.
        ends: what the names of its signals end in.
        owners: the kinds of part that names belong to already.
    """

    def taken(candidate: str) -> set[str]:
        names = (_joined(candidate, end) for end in ends)
        return {owners[name] for name in names if name in owners}

    candidate = plain or (f"{kind}_1" if kind else "")
    if taken(candidate) and kind not in taken(candidate):
        candidate = _joined(plain, kind or "other")
    number = 1
    while taken(candidate):
        number += 1
        candidate = f"{plain or kind or 'other'}_{number}"
    return candidate


def _joined(*words: str) -> str:
    return "_".join(filter(None, words))
