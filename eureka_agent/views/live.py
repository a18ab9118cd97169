"""Watching a search from a thread of its own: live in a terminal, in plain lines everywhere else.

A view only reads the store, through its own connection, and what goes wrong in it never reaches
the search.
"""

import os
import termios
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from math import inf
from pathlib import Path
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from eureka_agent.common.text import (
    count,
    duration,
    last_line,
    money,
    number,
    percent,
    plural,
    sparkline,
    terminal_line,
    tokens,
    value_range,
)
from eureka_agent.store import EvaluationRow, EventRow, GenerationRow, RunReader, TrainingRow
from eureka_agent.views.snapshot import (
    BASELINES,
    Lane,
    RunSnapshot,
    live_snapshot,
    published_human,
)
from eureka_agent.views.terminal.parts import RUN_STYLES, STATES

INTERVAL = 0.25
"""Seconds between two looks at a run, if a look costs next to nothing."""
SHARE = 0.008
"""Fraction of a processor's time that looks may take: after a costly one the next comes later."""
PATIENCE = 5.0
"""Seconds that the end of a search waits for a view that hangs."""
TICK = 1.0
"""Seconds after which the view is drawn again for its clock alone."""
FORECAST_AFTER = 5.0
"""Seconds before which a forecast would be a guess."""
BETWEEN = "  ·  "
BAR, CURVE, NUMBER = 8, 10, 7
"""Columns of a progress bar, a curve and a number."""
MOST_GENERATIONS = 8
ROOM_FOR_WORDS, ROOM_FOR_CURVE = 72, 52
"""Columns below which the words and then the curve give way."""
FIXED_LINES = 8
"""Header, blank, lane heading, blank, blank; and the line on which the cursor rests."""
REACHES = "▲"
"""Marks a fitness that is as high as the human reward's."""
EVENT_WORDS = {
    "rejected": ("rejected", "yellow"),
    "failed": ("failed", "red"),
    "finished": ("trained", "green"),
}
"""Kinds of event whose text is only the reason or the result."""
KEYBOARD = 0
"""The file descriptor of standard input."""
LOCAL_MODES = 3
"""Where `termios` keeps the modes that include echo."""


def progress_view(path: Path, console: Console, *, plain: bool = False) -> "View":
    """The view that suits the console: live if it can be, plain lines if asked for or needed."""
    live = console.is_terminal and not console.is_dumb_terminal and not plain
    return LiveView(path, console) if live else PlainView(path, console)


class Pace:
    """How fast a count grows, from its values at earlier looks."""

    def __init__(self, window: float = 15.0) -> None:
        self._window = window
        self._looks: deque[tuple[float, int]] = deque()
        self._first: tuple[float, int] | None = None

    def look(self, now: float, value: int) -> None:
        """Note the count at a time in seconds."""
        self._first = self._first or (now, value)
        self._looks.append((now, value))
        while now - self._looks[0][0] > self._window:
            self._looks.popleft()

    def recent(self) -> float:
        """Per second over the last window; 0 before there are two looks."""
        return self._between(self._looks[0]) if self._looks else 0.0

    def overall(self) -> float:
        """Per second since the first look."""
        return self._between(self._first) if self._first else 0.0

    def _between(self, start: tuple[float, int]) -> float:
        (then, before), (now, after) = start, self._looks[-1]
        # A training run that begins again takes its steps back.
        return max(after - before, 0) / (now - then) if now > then else 0.0


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

    def __exit__(self, *error: object) -> None:
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
            reason = terminal_line(f"{type(error).__name__}: {error}")
            self._console.print(Text(f"Progress cannot be shown ({reason}); the search continues."))

    def _totals(self, run: RunSnapshot) -> list[str]:
        """What the run has taken so far, and about how long it will continue."""
        now = time.monotonic()
        self._pace.look(now, run.steps_taken)
        elapsed, pace = now - self._begun, self._pace.overall()
        spent = duration(self._spent_before + elapsed)
        parts = [f"{count(run.steps_taken)} env steps", f"{count(self._pace.recent())}/s", spent]
        if run.steps_remaining > 0 and pace > 0 and elapsed > FORECAST_AFTER:
            parts.append(f"about {duration(run.steps_remaining / pace)} left")
        return parts + model_use(run)


