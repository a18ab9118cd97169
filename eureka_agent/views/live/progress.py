"""Watching a search from a thread of its own: live in a terminal, in plain lines everywhere else.

A view only reads the store, through its own connection, and what goes wrong in it never reaches
the search.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from eureka_agent.common.text import count, number, one_line
from eureka_agent.store import EvaluationRow, RunReader, UsageRow
from eureka_agent.views.live.frame import BETWEEN, event_line, frame, generation_line, totals
from eureka_agent.views.live.keyboard import no_echo
from eureka_agent.views.snapshot import (
    BASELINES,
    Facts,
    Lane,
    Pace,
    published_human,
    read_facts,
    remaining_steps,
)

INTERVAL = 0.25
"""Seconds between two looks, where a look costs next to nothing."""
SHARE = 0.008
"""The most that looks take of a processor's time: the more one costs, the later comes the next."""
# How long the end of a search waits for a view that hangs, in seconds.
PATIENCE = 5.0
# The clock moves once in so many seconds where nothing else does.
TICK = 1.0
# A forecast from fewer seconds than this would be a guess.
FORECAST_AFTER = 5.0


def progress_view(path: Path, console: Console, *, plain: bool = False) -> "View":
    """The view that suits the console: live where it can be, plain lines where asked or needed."""
    live = console.is_terminal and not console.is_dumb_terminal and not plain
    return LiveView(path, console) if live else PlainView(path, console)


