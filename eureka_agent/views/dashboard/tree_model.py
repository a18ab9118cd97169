"""The tree of runs, generations and candidates: grouped, sorted and searched."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from rich.text import Span, Text

from eureka_agent.common.text import idea, last_line, number, one_line, percent
from eureka_agent.store import CandidateRow, GenerationRow
from eureka_agent.views.dashboard.source import Overview, Source
from eureka_agent.views.documents import Places
from eureka_agent.views.terminal.parts import RUN_STYLES, STATES

Grouping = Literal["generation", "lineage", "nothing"]
Sorting = Literal["number", "fitness", "state", "newest"]
GROUPINGS: tuple[Grouping, ...] = ("generation", "lineage", "nothing")
SORTINGS: tuple[Sorting, ...] = ("number", "fitness", "state", "newest")
ORDER_OF_STATES = ("training", "accepted", "proposed", "finished", "rejected", "failed")
# Up to so many candidates all generations are open at first, else the newest one.
OPEN_AT_FIRST = 40


@dataclass(frozen=True)
class Place:
    """What a line of the tree is about: a run, one of its generations, or a candidate.

    Attributes:
        run: index of the run among those watched.
        generation: its number; None for the run itself and for candidates.
        candidate: its number; None for all else.
    """

    run: int
    generation: int | None = None
    candidate: int | None = None


@dataclass
class Branch:
    """A line of the tree with those under it; `opened` is how it begins."""

    place: Place
    label: Text
    children: list["Branch"] = field(default_factory=list)
    opened: bool = True


@dataclass(frozen=True)
class Arrangement:
    """How candidates are grouped and sorted, and which are shown.

    Attributes:
        grouping: what candidates hang under.
        sorting: their order.
        words: only those that hold all of these words somewhere, or whose number it is (`#12`).
    """

    grouping: Grouping = "generation"
    sorting: Sorting = "number"
    words: str = ""

    def arrange(self, index: int, source: Source) -> tuple[Branch, int]:
        """The tree of one run, and how many candidates it shows."""
        overview = source.overview
        if overview is None:
            label = Text.assemble((one_line(source.name), "bold"), "  ", ("unreadable", "red"))
            return Branch(Place(index), label), 0
        shown = self._sorted(self._matching(overview.candidates), overview.ranks)
        group = {"generation": self._by_generation, "lineage": self._by_lineage}.get(
            self.grouping, _flat
        )
        children = group(index, overview, shown)
        return Branch(Place(index), _run_label(source, overview), children), len(shown)

    def _matching(self, candidates: Iterable[CandidateRow]) -> list[CandidateRow]:
        words = self.words.casefold().split()
        return [row for row in candidates if all(_holds(row, word) for word in words)]

    def _sorted(self, candidates: list[CandidateRow], ranks: Places) -> list[CandidateRow]:
        def place(row: CandidateRow) -> tuple[int, int]:
            """The best first, then those without a result."""
            rank, _ = ranks.get(row.id, (len(ranks) + 1, None))
            return rank, row.id

        keys: dict[Sorting, Callable[[CandidateRow], tuple[float, ...]]] = {
            "number": lambda row: (row.id,),
            "fitness": place,
            "state": lambda row: (ORDER_OF_STATES.index(row.state), *place(row)),
            "newest": lambda row: (-row.id,),
        }
        return sorted(candidates, key=keys[self.sorting])

    def _by_generation(
        self, index: int, overview: Overview, shown: Sequence[CandidateRow]
    ) -> list[Branch]:
        """Generations with their candidates; the newest first where those are."""
        under: dict[int, list[Branch]] = {}
        for row in shown:
            under.setdefault(row.generation, []).append(_leaf(index, overview, row))
        rows = [row for row in overview.generations if row.generation in under]
        last = max(under, default=0)
        everything = bool(self.words) or len(shown) <= OPEN_AT_FIRST
        branches = [
            Branch(
                Place(index, generation=row.generation),
                _generation_label(row),
                under[row.generation],
                everything or row.generation == last,
            )
            for row in rows
        ]
        return branches[::-1] if self.sorting == "newest" else branches

    def _by_lineage(
        self, index: int, overview: Overview, shown: Sequence[CandidateRow]
    ) -> list[Branch]:
        """Each candidate under the first of its parents that is shown."""
        leaves = {row.id: _leaf(index, overview, row) for row in shown}
        tops = []
        for row in shown:
            parent = next((p for p in row.parents if p in leaves and p < row.id), None)
            siblings = tops if parent is None else leaves[parent].children
            siblings.append(leaves[row.id])
        return tops


def _flat(index: int, overview: Overview, shown: Sequence[CandidateRow]) -> list[Branch]:
    return [_leaf(index, overview, row) for row in shown]


def _holds(row: CandidateRow, word: str) -> bool:
    if word.startswith("#"):
        return word == f"#{row.id}"
    state = STATES[row.state][1]
    texts = (state, row.thought, row.note, row.lesson, row.text, row.failure or "", row.designer)
    return any(word in text.casefold() for text in texts)


def _run_label(source: Source, overview: Overview) -> Text:
    label = Text.assemble((one_line(source.name), "bold"), "  ")
    if source.failure:
        return label.append("unreadable", "red")
    return label.append(overview.status, RUN_STYLES[overview.status])


def _generation_label(row: GenerationRow) -> Text:
    by = "" if row.best_candidate is None else f" #{row.best_candidate}"
    label = Text(f"generation {row.generation}")
    return label.append(
        f"  best {number(row.best)}{by}  {row.finished}/{row.candidates} trained", "dim"
    )


def _leaf(index: int, overview: Overview, row: CandidateRow) -> Branch:
    """The line of a candidate: state, number, fitness or what stands in its way, parents, words."""
    symbol, word, style = STATES[row.state]
    leads = row.id == overview.row.best_candidate
    _, standing = overview.ranks.get(row.id, (0, None))
    said = word if row.fitness is None or standing is None else number(standing.value)
    if row.id in overview.progress:
        said = percent(overview.progress[row.id])
    parents = f"  ← {' '.join(f'#{parent}' for parent in row.parents)}" if row.parents else ""
    label = _styled(
        ("★" if leads else symbol, style),
        (f" #{row.id:<4}", "bold" if leads else ""),
        (f"{said:>8}", style if row.fitness is None else "bold" if leads else ""),
        (parents, "cyan"),
        (f"  {_words(row.failure, row.thought or row.note, overview.row.goal)}", "dim"),
    )
    return Branch(Place(index, candidate=row.id), label)


@lru_cache(maxsize=8192)  # cleaning takes longer than all else, and texts seldom change
def _words(failure: str | None, thought: str, goal: str) -> str:
    """What went wrong, or what the candidate is about, on one line."""
    return last_line(failure) if failure else idea(thought, goal)


def _styled(*parts: tuple[str, str]) -> Text:
    """Clean pieces of text in their styles; `Text.assemble` takes three times as long."""
    spans, end = [], 0
    for text, style in parts:
        start, end = end, end + len(text)
        if text and style:
            spans.append(Span(start, end, style))
    return Text("".join(text for text, _ in parts), spans=spans)
