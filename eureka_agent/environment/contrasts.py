"""Contrasts: pairs of episodes where a task knows which one is better, without a number for either.

Testing calls them metamorphic relations. A robot that is to run forward must not get as much return
when the recording of its run is mirrored. Such pairs find wrong signs, axes and frames of reference
before any training. An environment declares them in `contrasts.py` of its folder.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from eureka_agent.common.errors import UsageError
from eureka_agent.environment.base import Environment
from eureka_agent.environment.source_files import load_module

CONTRASTS_FILE = "contrasts.py"
GOOD = "good"
"""The kind of episodes that do the task well."""
UNTRAINED = "untrained"
"""The kind of episodes that continue to the time limit as untrained policies begin them. A contrast
of this kind that expects "more" is a picture of success while no good episode is known."""
HELD = "held"
"""The kind of robots that hold still to the time limit in the posture with the highest reward among
those that an untrained one got into. Good episodes are compared with it, never the reverse."""
TUMBLE = 3.0
"""Speed of turning over, rad/s."""

Recorded: TypeAlias = Mapping[str, NDArray[Any]]
"""Signals by name, at the reset and after each step `[L + 1, E]` or `[L + 1, E, d]`, and `action`
`[L, E, A]` in [-1, 1]."""
Change: TypeAlias = Callable[[Recorded], dict[str, NDArray[Any]]]
Expectation = Literal["less", "more", "no more", "no less"]
Course: TypeAlias = tuple[str, str, int | None]
"""A quantity that changes steadily: the signal of its value, the signal of its rate, and the column
of both; None if they have no columns."""


@dataclass(frozen=True)
class Contrast:
    """How a reward must move from some episodes to others.

    Either the same episodes are compared with themselves after a change, or one kind of episodes
    with another kind.

    Attributes:
        name: a short word, such as "mirrored".
        meaning: what the others are, such as "runs that go backward".
        expect: how much return the others must get, compared with the first.
        kind: of the first episodes.
        change: makes the others from the first; None if they are another kind.
        other: that kind, where nothing is changed.
    """

    name: str
    meaning: str
    expect: Expectation
    kind: str = GOOD
    change: Change | None = None
    other: str = ""

    def __post_init__(self) -> None:
        if (self.change is None) == (not self.other):
            raise UsageError(
                f'The contrast "{self.name}" has neither or both of a change and another kind.',
                "Give it either a change or another kind of episodes.",
            )


def load_contrasts(environment: Environment) -> tuple[Contrast, ...]:
    """The contrasts of an environment; none where it has no such file.

    Raises:
        UsageError: the file is broken, or its CONTRASTS are none.
    """
    path = environment.fitness_path.with_name(CONTRASTS_FILE)
    if not path.is_file():
        return ()
    declared: Any = getattr(load_module(path), "CONTRASTS", None)
    if not isinstance(declared, tuple) or not all(isinstance(c, Contrast) for c in declared):
        raise UsageError(
            f"{path} defines no contrasts.",
            "Write CONTRASTS = (Contrast(...), ...), see eureka_agent.environment.contrasts.",
        )
    return declared


def travelling(
    what: str,
    *,
    way: Course,
    turn: Course,
    rates: Sequence[str],
    speed: float,
    control_step: float,
) -> tuple[Contrast, ...]:
    """The contrasts of a robot that has to get forward, and not to turn over.

    Args:
        what: what good episodes are, such as "strides".
        way: how far it is.
        turn: how far it is turned, rad.
        rates: the other signals that are velocities of any kind.
        speed: at which an untrained robot would do well, m/s.
        control_step: duration of a step, s.
    """
    column = None if way[2] is None else [way[2]]
    forward = {way[0]: column, way[1]: column}
    over = f"{what} that turn over and over"
    return (
        Contrast("mirrored", f"{what} that go backward", "less", change=mirrored(forward)),
        Contrast("slower", f"{what} that get half as far", "less", change=slowed(forward)),
        Contrast(
            "frozen",
            "a robot that stays where it stood",
            "less",
            change=frozen([way[1], turn[1], *rates]),
        ),
        Contrast("held", "a robot that keeps still in any posture", "less", other=HELD),
        Contrast("harder", f"the same {what} with twice the effort", "no more", change=harder()),
        Contrast("easier", f"the same {what} with half the effort", "no less", change=harder(0.5)),
        Contrast("shaken", f"the same {what} with motors that tremble", "no more", change=shaken()),
        Contrast("tumbling forward", over, "no more", change=carried(turn, TUMBLE, control_step)),
        Contrast("tumbling backward", over, "no more", change=carried(turn, -TUMBLE, control_step)),
        Contrast(
            "carried",
            f"an untrained robot that gets forward at {speed:g} m/s",
            "more",
            kind=UNTRAINED,
            change=carried(way, speed, control_step),
        ),
    )


def mirrored(columns: Mapping[str, Sequence[int] | None]) -> Change:
    """A change that turns quantities to the other side.

    Args:
        columns: which columns of which signals change their sign; None for all of them.
    """
    return _edited(columns, lambda value: -value)


def slowed(columns: Mapping[str, Sequence[int] | None], factor: float = 0.5) -> Change:
    """A change after which quantities get less far from where they were at the reset.

    Args:
        columns: which columns of which signals; None for all of them.
        factor: how much of the way is left.
    """
    return _edited(columns, lambda value: value[:1] + factor * (value - value[:1]))


def frozen(rates: Sequence[str]) -> Change:
    """A change after which the robot stays as it was reset, and does nothing.

    Args:
        rates: signals that are velocities of any kind: they become 0.
    """

    def change(recorded: Recorded) -> dict[str, NDArray[Any]]:
        result = {name: np.broadcast_to(v[:1], v.shape).copy() for name, v in recorded.items()}
        return result | {name: np.zeros_like(recorded[name]) for name in ("action", *rates)}

    return change


def carried(course: Course, speed: float, control_step: float) -> Change:
    """A change after which the robot as a whole moves or turns at a steady speed from the reset on.

    Args:
        course: where it is, or how it is turned.
        speed: in the unit of its rate.
        control_step: duration of a step, s.
    """
    position, velocity, axis = course

    def change(recorded: Recorded) -> dict[str, NDArray[Any]]:
        place, rate = recorded[position].copy(), recorded[velocity].copy()
        column = ... if axis is None else (..., axis)
        time = control_step * np.arange(len(place), dtype=place.dtype)
        place[column] = place[:1][column] + speed * time[:, None]
        rate[1:][column] = speed
        return {**recorded, position: place, velocity: rate}

    return change


def harder(factor: float = 2.0) -> Change:
    """A change after which the same happens with larger actions, within [-1, 1]."""
    return _acting(lambda action: action * factor)


def shaken(size: float = 0.5) -> Change:
    """A change after which the same happens while each motor trembles, within [-1, 1].

    Args:
        size: added to actions at every other step, and subtracted at the rest.
    """

    def tremble(action: NDArray[Any]) -> NDArray[Any]:
        sign = np.where(np.arange(len(action)) % 2, -1.0, 1.0).astype(action.dtype)
        return action + size * sign[:, None, None]

    return _acting(tremble)


def _edited(
    columns: Mapping[str, Sequence[int] | None], edit: Callable[[NDArray[Any]], NDArray[Any]]
) -> Change:
    """A change of columns of signals, `[L + 1, E, ...]`; None for all columns."""

    def change(recorded: Recorded) -> dict[str, NDArray[Any]]:
        result = dict(recorded)
        for name, which in columns.items():
            if which is not None and recorded[name].ndim == 2:
                raise UsageError(
                    f'The signal "{name}" has no columns.', "Give None in their place."
                )
            value = result[name] = recorded[name].copy()
            chosen = (..., slice(None) if which is None else list(which))
            value[chosen] = edit(value[chosen])
        return result

    return change


def _acting(edit: Callable[[NDArray[Any]], NDArray[Any]]) -> Change:
    """A change of the actions alone, clipped to [-1, 1]."""
    return lambda recorded: {**recorded, "action": np.clip(edit(recorded["action"]), -1.0, 1.0)}
