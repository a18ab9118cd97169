"""The list of the dashboard: runs, generations and candidates as a tree."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, Literal

from rich.style import Style
from rich.text import Span, Text
from textual.binding import Binding, BindingType
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from eureka_agent.common.text import last_line, number, percent, terminal_line, thought_line
from eureka_agent.store import CandidateRow, GenerationRow, RankedCandidate
from eureka_agent.views.dashboard.source import Source
from eureka_agent.views.snapshot import RunSnapshot
from eureka_agent.views.terminal.parts import RUN_STYLES, STATES

Grouping = Literal["generation", "lineage", "nothing"]
Sorting = Literal["number", "fitness", "state", "newest"]
GROUPINGS: tuple[Grouping, ...] = ("generation", "lineage", "nothing")
SORTINGS: tuple[Sorting, ...] = ("number", "fitness", "state", "newest")
ORDER_OF_STATES = ("training", "accepted", "proposed", "finished", "rejected", "failed")
# Up to this many candidates all generations are open at first, else only the newest one.
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
        words: shows only candidates with all of these words in them, or with this number (`#12`).
    """

    grouping: Grouping = "generation"
    sorting: Sorting = "number"
    words: str = ""

    def arrange(self, index: int, source: Source) -> tuple[Branch, int]:
        """The tree of one run, and how many candidates it shows."""
        overview = source.overview
        if overview is None:
            label = Text.assemble((terminal_line(source.name), "bold"), "  ", ("unreadable", "red"))
            return Branch(Place(index), label), 0
        shown = self._sorted(self._matching(overview.candidates), overview.ranks)
        group = {"generation": self._by_generation, "lineage": self._by_lineage}.get(self.grouping)
        children = (
            group(index, overview, shown) if group else [_leaf(index, overview, r) for r in shown]
        )
        return Branch(Place(index), _run_label(source, overview), children), len(shown)

    def _matching(self, candidates: Iterable[CandidateRow]) -> list[CandidateRow]:
        words = self.words.casefold().split()
        return [row for row in candidates if all(_holds(row, word) for word in words)]

    def _sorted(
        self, candidates: list[CandidateRow], ranks: Mapping[int, RankedCandidate]
    ) -> list[CandidateRow]:
        def place(row: CandidateRow) -> tuple[int, int]:
            """The best first, then those without a result."""
            return ranks[row.id].rank if row.id in ranks else len(ranks) + 1, row.id

        keys: dict[Sorting, Callable[[CandidateRow], tuple[float, ...]]] = {
            "number": lambda row: (row.id,),
            "fitness": place,
            "state": lambda row: (ORDER_OF_STATES.index(row.state), *place(row)),
            "newest": lambda row: (-row.id,),
        }
        return sorted(candidates, key=keys[self.sorting])

    def _by_generation(
        self, index: int, overview: RunSnapshot, shown: Sequence[CandidateRow]
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
        self, index: int, overview: RunSnapshot, shown: Sequence[CandidateRow]
    ) -> list[Branch]:
        """Each candidate under the first of its parents that is shown."""
        leaves = {row.id: _leaf(index, overview, row) for row in shown}
        tops = []
        for row in shown:
            parent = next((p for p in row.parents if p in leaves and p < row.id), None)
            siblings = tops if parent is None else leaves[parent].children
            siblings.append(leaves[row.id])
        return tops


def _holds(row: CandidateRow, word: str) -> bool:
    if word.startswith("#"):
        return word == f"#{row.id}"
    state = STATES[row.state][1]
    texts = (state, row.thought, row.note, row.lesson, row.text, row.failure or "", row.designer)
    return any(word in text.casefold() for text in texts)


def _run_label(source: Source, overview: RunSnapshot) -> Text:
    label = Text.assemble((terminal_line(source.name), "bold"), "  ")
    if source.failure:
        return label.append("unreadable", "red")
    return label.append(overview.status, RUN_STYLES[overview.status])


def _generation_label(row: GenerationRow) -> Text:
    by = "" if row.best_candidate is None else f" #{row.best_candidate}"
    label = Text(f"generation {row.generation}")
    return label.append(
        f"  best {number(row.best)}{by}  {row.finished}/{row.candidates} trained", "dim"
    )


def _leaf(index: int, overview: RunSnapshot, row: CandidateRow) -> Branch:
    """The line of a candidate: state, number, fitness or progress, parents, words."""
    symbol, word, style = STATES[row.state]
    leads = row.id == overview.row.best_candidate
    ranked = overview.ranks.get(row.id)
    result = word if row.fitness is None or ranked is None else number(ranked.value)
    if row.id in overview.training_progress:
        result = percent(overview.training_progress[row.id])
    parents = f"  ← {' '.join(f'#{parent}' for parent in row.parents)}" if row.parents else ""
    label = _styled(
        ("★" if leads else symbol, style),
        (f" #{row.id:<4}", "bold" if leads else ""),
        (f"{result:>8}", style if row.fitness is None else "bold" if leads else ""),
        (parents, "cyan"),
        (f"  {_words(row.failure, row.thought or row.note, overview.row.goal)}", "dim"),
    )
    return Branch(Place(index, candidate=row.id), label)


