"""An excerpt of episodes: what a policy did, in few enough numbers and pictures to take in.

It shows a few episodes, the worst, the middle and the best, and a few steps of each: the state of
the robot after the step, in units, and the payment of each component of the program.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from eureka_agent.analysis.rewards.bank import BROKEN, Record
from eureka_agent.analysis.trajectories.episodes import Trajectories
from eureka_agent.analysis.trajectories.failures import Diagnosis
from eureka_agent.analysis.trajectories.features import WIDEST
from eureka_agent.common.errors import EurekaError
from eureka_agent.common.text import prompt_line, prompt_number
from eureka_agent.environment import Environment, Episodes, pools
from eureka_agent.environment.episodes import BoolArray, FloatArray
from eureka_agent.reward import Signal
from eureka_agent.store import Run
from eureka_agent.store.folder import EPISODES_FILE, PICTURE, open_arrays

if TYPE_CHECKING:
    from eureka_agent.video.contact_sheet import Strip

ROWS, OTHERS = 20, 12
"""Steps that are shown of an episode, and of one of another policy."""
BEFORE_END = (45, 25, 12, 5, 2, 0)
"""Steps before the last one that are among them where an episode ended early: what ends it begins
some tenths of a second before."""
MOST_COLUMNS, MOST_COMPONENTS = 14, 8
"""Columns of signals that are shown, and components, the largest ones."""
MOST_PHASES = 6
"""Phases of an episode that are listed."""
DIGITS, MOST_DECIMALS = 4, 6
"""Digits of the largest number of a column; the others of it have as many decimals."""
SHEET = "frames.png"
"""Frames of a candidate's episodes, in its folder."""
_KINDS = (
    *("position", "orientation", "angle", "velocity", "distance", "goal"),
    *("contact", "angular_velocity", "force", "other"),
)
"""Kinds of signals, the most informative first."""


@dataclass(frozen=True)
class Shown:
    """One episode of an excerpt.

    Attributes:
        label: its name, such as "the worst episode".
        episode: its index into all known episodes.
        steps: those that are shown, from 0, growing.
        length: its steps.
        place: which of the policy's own episodes it is, from 0; None of another policy's.
        head: the whole episode in a sentence or two.
        rows: a Markdown table of the steps.
    """

    label: str
    episode: int
    steps: tuple[int, ...]
    length: int
    place: int | None
    head: str
    rows: tuple[str, ...]

    @property
    def own(self) -> bool:
        """Whether it is one of the policy in question."""
        return self.place is not None


@dataclass(frozen=True)
class Excerpt:
    """The part of some episodes that is shown.

    Attributes:
        legend: a line for each column that is not a signal's.
        shown: the episodes.
    """

    legend: tuple[str, ...]
    shown: tuple[Shown, ...]


@dataclass(frozen=True)
class _Column:
    """One column of the tables: its head, its values `[L, E]`, and its meaning if not a signal."""

    head: str
    values: FloatArray
    meaning: str = ""


def excerpt(
    known: Trajectories,
    own: BoolArray,
    reads: Collection[str] = (),
    diagnosis: Diagnosis | None = None,
) -> Excerpt:
    """Choose the part of a policy's episodes to show.

    Args:
        known: all known episodes, with the rewards under the program in question.
        own: which of them are of the policy in question `[E]`, at least one.
        reads: names of the signals that the program reads, which are shown before others.
        diagnosis: of the rules on these episodes.
    """
    columns = [
        *_progress(diagnosis),
        *_signals(known, reads, diagnosis),
        *_actions(known),
        *_rewards(known, own),
    ]
    chosen = dict(_chosen(known, own))
    paid = _returns(known) if known.evaluated.component_rewards else None
    decimals = [_decimals(column, known, list(chosen.values())) for column in columns]
    shown = []
    for label, episode in chosen.items():
        length = int(known.lengths[episode])
        steps = chosen_steps(
            length, bool(known.terminated[episode]), ROWS if own[episode] else OTHERS
        )
        values = np.stack([column.values[:length, episode] for column in columns], axis=1)
        shown.append(
            Shown(
                label,
                episode,
                steps,
                length,
                place=int(own[:episode].sum()) if own[episode] else None,
                head=_head(known, episode, paid, diagnosis),
                rows=tuple(_table([column.head for column in columns], values, steps, decimals)),
            )
        )
    legend = tuple(f"`{c.head}`: {c.meaning}" for c in columns if c.meaning)
    return Excerpt(legend, tuple(shown))