class LiveView(View):
    """The run on one screen, redrawn in place as it changes."""

    def __init__(self, path: Path, console: Console) -> None:
        super().__init__(path, console)
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
        self._keys = ExitStack()
        self._seen: RunSnapshot | None = None
        self._human: Lane | None = None
        self._size = console.size
        self._drawn = 0.0

    def __enter__(self) -> Self:
        super().__enter__()
        self._keys.enter_context(no_echo())
        return self

    def __exit__(self, *error: object) -> None:
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
        if changed or self._seen is None:
            self._seen = live_snapshot(run, self._human)
        now = time.monotonic()
        footer = self._totals(self._seen)
        if changed or resized or ending or now - self._drawn >= TICK:
            self._drawn = now
            width, height = self._size
            self._live.update(frame(self._seen, footer, width, height), refresh=True)


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
        self._print(Text(terminal_line(f"{run.name}: {row.goal}")))
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
            evaluations = run.evaluations(since=self._evaluation)
            events = run.events(since=self._event)
            trainings = {row.id: row for row in run.trainings()} if evaluations else {}
            summary = BETWEEN.join(self._totals(RunSnapshot(run)))
        if evaluations:
            self._evaluation = evaluations[-1].id
            self._rounds(evaluations, trainings, summary)
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
            self._print(_now(terminal_line(row.phase)))
        if ending:
            self._print(_now(summary))

    def _rounds(
        self, evaluations: list[EvaluationRow], trainings: dict[int, TrainingRow], summary: str
    ) -> None:
        """Print one line for all evaluations at the same step."""
        rounds: defaultdict[int, list[str]] = defaultdict(list)
        for row in evaluations:
            training = trainings[row.training_id]
            name = f"#{training.candidate_id}"
            if training.role != "candidate":
                name = f"{BASELINES[training.role]} (seed {training.seed})"
            fitness = f" {number(row.fitness)}" if self._measured else ""
            if self._measured and row.progress is not None:
                fitness += f" (progress {number(row.progress)})"
            rounds[row.step].append(f"{name}{fitness}")
        for step, results in rounds.items():
            text = f"{', '.join(results)} at {count(step)} steps"
            if self._measured:
                text = f"ranking fitness after {count(step)} steps: {', '.join(results)}"
            self._print(_now(f"{text}  ({summary})"))

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)


def _now(text: str) -> Text:
    return Text.assemble((time.strftime("%H:%M:%S  "), "dim"), text)


def frame(run: RunSnapshot, footer: Sequence[str], width: int, height: int) -> RenderableType:
    """The view of a run in `width` columns and, where they are 16 or more, `height` lines.

    Args:
        run: what to show.
        footer: short facts for the end, on as many lines as they need.
        width: columns of the terminal.
        height: its lines.
    """
    ending = _wrapped(footer, width)
    beside = [lane for lane in (run.leader, *run.beside) if lane is not None]
    lanes, generations, events = _share_out(run, height - len(beside) - len(ending))
    phase = Text.assemble(("▸ ", "cyan"), terminal_line(run.row.phase) or "starting")
    name, status = terminal_line(run.name), (run.status, RUN_STYLES[run.status])
    parts: list[RenderableType] = [
        _line(Text.assemble((name, "bold"), "  ", status)),
        _line(terminal_line(run.row.goal), "dim"),
        _line(phase),
        Text(),
    ]
    if run.lanes or beside:
        # Of many those that train and then the best, in their order.
        first = sorted(run.lanes, key=lambda lane: (lane.state != "training", -(lane.best or -inf)))
        shown = [lane for lane in run.lanes if lane in first[:lanes]]
        history = run.generations[-generations:]
        parts += [_lane_table(run, shown, beside, width), Text()]
        parts += [_line(generation_line(row)) for row in history]
    if run.events:
        parts += [Text(), *(_line(event_line(event)) for event in run.events[-events:])]
    return Group(*parts, *(_line(line, "dim") for line in ending))


def _wrapped(parts: Sequence[str], width: int) -> list[str]:
    """The parts on as few lines as hold them."""
    lines = list(parts[:1])
    for part in parts[1:]:
        longer = f"{lines[-1]}{BETWEEN}{part}"
        lines[-1:] = [longer] if len(longer) <= width else [lines[-1], part]
    return lines