@lru_cache(maxsize=8192)  # cleaning takes longer than all else, and texts seldom change
def _words(failure: str | None, thought: str, goal: str) -> str:
    """What went wrong, or what the candidate is about, on one line."""
    return last_line(failure) if failure else thought_line(thought, goal)


def _styled(*parts: tuple[str, str]) -> Text:
    """Clean pieces of text in their styles; `Text.assemble` takes three times as long."""
    spans, end = [], 0
    for text, style in parts:
        start, end = end, end + len(text)
        if text and style:
            spans.append(Span(start, end, style))
    return Text("".join(text for text, _ in parts), spans=spans)


class RunTree(Tree[Place]):
    """The tree; folds and the cursor stay in place when what it shows changes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right", "open", "Unfold", show=False),
        Binding("left", "fold", "Fold", show=False),
        Binding("j", "cursor_down", show=False),
        Binding("k", "cursor_up", show=False),
    ]

    def __init__(self, *, id: str) -> None:
        super().__init__("runs", id=id)
        self.show_root = False
        self.auto_expand = False
        self.guide_depth = 2
        self._shape: list[tuple[int, Place]] = []
        self._places: dict[Place, TreeNode[Place]] = {}

    def show(self, branches: Sequence[Branch], *, keep: bool) -> None:
        """Show a tree; if its shape is the same as before, only labels change.

        Args:
            branches: the runs.
            keep: leave folded what is folded now; otherwise fold as the branches say.
        """
        shape = [(depth, branch.place) for depth, branch in _lines(branches)]
        if keep and shape == self._shape:
            for _, branch in _lines(branches):
                node = self._places[branch.place]
                if not _same(node.label, branch.label):
                    node.set_label(branch.label)
            return
        folded = {place: not node.is_expanded for place, node in self._places.items()}
        place = self.place
        self.clear()
        self.root.expand()
        self._places, self._shape = {}, shape
        self._add(self.root, branches, folded if keep else {})
        self.go_to(place)

    @property
    def place(self) -> Place | None:
        """What the cursor is on."""
        return self.cursor_node.data if self.cursor_node is not None else None

    def go_to(self, place: Place | None) -> None:
        """Put the cursor on a place, unfolding what hides it; on the first line if it is gone."""
        node = self._places.get(place) if place is not None else None
        above = node.parent if node is not None else None
        while above is not None:
            above.expand()
            above = above.parent
        if node is None and self.root.children:
            node = self.root.children[0]
        if self.last_line >= 0:  # asking counts the lines, without which no node has one
            self.move_cursor(node)

    def candidates(self) -> list[Place]:
        """All candidates in the order of the tree, also those in folded branches."""
        return [place for place in self._places if place.candidate is not None]

    def action_open(self) -> None:
        """Unfold the branch; from an unfolded one go to its first line."""
        node = self.cursor_node
        if node is None or not node.children:
            return
        if node.is_expanded:
            self.action_cursor_down()
        else:
            node.expand()

    def action_fold(self) -> None:
        """Fold the branch; from a folded one or a candidate go to what it hangs under."""
        node = self.cursor_node
        if node is None:
            return
        if node.children and node.is_expanded:
            node.collapse()
        else:
            self.action_cursor_parent()

    def render_label(self, node: TreeNode[Place], base_style: Style, style: Style) -> Text:
        """The label of a line; under the cursor nothing is dim, so that it stays legible."""
        label = super().render_label(node, base_style, style)
        if node is self.cursor_node:
            label.stylize("not dim")
        return label

    def _add(
        self, parent: TreeNode[Place], branches: Iterable[Branch], folded: dict[Place, bool]
    ) -> None:
        for branch in branches:
            opened = not folded.get(branch.place, not branch.opened)
            leaf = not branch.children
            node = parent.add(branch.label, branch.place, expand=opened, allow_expand=not leaf)
            self._places[branch.place] = node
            self._add(node, branch.children, folded)


def _lines(branches: Iterable[Branch], depth: int = 0) -> Iterator[tuple[int, Branch]]:
    """All branches from top to bottom, each with its depth."""
    for branch in branches:
        yield depth, branch
        yield from _lines(branch.children, depth + 1)


def _same(old: str | Text, new: Text) -> bool:
    return isinstance(old, Text) and old.plain == new.plain and old.spans == new.spans
