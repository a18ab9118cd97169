"""The signals, the observation and the first task of a model, worked out from a survey of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from eureka_agent.plugins.sensors import FEW, SignalText, sensor_signals
from eureka_agent.plugins.survey import BALL, HINGE, SLIDE, Joint, Survey, identifier

WORLD = ("x", "y", "z (up)")
TRIES = 50
MOVES = 1e-3
"""Spread of a position, m, from which it counts as moving."""


@dataclass(frozen=True)
class FirstTask:
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


def signals_of(survey: Survey) -> list[SignalText]:
    """All signals of a model, each name once."""
    found: list[SignalText] = []
    if survey.travels:
        found += _root(survey)
    found += _scalars(survey.joints, survey)
    found += [text for joint in survey.joints if joint.kind == BALL for text in _ball(joint)]
    found += [_end(survey, body) for body in ends_of(survey)]
    for joint in survey.objects:
        found += _floating(survey.body_of(joint), joint)
    if survey.others:
        found += _scalars(survey.others, survey, "other_")
    found += sensor_signals(survey.model)
    return list({text.name: text for text in reversed(found)}.values())[::-1]


def observation_of(survey: Survey) -> list[str]:
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
        parts.append(columns("qpos", plain))
    if turning:
        angles = columns("qpos", turning)
        parts += [f"{angles}.cos()", f"{angles}.sin()"]
    return [*parts, "state.qvel"]


def first_task(survey: Survey, pose: np.ndarray) -> FirstTask:
    """Run forward if the robot travels, else raise the end of its first limb.

    Args:
        survey: of the model.
        pose: where episodes begin, `[nq]`.
    """
    if survey.travels:
        name = f"{identifier(survey.root)}_position"
        return FirstTask("Move forward, along x, as fast as possible.", name, 0, True)
    end = ends_of(survey)[0]
    words = {2: "Raise the {} as high as possible.", 0: "Move the {} as far along x as possible."}
    words[1] = words[0].replace("x", "y")
    spread = _spread(survey, end, pose)
    column = next((c for c in (2, 0, 1) if spread[c] > MOVES), 2)
    sentence = words[column].format(end.replace("_", " "))
    return FirstTask(sentence, f"{identifier(end)}_position", column, False)


def columns(field: str, parts: Sequence[tuple[int, int]]) -> str:
    """An expression for some columns of a field, given as (first, count)."""
    runs: list[list[int]] = []
    for first, count in sorted(parts):
        if runs and runs[-1][1] == first:
            runs[-1][1] = first + count
        else:
            runs.append([first, first + count])
    slices = [f"state.{field}[:, {first}:{stop}]" for first, stop in runs]
    return slices[0] if len(slices) == 1 else f"torch.cat([{', '.join(slices)}], dim=1)"


def _root(survey: Survey) -> list[SignalText]:
    if survey.free is not None:
        return _floating(survey.root, survey.free)
    name, body = identifier(survey.root), survey.root
    return [
        _position(body),
        SignalText(
            f"{name}_up",
            *("1", "orientation", 3, WORLD),
            f"Direction of the own z axis of the body {body} in the world",
            f'state.body_rotation("{body}")[:, :, 2]',
        ),
    ]


def _floating(body: str, joint: Joint) -> list[SignalText]:
    name = identifier(body)
    return [
        _position(body),
        SignalText(
            f"{name}_velocity",
            *("m/s", "velocity", 3, WORLD),
            f"Velocity of the body {body} along the axes of the world",
            f"state.qvel[:, {joint.qvel}:{joint.qvel + 3}]",
        ),
        SignalText(
            f"{name}_orientation",
            *("1", "orientation", 4, ("w", "x", "y", "z")),
            f"Orientation of the body {body} in the world, a unit quaternion",
            f"torch.nn.functional.normalize(state.qpos[:, {joint.qpos + 3}:{joint.qpos + 7}])",
        ),
        SignalText(
            f"{name}_up",
            *("1", "orientation", 3, WORLD),
            f"Direction of the own z axis of the body {body} in the world",
            f'state.body_rotation("{body}")[:, :, 2]',
        ),
        SignalText(
            f"{name}_angular_velocity",
            *("rad/s", "angular_velocity", 3, ("own x", "own y", "own z")),
            f"Angular velocity of the body {body} about its own axes",
            f"state.qvel[:, {joint.qvel + 3}:{joint.qvel + 6}]",
        ),
    ]


def _position(body: str) -> SignalText:
    return SignalText(
        f"{identifier(body)}_position",
        *("m", "position", 3, WORLD),
        f"Position of the body {body} in the world",
        f'state.body_position("{body}")',
    )


def _scalars(joints: Sequence[Joint], survey: Survey, prefix: str = "") -> list[SignalText]:
    """Positions and velocities of slides and hinges: one by one if they are few or at the root."""
    found: list[SignalText] = []
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


def _single(joint: Joint) -> list[SignalText]:
    name, turns = identifier(joint.name), joint.kind == HINGE
    limits = ", no limits" if joint.limits is None else ", {:.3g} to {:.3g}".format(*joint.limits)
    what = f"of the {'hinge' if turns else 'slide'} {joint.name}"
    about = f"{'about' if turns else 'along'} its axis {_numbers(joint.axis)}"
    return [
        SignalText(
            f"{name}_angle" if turns else f"{name}_position",
            *(("rad", "angle") if turns else ("m", "position")),
            *(None, ()),
            f"{'Angle' if turns else 'Position'} {what} {about}{limits}; {_rest([joint])}",
            f"state.qpos[:, {joint.qpos}]",
        ),
        SignalText(
            f"{name}_velocity",
            *(("rad/s", "angular_velocity") if turns else ("m/s", "velocity")),
            *(None, ()),
            f"{'Angular velocity' if turns else 'Velocity'} {what}, with the sign of its position",
            f"state.qvel[:, {joint.qvel}]",
        ),
    ]


def _group(kind: int, joints: Sequence[Joint], prefix: str) -> list[SignalText]:
    axes = tuple(f"{joint.name} (axis {_numbers(joint.axis)})" for joint in joints)
    places = columns("qpos", [(joint.qpos, 1) for joint in joints])
    rates = columns("qvel", [(joint.qvel, 1) for joint in joints])
    turns = kind == HINGE
    word, rate = ("joint_angles", "joint_velocities") if turns else ("slides", "slide_velocities")
    return [
        SignalText(
            prefix + word,
            *(("rad", "angle") if turns else ("m", "position")),
            *(len(joints), axes),
            f"{'Angles of the hinges about' if turns else 'Positions of the slides along'} their "
            f"axes in the bodies' frames; {_rest(joints)}",
            places,
        ),
        SignalText(
            prefix + rate,
            *(("rad/s", "angular_velocity") if turns else ("m/s", "velocity")),
            *(len(joints), tuple(joint.name for joint in joints)),
            f"{'Angular velocities of the hinges' if turns else 'Velocities of the slides'}, with "
            "the signs of their positions",
            rates,
        ),
    ]


def _rest(joints: Sequence[Joint]) -> str:
    """Where zero is, told by the position that everybody can look up."""
    values = [f"{joint.rest:.3g}" for joint in joints]
    if len(set(values)) == 1:
        return f"{values[0]} in the pose of the model file"
    return f"{', '.join(values)} in the pose of the model file"


def _ball(joint: Joint) -> list[SignalText]:
    name = identifier(joint.name)
    return [
        SignalText(
            f"{name}_rotation",
            *("1", "orientation", 4, ("w", "x", "y", "z")),
            f"Rotation of the ball joint {joint.name}, a unit quaternion: (1, 0, 0, 0) at rest",
            f"torch.nn.functional.normalize(state.qpos[:, {joint.qpos}:{joint.qpos + 4}])",
        ),
        SignalText(
            f"{name}_angular_velocity",
            *("rad/s", "angular_velocity", 3, ("own x", "own y", "own z")),
            f"Angular velocity of the ball joint {joint.name} in the frame of the body it moves",
            f"state.qvel[:, {joint.qvel}:{joint.qvel + 3}]",
        ),
    ]


def ends_of(survey: Survey) -> list[str]:
    """Bodies whose ends get a position; the root where there is nothing else to say."""
    return survey.ends or ([] if survey.travels else [survey.root])


def _end(survey: Survey, body: str) -> SignalText:
    tip = survey.tip(body)
    if tip is None:
        return _position(body)
    return SignalText(
        f"{identifier(body)}_position",
        *("m", "position", 3, WORLD),
        f"Position in the world of {tip}, a part of the body {body}",
        f'state.geom_position("{tip}")',
    )


def _spread(survey: Survey, body: str, pose: np.ndarray) -> np.ndarray:
    """How far the end of a limb moves along x, y and z when the robot's joints do `[3]`."""
    model, data = survey.model, mujoco.MjData(survey.model)
    random, tip = np.random.default_rng(0), survey.tip(body)
    places = []
    for _ in range(TRIES):
        data.qpos[:] = pose
        for joint in survey.joints:
            if joint.scalar:
                data.qpos[joint.qpos] = random.uniform(*(joint.limits or (-1.0, 1.0)))
        mujoco.mj_kinematics(model, data)
        places.append((data.geom(tip) if tip else data.body(body)).xpos.copy())
    return np.std(places, axis=0)


def _horizontal(joint: Joint) -> bool:
    return abs(joint.axis[2]) < 0.5


def _numbers(values: Sequence[float]) -> str:
    return f"({', '.join(f'{value:.3g}' for value in values)})"
