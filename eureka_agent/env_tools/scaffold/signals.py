"""The signals, the observation and the first task of a model, worked out from a survey of it."""

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
    SignalSource,
    concatenated,
    sensor_signals,
)
from eureka_agent.environment import Environment
from eureka_agent.environment.model_facts import adds_angles
from eureka_agent.reward import SIGNAL_PREFIXES
from eureka_agent.reward.signals import STANDARD_PARAMETERS

WORLD = ("x", "y", "z (up)")
TRIES = 50
MOST_SITES = 12
"""Sites up to this number get signals."""
MOVES = 1e-3
"""Spread of a position, m, from which it counts as moving."""


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


def make_signals(survey: ModelInspection) -> SignalSet:
    """All signals of a model, and what is to be known about their names."""
    found: list[SignalSource] = []
    if survey.travels:
        found += _root(survey)
    found += _scalars(survey.joints, survey)
    found += [text for joint in survey.joints if joint.kind == BALL for text in _ball(joint)]
    found += [_end(survey, body) for body in end_effectors(survey)]
    for joint in survey.objects:
        found += _floating(survey.body_of(joint), joint)
    if survey.others:
        found += _scalars(survey.others, survey, "other_")
        found += [text for joint in survey.others if joint.kind == BALL for text in _ball(joint)]
    found += _mocap(survey.model) + _sites(survey.model) + _tendons(survey.model)
    found += sensor_signals(survey.model)
    signals, renamed = with_unique_names(found)
    return SignalSet(signals, (*filter(None, [renamed]), *_without(survey.model, signals)))


def _without(model: mujoco.MjModel, signals: Sequence[SignalSource]) -> list[str]:
    """Which parts have no signal, and why, a sentence for each kind of part."""
    has = {part for text in signals for part in (text.part, *text.members)}
    sentences = ["Actuators have no signals: programs read what they are told as action."]
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
        names = [part(i).name for i in range(count)]
        missing = [name for name in names if (kind, name) not in has]
        if missing:
            plural = "s" * (len(missing) > 1)
            have = "have" if len(missing) > 1 else "has"
            sentences.append(f"The {kind}{plural} {join_names(missing)} {have} no signal: {why}.")
    return sentences


def _mocap(model: mujoco.MjModel) -> list[SignalSource]:
    """Poses of bodies that the task itself moves."""
    found = []
    for index in range(1, model.nbody):
        if model.body_mocapid[index] < 0:
            continue
        body = model.body(index).name
        found += [
            _position(body),
            SignalSource(
                "orientation",
                *("1", "orientation", 4, ("w", "x", "y", "z")),
                f"Orientation of the mocap body {display_name(body)} in the world, a unit quaternion",
                (f"state.xquat[:, {index}]",),
                ("body", body),
            ),
        ]
    return found


def _sites(model: mujoco.MjModel) -> list[SignalSource]:
    """Positions of sites; none if they are too many to name."""
    if model.nsite > MOST_SITES:
        return []
    names = [model.site(index).name for index in range(model.nsite)]
    return [
        SignalSource(
            "position",
            *("m", "position", 3, WORLD),
            f"Position of the site {display_name(name)} in the world",
            (f"state.site_position({literal(name)})",),
            ("site", name),
        )
        for name in names
    ]


def _tendons(model: mujoco.MjModel) -> list[SignalSource]:
    """Lengths of tendons and their rates: one by one if they are few."""
    turning = [i for i in range(model.ntendon) if adds_angles(model, i)]
    others = [i for i in range(model.ntendon) if i not in turning]
    found: list[SignalSource] = []
    for tendons, length, unit, kinds in (
        (turning, "angle", "rad", ("angle", "angular_velocity")),
        (others, "length", "m", ("position", "velocity")),
    ):
        names = [model.tendon(i).name for i in tendons]
        sums = ", a weighted sum of joint positions," if length == "angle" else ""
        for word, unit_, kind, field, what in (
            (length, unit, kinds[0], "ten_length", length.capitalize()),
            (f"{length}_rate", f"{unit}/s", kinds[1], "ten_velocity", f"Rate of the {length}"),
        ):
            if len(tendons) > FEW:
                found.append(
                    SignalSource(
                        f"tendon_{word}s",
                        *(unit_, kind, len(tendons), tuple(display_name(name) for name in names)),
                        f"{what}{sums} of the tendons, each in a column",
                        columns(field, [(i, 1) for i in tendons]),
                        ("", f"tendon_{word}s"),
                        tuple(("tendon", name) for name in names),
                    )
                )
                continue
            found += [
                SignalSource(
                    word,
                    *(unit_, kind, None, ()),
                    f"{what}{sums} of the tendon {display_name(name)}",
                    (f"state.{field}[:, {i}]",),
                    ("tendon", name),
                )
                for i, name in zip(tendons, names, strict=True)
            ]
    return found


