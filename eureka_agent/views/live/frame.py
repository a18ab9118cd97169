"""One frame of the live view, made to fit a terminal of any size."""

from collections.abc import Sequence
from time import localtime, strftime

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from eureka_agent.common.text import (
    count,
    duration,
    last_line,
    limits,
    money,
    number,
    one_line,
    percent,
    sparkline,
    things,
    tokens,
)
from eureka_agent.store import EventRow, GenerationRow, UsageRow
from eureka_agent.views.snapshot import BASELINES, Facts, Lane
from eureka_agent.views.terminal.parts import RUN_STYLES, STATES

BAR = 8
CURVE = 10
NUMBER = 7
MOST_GENERATIONS = 8
# Below these widths, in columns, the words and then the curve give way.
ROOM_FOR_WORDS = 72
ROOM_FOR_CURVE = 52
# Header, blank, lane heading, blank, blank; and the line on which the cursor rests.
FIXED_LINES = 8
REACHES = "▲"
"""Marks a fitness that is as high as the human reward's."""
EVENT_WORDS = {
    "rejected": ("rejected", "yellow"),
    "failed": ("failed", "red"),
    "finished": ("trained", "green"),
}
"""Kinds of event whose text is only the reason or the result."""
BETWEEN = "  ·  "


def frame(facts: Facts, footer: Sequence[str], width: int, height: int) -> RenderableType:
    """The view of a run in `width` columns and, where they are 16 or more, `height` lines.

    Args:
        facts: what to show.
        footer: short facts for the end; they go on as many lines as they need.
        width: columns of the terminal.
        height: its lines.
    """
    ending = _wrapped(footer, width)
    beside = [lane for lane in (facts.leader, *facts.baselines) if lane is not None]
    lanes, generations, events = _share_out(facts, height - len(beside) - len(ending))
    parts: list[RenderableType] = [*_header(facts), Text()]
    if facts.lanes or beside:
        shown = sorted(facts.lanes, key=_uninteresting)[:lanes]
        episodes = int(facts.run.config.get("ranking_episodes") or 0)
        beside_them = [*facts.lanes, *beside]
        table = _Lanes(width, beside_them, facts.human, episodes if facts.measured else None)
        table.add([lane for lane in facts.lanes if lane in shown])
        table.note_hidden(len(facts.lanes) - len(shown))
        table.add(beside)
        history = facts.generations[-generations:]
        parts += [table.table, Text(), *(_line(generation_line(row)) for row in history)]
    if facts.events:
        parts += [Text(), *(_line(event_line(event)) for event in facts.events[-events:])]
    return Group(*parts, *(_line(line, "dim") for line in ending))


def _wrapped(parts: Sequence[str], width: int) -> list[str]:
    """The parts on as few lines as hold them."""
    lines = list(parts[:1])
    for part in parts[1:]:
        longer = f"{lines[-1]}{BETWEEN}{part}"
        lines[-1:] = [longer] if len(longer) <= width else [lines[-1], part]
    return lines