def _share_out(run: RunSnapshot, height: int) -> tuple[int, int, int]:
    """How many lines go to candidates, generations and events."""
    room = max(4, height - FIXED_LINES)
    lanes = len(run.lanes)
    if lanes > room - 4:
        # One line less, for the one that says how many are hidden.
        lanes = max(1, room - 5)
        room -= 1
    room -= lanes
    generations = min(len(run.generations), max(1, room // 2), MOST_GENERATIONS)
    return lanes, generations, max(1, room - generations)


def _line(text: str | Text, style: str = "") -> Text:
    line = text if isinstance(text, Text) else Text(text, style)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _lane_table(
    run: RunSnapshot, shown: Sequence[Lane], beside: Sequence[Lane], width: int
) -> Table:
    """The table of candidates and baselines.

    Args:
        run: the run.
        shown: the lanes of `run` that there is room for.
        beside: lanes below them: the leader and the baselines.
        width: columns of the terminal.
    """
    scaled = [*run.lanes, *beside]
    words, human = width >= ROOM_FOR_WORDS, run.human_fitness
    nearness = run.measured and words and any(lane.nearness is not None for lane in scaled)
    curves = run.measured and width >= ROOM_FOR_CURVE
    low, high = value_range([lane.curve for lane in scaled])

    def marked(value: float | None, lane: Lane) -> str:
        """A fitness with the mark of one that reaches the human reward's."""
        level = inf if human is None or lane.label == BASELINES["human"] else human
        reaches = value is not None and value >= level
        return number(value).rjust(NUMBER) + (REACHES if reaches else "")

    def cells(lane: Lane) -> list[RenderableType]:
        symbol, word, style = STATES[lane.state]
        found: list[RenderableType] = [
            Text(lane.label, "bold" if lane.state == "training" else ""),
            Text(f"{symbol} {word}", style),
            _bar(lane.progress, style),
            Text(percent(lane.progress), justify="right"),
        ]
        if run.measured:
            found += [marked(lane.latest, lane), marked(lane.best, lane)]
        if nearness:
            found.append(number(lane.nearness).rjust(NUMBER))
        if curves:
            # A single value is drawn as a line at its height, to compare the others with.
            values = lane.curve[-CURVE:] * (CURVE if lane.state == "published" else 1)
            found.append(Text(sparkline(values, low, high).ljust(CURVE), style))
        return [*found, _line(lane.words if words else "", "dim")]

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim", expand=True)
    # Least widths keep columns where they are while their content changes. Numbers are justified
    # by hand, as the mark stands behind them.
    columns = {"": 6, "state": 11, "trained": BAR, " ": 5}
    if run.measured:
        columns |= {"fitness".rjust(NUMBER): NUMBER + 1, "best".rjust(NUMBER): NUMBER + 1}
    if nearness:
        columns["progress".rjust(NUMBER)] = NUMBER
    if curves:
        columns["curve"] = 0
    for heading, least in columns.items():
        table.add_column(heading.rstrip(), min_width=least or None, no_wrap=True)
    episodes = int(run.row.config.get("ranking_episodes") or 0)
    legend = [f"mean of {plural(episodes, 'ranking episode')}"] if episodes else []
    legend += [f"{REACHES} human reached"] if human is not None else []
    # The last column takes the remaining width, empty or not.
    table.add_column(", ".join(legend) if words and run.measured else "", no_wrap=True, ratio=1)
    for lane in shown:
        table.add_row(*cells(lane))
    if hidden := len(run.lanes) - len(shown):
        table.add_row("", Text(f"+{hidden} more", "dim"))
    for lane in beside:
        table.add_row(*cells(lane))
    return table


def _bar(progress: float | None, style: str) -> RenderableType:
    if progress is None:
        return Text(" " * BAR)
    return ProgressBar(1.0, progress, BAR, complete_style=style, finished_style=style)


def generation_line(row: GenerationRow) -> Text:
    """A generation on one line, aligned with its neighbours."""
    by = "" if row.best_candidate is None else f"#{row.best_candidate}"
    counts = [f"{row.finished}/{row.candidates} trained"]
    counts += [f"{row.rejected} rejected"] if row.rejected else []
    counts += [f"{row.failed} failed"] if row.failed else []
    line = Text(f"generation {row.generation:<3} ")
    if row.best is not None:
        line.append(
            f"ranking fitness  best {number(row.best):>6} {by:<5} mean {number(row.mean):>6}   "
        )
    return line.append(", ".join(counts), "dim")


def event_line(event: EventRow) -> Text:
    """An event on one line, in words."""
    line = Text(time.strftime("%H:%M:%S  ", time.localtime(event.time)), "dim")
    if event.candidate_id is not None:
        line.append(f"#{event.candidate_id} ", "bold")
    word, style = EVENT_WORDS.get(event.kind, ("", ""))
    said = last_line(event.text) if event.kind == "failed" else terminal_line(event.text)
    if word and event.candidate_id is not None and not said.startswith(word):
        line.append(word, style).append(": ")
    return line.append(said, "default")


def model_use(run: RunSnapshot) -> list[str]:
    """Tokens and cost of the language model; empty if it was not used."""
    if not run.usage:
        return []
    return [f"{tokens(run.prompt_tokens, run.completion_tokens)} tokens", money(run.cost)]


@contextmanager
def no_echo() -> Iterator[None]:
    """Keep the keys typed meanwhile out of the view; Ctrl-C interrupts as usual.

    Does nothing if standard input is not a terminal, or is one that another process has now.
    """
    if not _ours():
        yield
        return
    before = termios.tcgetattr(KEYBOARD)
    quiet = [*before]
    quiet[LOCAL_MODES] &= ~termios.ECHO
    termios.tcsetattr(KEYBOARD, termios.TCSANOW, quiet)
    try:
        yield
    finally:
        if _ours():
            termios.tcsetattr(KEYBOARD, termios.TCSANOW, before)


def _ours() -> bool:
    """Whether the terminal listens to this process: one in the background would be stopped."""
    try:
        return os.tcgetpgrp(KEYBOARD) == os.getpgrp()
    except OSError:
        return False