def observation_of(survey: ModelInspection) -> list[str]:
    """Expressions `[N, d]` over `state` that together make the observation."""
    parts: list[str] = []
    if survey.free is not None:
        parts.append(f"state.qpos[:, {survey.free.qpos + 2}:{survey.free.qpos + 7}]")
    plain: list[tuple[int, int]] = []
    turning: list[tuple[int, int]] = []
    for joint in (*survey.joints, *survey.others):
        if survey.leaves(joint) and _horizontal(joint):
            continue
        endless = joint.kind == HINGE and joint.limits is None
        (turning if endless else plain).append((joint.qpos, 4 if joint.kind == BALL else 1))
    plain += [(joint.qpos, 7) for joint in survey.objects]
    if plain:
        parts.append(concatenated(columns("qpos", plain)))
    if turning:
        angles = concatenated(columns("qpos", turning))
        parts += [f"{angles}.cos()", f"{angles}.sin()"]
    return [*parts, "state.qvel"]


def placeholder_task(
    survey: ModelInspection, pose: np.ndarray, outline: SignalSet
) -> PlaceholderTask:
    """Run forward if the robot travels, else raise the end of its first limb that moves.

    Args:
        survey: of the model.
        pose: where episodes begin, `[nq]`.
        outline: its signals.
    """
    if survey.travels and not survey.holder:
        name = outline.position_of(survey.root)
        return PlaceholderTask("Move forward, along x, as fast as possible.", name, 0, True)
    spreads = {end: _spread(survey, end, pose) for end in survey.ends or [survey.root]}
    moving = [end for end, spread in spreads.items() if spread.max() > MOVES]
    end = (moving or list(spreads))[0]
    words = {2: "Raise the {} as high as possible.", 0: "Move the {} as far along x as possible."}
    words[1] = words[0].replace("x", "y")
    column = next((c for c in (2, 0, 1) if spreads[end][c] > MOVES), 2)
    sentence = words[column].format(display_name(end).replace("_", " "))
    return PlaceholderTask(sentence, outline.position_of(end), column, False)