def _share_out(facts: Facts, height: int) -> tuple[int, int, int]:
    """How many lines go to candidates, generations and events."""
    room = max(4, height - FIXED_LINES)
    lanes = len(facts.lanes)
    if lanes > room - 4:
        # One line less, for the one that says how many are hidden.
        lanes = max(1, room - 5)
        room -= 1
    room -= lanes
    generations = min(len(facts.generations), max(1, room // 2), MOST_GENERATIONS)
    return lanes, generations, max(1, room - generations)


def _uninteresting(lane: Lane) -> tuple[bool, float]:
    return lane.state != "training", -(lane.best or float("-inf"))


def _line(text: str | Text, style: str = "") -> Text:
    line = text if isinstance(text, Text) else Text(text, style)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _header(facts: Facts) -> list[Text]:
    title = Text.assemble(
        (one_line(facts.name), "bold"), "  ", (facts.status, RUN_STYLES[facts.status])
    )
    phase = Text.assemble(("▸ ", "cyan"), one_line(facts.run.phase) or "starting")
    return [_line(title), _line(one_line(facts.run.goal), "dim"), _line(phase)]


class _Lanes:
    """The table of candidates and baselines.

    Args:
        width: columns of the terminal.
        scaled: the lanes whose curves share a scale.
        human: the fitness from which on a lane is marked.
        episodes: how many each fitness is a mean of, 0 where that is not known; None where there is
            no fitness to show.
    """

    def __init__(
        self, width: int, scaled: Sequence[Lane], human: float | None, episodes: int | None
    ) -> None:
        self._human, self._measured = human, episodes is not None
        self._nearness = (
            self._measured
            and width >= ROOM_FOR_WORDS
            and any(lane.nearness is not None for lane in scaled)
        )
        self._curves = self._measured and width >= ROOM_FOR_CURVE
        self._words = width >= ROOM_FOR_WORDS
        self._limits = limits([lane.curve for lane in scaled])
        self.table = Table(
            box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim", expand=True
        )
        # The widths keep columns where they are while what stands in them changes.
        for heading, least in (("", 6), ("state", 11), ("trained", BAR), ("", 5)):
            self.table.add_column(heading, min_width=least, no_wrap=True)
        for heading in ("fitness", "best") if self._measured else ():
            # Justified by hand: the mark stands behind the number.
            self.table.add_column(heading.rjust(NUMBER), min_width=NUMBER + 1, no_wrap=True)
        if self._nearness:
            self.table.add_column("progress".rjust(NUMBER), min_width=NUMBER, no_wrap=True)
        if self._curves:
            self.table.add_column("curve", no_wrap=True)
        # Takes what is left, empty or not.
        legend = [f"mean of {things(episodes, 'ranking episode')}"] if episodes else []
        legend += [f"{REACHES} human reached"] if human is not None and self._measured else []
        heading = ", ".join(legend) if self._words else ""
        self.table.add_column(heading, no_wrap=True, ratio=1)

    def add(self, lanes: Sequence[Lane]) -> None:
        for lane in lanes:
            symbol, word, style = STATES[lane.state]
            cells: list[RenderableType] = [
                Text(lane.label, "bold" if lane.state == "training" else ""),
                Text(f"{symbol} {word}", style),
                _bar(lane),
                Text(percent(lane.progress), justify="right"),
            ]
            if self._measured:
                cells += [self._marked(lane.latest, lane), self._marked(lane.best, lane)]
            if self._nearness:
                cells.append(number(lane.nearness).rjust(NUMBER))
            if self._curves:
                # What has one value lies at one height: a line to hold the others against.
                values = lane.curve[-CURVE:] * (CURVE if lane.state == "published" else 1)
                curve = sparkline(values, *self._limits)
                cells.append(Text(curve.ljust(CURVE), style))
            self.table.add_row(*cells, _line(lane.words if self._words else "", "dim"))

    def _marked(self, value: float | None, lane: Lane) -> str:
        """A fitness with the mark of one that reaches the human reward's."""
        bar = None if lane.label == BASELINES["human"] else self._human
        reaches = value is not None and bar is not None and value >= bar
        return number(value).rjust(NUMBER) + (REACHES if reaches else "")

    def note_hidden(self, lanes: int) -> None:
        if lanes:
            self.table.add_row("", Text(f"+{lanes} more", "dim"))


def _bar(lane: Lane) -> RenderableType:
    if lane.progress is None:
        return Text(" " * BAR)
    style = STATES[lane.state][2]
    return ProgressBar(
        total=1.0,
        completed=lane.progress,
        width=BAR,
        complete_style=style,
        finished_style=style,
    )


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
    line = Text(strftime("%H:%M:%S  ", localtime(event.time)), "dim")
    if event.candidate_id is not None:
        line.append(f"#{event.candidate_id} ", "bold")
    word, style = EVENT_WORDS.get(event.kind, ("", ""))
    said = last_line(event.text) if event.kind == "failed" else one_line(event.text)
    if word and event.candidate_id is not None and not said.startswith(word):
        line.append(word, style).append(": ")
    return line.append(said, "default")


def totals(
    env_steps: int, pace: float, elapsed: float, left: float | None, usage: Sequence[UsageRow] = ()
) -> list[str]:
    """What the run has taken so far, and about how long it will go on."""
    parts = [f"{count(env_steps)} env steps", f"{count(pace)}/s", duration(elapsed)]
    if left is not None:
        parts.append(f"about {duration(left)} left")
    if usage:
        asked = sum(role.prompt_tokens for role in usage)
        answered = sum(role.completion_tokens for role in usage)
        known = [role.cost for role in usage if role.cost is not None]
        cost = sum(known) if len(known) == len(usage) else None
        parts += [f"{tokens(asked, answered)} tokens", money(cost)]
    return parts