def chosen_steps(length: int, terminated: bool, rows: int = ROWS) -> tuple[int, ...]:
    """Choose steps of an episode: spread evenly, or ever closer towards an early end.

    Args:
        length: of the episode.
        terminated: whether it ended early.
        rows: most steps, more than `BEFORE_END` has.
    """
    if length <= rows:
        return tuple(range(length))
    ends = [step for step in BEFORE_END if step < length // 2] if terminated else [0]
    last = [length - 1 - step for step in ends]
    others = [step for step in range(length) if step not in last]
    spread = np.linspace(0, len(others), rows - len(last), endpoint=False).astype(int)
    return tuple(sorted([*last, *(others[place] for place in spread)]))


def _chosen(known: Trajectories, own: BoolArray) -> Iterator[tuple[str, int]]:
    """The two worst, the middle and the best of a policy's episodes, and a better one of another.

    If they are alike, within 5 % of the range of all known ones, the worst and the best do.
    """
    measured = bool(np.isfinite(known.fitness).any())
    quality = np.nan_to_num(known.fitness, nan=-np.inf) if measured else _returns(known)
    ranked = sorted(np.flatnonzero(own).tolist(), key=lambda e: (quality[e], e))
    lowest, highest = quality[ranked[0]], quality[ranked[-1]]
    clear = 0.05 * np.ptp(quality[np.isfinite(quality)])
    if highest - lowest < clear:
        del ranked[1:-1]  # those between would only repeat it
    worst = ranked[: min(2, len(ranked) - 1)]
    yield from zip(("the worst episode", "the second worst episode"), worst, strict=False)
    if len(ranked) > 3:
        yield "the median episode", ranked[(len(ranked) + 1) // 2]
    yield ("the best episode" if worst else "the only episode"), ranked[-1]
    others = np.where(own, np.nan, known.fitness)
    if np.isfinite(others).any() and np.nanmax(others) > highest + clear:
        yield "the best known episode, of another policy", int(np.nanargmax(others))


def _returns(known: Trajectories) -> FloatArray:
    """The return of each episode under the program `[E]`; 0 without a program."""
    rewards = list(known.evaluated.component_rewards.values())
    total = np.sum(rewards or [np.zeros(known.alive.shape)], axis=0)
    return np.where(known.alive, total, 0.0).sum(axis=0)


def _head(
    known: Trajectories, episode: int, paid: FloatArray | None, diagnosis: Diagnosis | None
) -> str:
    """The whole episode in a sentence or two."""
    end = "ended early" if known.terminated[episode] else "ran to the end"
    parts = [f"{known.lengths[episode]} steps, {end}"]
    if np.isfinite(known.fitness[episode]):
        parts.append(f"fitness {prompt_number(float(known.fitness[episode]))}")
    if paid is not None:
        parts.append(f"the program pays {prompt_number(float(paid[episode]))} in all")
    text = f"{'; '.join(parts)}."
    phases = diagnosis.phases.get(episode, ()) if diagnosis else ()
    if len(phases) > 1:
        said = [f"{p.regime} in steps {p.start} to {p.stop - 1}" for p in phases[:MOST_PHASES]]
        said += ["and so on"] if len(phases) > MOST_PHASES else []
        text += f" In phases: {', '.join(said)}."
    return text


def _table(
    heads: Sequence[str], values: FloatArray, steps: Sequence[int], decimals: Sequence[int]
) -> Iterator[str]:
    """A table of the chosen steps, and of the mean over all of them.

    Args:
        heads: of the columns.
        values: of all steps of the episode `[T, C]`.
        steps: those to show; neighbours that look alike share a row.
        decimals: of each column.
    """
    yield _row("step", heads)
    yield "|---" * (len(heads) + 1) + "|"
    rows = [tuple(map(_written, values[step], decimals)) for step in steps]
    for row, alike in groupby(zip(rows, steps, strict=True), key=lambda pair: pair[0]):
        same = [str(step) for _, step in alike]
        yield _row(same[0] if len(same) == 1 else f"{same[0]} to {same[-1]}", row)
    yield _row(f"mean of {len(values)}", list(map(_written, values.mean(axis=0), decimals)))


def _decimals(column: _Column, known: Trajectories, episodes: Sequence[int]) -> int:
    """Decimals that suit the largest number of a column in some episodes."""
    values = np.abs(column.values[:, episodes][known.alive[:, episodes]])
    largest = float(values[np.isfinite(values)].max(initial=0.0))
    before = math.floor(math.log10(largest)) + 1 if largest > 0 else DIGITS
    return min(max(DIGITS - before, 0), MOST_DECIMALS)


def _written(value: float, decimals: int) -> str:
    """A number with at most so many decimals."""
    text = f"{round(float(value), decimals) + 0.0:.{decimals}f}"  # adding 0: no minus zero
    return text.rstrip("0").rstrip(".") if "." in text else text


def _row(first: str, cells: Sequence[str]) -> str:
    return f"| {' | '.join([first, *cells])} |"


def _progress(diagnosis: Diagnosis | None) -> Iterator[_Column]:
    """The rules' measure of progress, unless it is a column that is shown anyway."""
    measure = diagnosis and diagnosis.measure
    if measure and measure.column is None:
        phrase = prompt_line(measure.phrase)
        meaning = f"{phrase}, which the rules take for progress; higher is better"
        yield _Column("progress", measure.progress[1:], meaning)


def _signals(
    known: Trajectories, reads: Collection[str], diagnosis: Diagnosis | None
) -> list[_Column]:
    """Signals after the step, in their own order, as many as there is room for."""
    measured = diagnosis and diagnosis.measure and diagnosis.measure.column
    name = measured.signal.name if measured else ""

    def rank(signal: Signal) -> tuple[bool, bool, int]:
        return signal.name != name, signal.name not in reads, _KINDS.index(signal.kind)

    room, kept = MOST_COLUMNS, set[str]()
    for signal in sorted(known.signals, key=rank):
        width = 1 if _is_wide(signal) else signal.size or 1
        if width <= room:
            kept.add(signal.name)
            room -= width
    return [c for s in known.signals if s.name in kept for c in _of_signal(known, s)]


def _is_wide(signal: Signal) -> bool:
    """Whether only the size of a signal is shown; that of a quaternion would always be the same."""
    return (signal.size or 1) > (4 if signal.kind == "orientation" else WIDEST)


def _of_signal(known: Trajectories, signal: Signal) -> list[_Column]:
    """The columns of a signal, or how large a wide one is."""
    mine = [column for column in known.columns if column.signal is signal]
    values = known.states[1:, :, [column.index for column in mine]]
    if _is_wide(signal):
        what = f"root mean square of the {len(mine)} columns of `{signal.name}`"
        return [_Column(f"rms({signal.name})", _rms(values), what)]
    return [_Column(column.name, values[:, :, i]) for i, column in enumerate(mine)]


def _actions(known: Trajectories) -> Iterator[_Column]:
    """The actions, or the size of many, and how much they change from step to step."""
    actions = known.actions
    if actions.shape[2] <= WIDEST:
        for i in range(actions.shape[2]):
            yield _Column(f"action[:, {i}]", actions[:, :, i])
    else:
        yield _Column("rms(action)", _rms(actions), "root mean square of the action's columns")
    change = np.diff(actions, axis=0, prepend=np.zeros_like(actions[:1]))
    meaning = "root mean square of what the action's columns changed by since the step before"
    yield _Column("action change", _rms(change), meaning)


def _rms(values: FloatArray) -> FloatArray:
    return np.sqrt(np.square(values).mean(axis=2))


def _rewards(known: Trajectories, own: BoolArray) -> Iterator[_Column]:
    """The payments of the largest components, one by one, and of all together."""
    rewards = known.evaluated.component_rewards
    if not rewards:
        return
    mine = known.alive & own
    sizes = {name: float(np.abs(paid[mine]).mean()) for name, paid in rewards.items()}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:MOST_COMPONENTS]
    for name, paid in rewards.items():
        if name in largest:
            shown = prompt_line(name)
            meaning = f"what the component {shown} pays for the step, times its weight"
            yield _Column(f"pays {shown}", paid, meaning)
    total = np.sum(list(rewards.values()), axis=0)
    yield _Column("pays in all", total, "the reward of the step, all components together")


def draw_excerpts(
    run: Run,
    environment: Environment,
    seed: int,
    excerpts: Mapping[int, Excerpt],
    records: Mapping[int, Sequence[Record]],
) -> dict[int, bytes]:
    """Draw excerpts; without pictures the search continues, and an event says why.

    Args:
        run: its candidates' folders keep the pictures.
        environment: the task.
        seed: of the search.
        excerpts: by candidate.
        records: by candidate, in the order of the episodes that the excerpt is of.

    Returns:
        PNG files by candidate.
    """
    from eureka_agent.video.contact_sheet import SheetJob, draw_in_subprocess  # seldom needed

    paths = {number: run.candidate_folder(number) / SHEET for number in excerpts}
    sheets = [(paths[n].resolve(), _strips(excerpts[n], records[n])) for n in excerpts]
    try:
        draw_in_subprocess(SheetJob(environment.source, pools.RANKING, seed, sheets))
    except EurekaError as error:
        run.event("frames", f"no frames of episodes: {error}")
    return {number: path.read_bytes() for number, path in paths.items() if path.is_file()}


def _strips(shown: Excerpt, records: Sequence[Record]) -> list["Strip"]:
    """The rows of a sheet: the episodes that the excerpt shows, at some of its steps."""
    from eureka_agent.video.contact_sheet import Strip, choose_frames

    places = [(record, e) for record in records for e in range(record.evaluated.count)]
    strips = []
    for number, one in enumerate(shown.shown, 1):
        record, episode = places[one.episode]
        frames = choose_frames(one.steps, bool(record.evaluated.terminated[episode]))
        title = f"Episode {number}: {one.label}"
        strips.append(Strip(title, record.episodes, episode, frames))
    return strips


def picture_winner(run: Run, environment: Environment, seed: int) -> None:
    """Draw an episode of the winner's policy, once; without a picture an event says why."""
    from eureka_agent.video.contact_sheet import (
        SheetJob,
        Strip,
        choose_frames,
        draw_in_subprocess,
    )

    number = run.row().best_candidate
    if number is None:
        return
    folder = run.candidate_folder(number)
    path, recorded = (folder / PICTURE).resolve(), folder / EPISODES_FILE
    if path.is_file() or not recorded.is_file():
        return
    try:
        with open_arrays(recorded) as arrays:
            episodes = Episodes.from_arrays(dict(arrays))
        ended = bool(episodes.terminated[0])
        frames = choose_frames(range(int(episodes.lengths[0])), ended)
        strip = Strip(f"The policy of candidate {number}", episodes, 0, frames)
        draw_in_subprocess(SheetJob(environment.source, pools.RANKING, seed, [(path, [strip])]))
    except (EurekaError, *BROKEN) as error:
        run.event("picture", f"no picture of the winner's policy: {error}", number)