def columns(field: str, parts: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    """Expressions for some columns of a field, given as (first, count)."""
    runs: list[list[int]] = []
    for first, count in sorted(parts):
        if runs and runs[-1][1] == first:
            runs[-1][1] = first + count
        else:
            runs.append([first, first + count])
    return tuple(f"state.{field}[:, {first}:{stop}]" for first, stop in runs)


def _root(survey: ModelInspection) -> list[SignalSource]:
    if survey.free is not None:
        return _floating(survey.root, survey.free)
    return [_position(survey.root), _up(survey.root)]


def _up(body: str) -> SignalSource:
    return SignalSource(
        "up",
        *("1", "orientation", 3, WORLD),
        f"Direction of the own z axis of the body {display_name(body)} in the world",
        (f"state.body_rotation({literal(body)})[:, :, 2]",),
        ("body", body),
    )


def _floating(body: str, joint: Joint) -> list[SignalSource]:
    part, name = ("body", body), display_name(body)
    carried = (("joint", joint.name),)
    return [
        _position(body),
        SignalSource(
            "velocity",
            *("m/s", "velocity", 3, WORLD),
            f"Velocity of the body {name} along the axes of the world",
            (f"state.qvel[:, {joint.qvel}:{joint.qvel + 3}]",),
            *(part, carried),
        ),
        SignalSource(
            "orientation",
            *("1", "orientation", 4, ("w", "x", "y", "z")),
            f"Orientation of the body {name} in the world, a unit quaternion",
            (f"torch.nn.functional.normalize(state.qpos[:, {joint.qpos + 3}:{joint.qpos + 7}])",),
            part,
        ),
        _up(body),
        SignalSource(
            "angular_velocity",
            *("rad/s", "angular_velocity", 3, ("own x", "own y", "own z")),
            f"Angular velocity of the body {name} about its own axes",
            (f"state.qvel[:, {joint.qvel + 3}:{joint.qvel + 6}]",),
            part,
        ),
    ]


def _position(body: str) -> SignalSource:
    return SignalSource(
        "position",
        *("m", "position", 3, WORLD),
        f"Position of the body {display_name(body)} in the world",
        (f"state.body_position({literal(body)})",),
        ("body", body),
    )


def _scalars(
    joints: Sequence[Joint], survey: ModelInspection, prefix: str = ""
) -> list[SignalSource]:
    """Positions and velocities of slides and hinges: one by one if they are few or at the root."""
    found: list[SignalSource] = []
    scalar = [joint for joint in joints if joint.scalar]
    alone = [j for j in scalar if len(scalar) <= FEW or survey.body_of(j) == survey.root]
    for joint in alone:
        found += _single(joint)
    for kind in (HINGE, SLIDE):
        group = [joint for joint in scalar if joint.kind == kind and joint not in alone]
        if len(group) == 1:
            found += _single(group[0])
        elif group:
            found += _group(kind, group, prefix)
    return found


def _single(joint: Joint) -> list[SignalSource]:
    part, turns = ("joint", joint.name), joint.kind == HINGE
    limits = ", no limits" if joint.limits is None else ", {:.3g} to {:.3g}".format(*joint.limits)
    what = f"of the {'hinge' if turns else 'slide'} {display_name(joint.name)}"
    about = f"{'about' if turns else 'along'} its axis {_numbers(joint.axis)}"
    return [
        SignalSource(
            "angle" if turns else "position",
            *(("rad", "angle") if turns else ("m", "position")),
            *(None, ()),
            f"{'Angle' if turns else 'Position'} {what} {about}{limits}; {_rest([joint])}",
            (f"state.qpos[:, {joint.qpos}]",),
            part,
        ),
        SignalSource(
            "velocity",
            *(("rad/s", "angular_velocity") if turns else ("m/s", "velocity")),
            *(None, ()),
            f"{'Angular velocity' if turns else 'Velocity'} {what}, with the sign of its position",
            (f"state.qvel[:, {joint.qvel}]",),
            part,
        ),
    ]


def _group(kind: int, joints: Sequence[Joint], prefix: str) -> list[SignalSource]:
    names = tuple(display_name(joint.name) for joint in joints)
    members = tuple(("joint", joint.name) for joint in joints)
    axes = tuple(f"{n} (axis {_numbers(j.axis)})" for n, j in zip(names, joints, strict=True))
    places = columns("qpos", [(joint.qpos, 1) for joint in joints])
    rates = columns("qvel", [(joint.qvel, 1) for joint in joints])
    turns = kind == HINGE
    word, rate = ("joint_angles", "joint_velocities") if turns else ("slides", "slide_velocities")
    return [
        SignalSource(
            prefix + word,
            *(("rad", "angle") if turns else ("m", "position")),
            *(len(joints), axes),
            f"{'Angles of the hinges about' if turns else 'Positions of the slides along'} their "
            f"axes in the bodies' frames; {_rest(joints)}",
            places,
            *(("", prefix + word), members),
        ),
        SignalSource(
            prefix + rate,
            *(("rad/s", "angular_velocity") if turns else ("m/s", "velocity")),
            *(len(joints), names),
            f"{'Angular velocities of the hinges' if turns else 'Velocities of the slides'}, with "
            "the signs of their positions",
            rates,
            *(("", prefix + rate), members),
        ),
    ]


def _rest(joints: Sequence[Joint]) -> str:
    """Where zero is, told by the position that everybody can look up."""
    values = [f"{joint.rest:.3g}" for joint in joints]
    if len(set(values)) == 1:
        return f"{values[0]} in the pose of the model file"
    return f"{', '.join(values)} in the pose of the model file"


def _ball(joint: Joint) -> list[SignalSource]:
    part, name = ("joint", joint.name), display_name(joint.name)
    return [
        SignalSource(
            "rotation",
            *("1", "orientation", 4, ("w", "x", "y", "z")),
            f"Rotation of the ball joint {name}, a unit quaternion: (1, 0, 0, 0) at rest",
            (f"torch.nn.functional.normalize(state.qpos[:, {joint.qpos}:{joint.qpos + 4}])",),
            part,
        ),
        SignalSource(
            "angular_velocity",
            *("rad/s", "angular_velocity", 3, ("own x", "own y", "own z")),
            f"Angular velocity of the ball joint {name} in the frame of the body it moves",
            (f"state.qvel[:, {joint.qvel}:{joint.qvel + 3}]",),
            part,
        ),
    ]


def end_effectors(survey: ModelInspection) -> list[str]:
    """Bodies whose ends get a position; the root where there is nothing else to say."""
    return survey.ends or ([] if survey.travels else [survey.root])


def _end(survey: ModelInspection, body: str) -> SignalSource:
    tip = survey.tip(body)
    if tip is None:
        return _position(body)
    return SignalSource(
        "position",
        *("m", "position", 3, WORLD),
        f"Position in the world of {display_name(tip)}, a part of the body {display_name(body)}",
        (f"state.geom_position({literal(tip)})",),
        ("body", body),
    )


def _spread(survey: ModelInspection, body: str, pose: np.ndarray) -> np.ndarray:
    """How far the end of a limb moves along x, y and z when the robot's joints do `[3]`."""
    model, data = survey.model, mujoco.MjData(survey.model)
    random, tip = np.random.default_rng(0), survey.tip(body)
    places = []
    for _ in range(TRIES):
        data.qpos[:] = pose
        for joint in survey.joints:
            if joint.scalar:
                data.qpos[joint.qpos] = random.uniform(*(joint.limits or (-1.0, 1.0)))
            elif joint.kind == BALL:
                data.qpos[joint.qpos : joint.qpos + 4] = random.normal(size=4)
        mujoco.mj_kinematics(model, data)
        places.append((data.geom(tip) if tip else data.body(body)).xpos.copy())
    return np.std(places, axis=0)


def _horizontal(joint: Joint) -> bool:
    return abs(joint.axis[2]) < 0.5


def _numbers(values: Sequence[float]) -> str:
    return f"({', '.join(f'{value:.3g}' for value in values)})"


LONGEST = 40
"""Letters of a part's name that the names of its signals begin with."""
LISTED = 12
"""Parts whose new names a sentence lists."""

_RESERVED = {*STANDARD_PARAMETERS, *dir(Environment), *Environment.__annotations__, *keyword.kwlist}


def with_unique_names(found: Iterable[SignalSource]) -> tuple[list[SignalSource], str]:
    """Signals with their full names, and a sentence on those named otherwise than their part is.

    Signals of one part begin with the same word. Where two parts share it, as `joint-1` and
    `joint_1` do, the later one's says the kind of part or has a number.

    Args:
        found: signals whose names still lack the word for their part.
    """
    groups: dict[tuple[str, str], dict[str, SignalSource]] = {}
    for text in found:
        groups.setdefault(text.part, {}).setdefault(text.name, text)
    owners = dict.fromkeys(_RESERVED, "")
    signals: list[SignalSource] = []
    told: list[str] = []
    for (kind, name), texts in groups.items():
        plain = identifier(name) if kind else ""
        chosen = _chosen(plain, kind, list(texts), owners)
        for text in texts.values():
            full = _joined(chosen, text.name)
            owners[full] = kind
            signals.append(replace(text, name=full))
        if kind and (chosen != plain or not name.isascii() or len(name) > LONGEST):
            told.append(f"the {kind} {display_name(name)!r} is {chosen}")
    return signals, _sentence(told)


def identifier(name: str) -> str:
    """A part's name as small ASCII letters, digits and `_`; empty if nothing of it is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    made = re.sub(r"[^a-z0-9]+", "_", plain)[: LONGEST + 1].strip("_")[:LONGEST].strip("_")
    prefix = made.partition("_")[0]
    if made and (made[0].isdigit() or prefix in (*SIGNAL_PREFIXES, "action")):
        return f"the_{made}"
    return made


def _chosen(plain: str, kind: str, ends: Sequence[str], owners: Mapping[str, str]) -> str:
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


def _sentence(told: Sequence[str]) -> str:
    if not told:
        return ""
    more = f", and {len(told) - LISTED} more" if len(told) > LISTED else ""
    return (
        "Signals call these parts otherwise, as their names are taken, too long or not ASCII: "
        f"{', '.join(told[:LISTED])}{more}."
    )