class View:
    """A context manager that shows what happens in a run while its block runs.

    Args:
        path: the run folder.
        console: where to draw.
    """

    def __init__(self, path: Path, console: Console) -> None:
        self._path = path
        self._console = console
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="progress view", daemon=True)
        self._complained = False
        self._pace = Pace()
        self._begun = time.monotonic()
        self._spent_before = 0.0

    def __enter__(self) -> Self:
        try:
            # Here and not in the thread: what the block does first must not count as old news.
            with RunReader.open(self._path) as run:
                self._begin(run)
        except Exception as error:
            self._complain(error)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Show the final state and stop."""
        self._stop.set()
        self._thread.join(PATIENCE)

    def _watch(self) -> None:
        try:
            with RunReader.open(self._path) as run:
                self._show(run)
        except Exception as error:
            self._complain(error)

    def _show(self, run: RunReader) -> None:
        """Update until the end, and once after it."""
        ending, cost = False, 0.0
        while not ending:
            ending = self._stop.wait(max(INTERVAL, cost / SHARE))
            begun = time.thread_time()
            try:
                self._update(run, ending)
            except Exception as error:
                self._complain(error)
            cost = time.thread_time() - begun

    def _begin(self, run: RunReader) -> None:
        self._spent_before = run.row().wall_seconds

    def _update(self, run: RunReader, ending: bool) -> None:
        raise NotImplementedError

    def _published(self, run: RunReader) -> Lane | None:
        """The published human reward; a view can do without."""
        try:
            return published_human(run)
        except OSError as error:
            self._complain(error)
            return None

    def _complain(self, error: Exception) -> None:
        """Note the first problem; a view that repeats itself would bury the search."""
        if not self._complained:
            self._complained = True
            reason = one_line(f"{type(error).__name__}: {error}")
            self._console.print(Text(f"Progress cannot be shown ({reason}); the search goes on."))

    def _totals(self, env_steps: int, remaining: int, usage: Sequence[UsageRow]) -> list[str]:
        now = time.monotonic()
        self._pace.look(now, env_steps)
        elapsed = now - self._begun
        pace = self._pace.overall()
        known = remaining > 0 and pace > 0 and elapsed > FORECAST_AFTER
        left = remaining / pace if known else None
        return totals(env_steps, self._pace.recent(), self._spent_before + elapsed, left, usage)


class LiveView(View):
    """The run on one screen, redrawn in place as it changes."""

    def __init__(self, path: Path, console: Console) -> None:
        super().__init__(path, console)
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
        self._keys = ExitStack()
        self._facts: Facts | None = None
        self._human: Lane | None = None
        self._size = console.size
        self._drawn = 0.0

    def __enter__(self) -> Self:
        super().__enter__()
        self._keys.enter_context(no_echo())
        return self

    def __exit__(self, *error: Any) -> None:
        with self._keys:
            super().__exit__(*error)

    def _show(self, run: RunReader) -> None:
        self._human = self._published(run)
        with self._live:
            super()._show(run)

    def _update(self, run: RunReader, ending: bool) -> None:
        resized = self._console.size != self._size
        if resized:
            # The terminal has reflowed the old frame; what is left of it cannot be painted over.
            self._size = self._console.size
            self._console.clear()
        changed = run.changed()
        if changed or self._facts is None:
            self._facts = read_facts(run, self._human)
        facts, now = self._facts, time.monotonic()
        footer = self._totals(facts.taken, facts.remaining, facts.usage)
        if changed or resized or ending or now - self._drawn >= TICK:
            self._drawn = now
            width, height = self._size
            self._live.update(frame(facts, footer, width, height), refresh=True)


class PlainView(View):
    """The same facts as lines, each once: for logs, pipes and screen readers."""

    def __init__(self, path: Path, console: Console) -> None:
        super().__init__(path, console)
        self._event = 0
        self._evaluation = 0
        self._generation = 0
        self._phase = ""
        self._measured = True

    def _begin(self, run: RunReader) -> None:
        super()._begin(run)
        row, self._measured = run.row(), run.measured
        self._print(Text(one_line(f"{run.name}: {row.goal}")))
        self._event = max((event.id for event in run.events(last=1)), default=0)
        self._evaluation = max((evaluation.id for evaluation in run.evaluations()), default=0)
        self._generation = max((line.generation for line in run.generations()), default=0)
        human = self._published(run)
        if human:
            self._print(Text(f"human reward: {number(human.best)}, {human.words}"))

    def _update(self, run: RunReader, ending: bool) -> None:
        if not (run.changed() or ending):
            return
        with run.transaction():
            row, generations = run.row(), run.generations()
            evaluations, events = (
                run.evaluations(since=self._evaluation),
                run.events(since=self._event),
            )
            names = _names(run) if evaluations else {}
            summary = BETWEEN.join(
                self._totals(run.steps_taken(), remaining_steps(run), run.usage())
            )
        if evaluations:
            self._evaluation = evaluations[-1].id
            self._rounds(evaluations, names, summary)
        for event in events:
            self._event = event.id
            self._print(event_line(event))
        for line in generations:
            over = ending or line.generation < generations[-1].generation
            if over and line.generation >= self._generation:
                self._generation = line.generation + 1
                self._print(_now("").append(generation_line(line)))
        if row.phase and row.phase != self._phase:
            self._phase = row.phase
            self._print(_now(one_line(row.phase)))
        if ending:
            self._print(_now(summary))

    def _rounds(
        self, evaluations: list[EvaluationRow], names: dict[int, str], summary: str
    ) -> None:
        """One line for all that were evaluated at the same step."""
        rounds: defaultdict[int, list[str]] = defaultdict(list)
        for row in evaluations:
            fitness = f" {number(row.fitness)}" if self._measured else ""
            if self._measured and row.progress is not None:
                fitness += f" (progress {number(row.progress)})"
            rounds[row.step].append(f"{names[row.training_id]}{fitness}")
        for step, results in rounds.items():
            measured = f"ranking fitness after {count(step)} steps: {', '.join(results)}"
            text = measured if self._measured else f"{', '.join(results)} at {count(step)} steps"
            self._print(_now(f"{text}  ({summary})"))

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)


def _now(text: str) -> Text:
    return Text.assemble((time.strftime("%H:%M:%S  "), "dim"), text)


def _names(run: RunReader) -> dict[int, str]:
    """How people call each training: `#7`, or the baseline and its seed."""
    return {
        training.id: f"#{training.candidate_id}"
        if training.role == "candidate"
        else f"{BASELINES[training.role]} (seed {training.seed})"
        for training in run.trainings()
    }
