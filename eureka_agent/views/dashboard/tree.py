"""The list of the dashboard: runs, generations and candidates as a tree that keeps its place."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from eureka_agent.views.dashboard.tree_model import Branch, Place

Shape = tuple[Place, tuple["Shape", ...]]


class RunTree(Tree[Place]):
    """The tree; what is folded and where the cursor stands survive a change of what it shows."""

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
        self._shape: tuple[Shape, ...] = ()
        self._places: dict[Place, TreeNode[Place]] = {}

    def show(self, branches: Sequence[Branch], *, keep: bool) -> None:
        """Show a tree; one of the same shape only gets its labels changed.

        Args:
            branches: the runs.
            keep: leave folded what is folded now; otherwise all begins as the branches say.
        """
        shape = tuple(_shape(branch) for branch in branches)
        if keep and shape == self._shape:
            self._relabel(branches)
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
        """The label of a line; under the cursor nothing is dim, which could not be read there."""
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

    def _relabel(self, branches: Iterable[Branch]) -> None:
        for branch in branches:
            node = self._places[branch.place]
            if not _same(node.label, branch.label):
                node.set_label(branch.label)
            self._relabel(branch.children)


def _shape(branch: Branch) -> Shape:
    return branch.place, tuple(_shape(child) for child in branch.children)


def _same(old: str | Text, new: Text) -> bool:
    return isinstance(old, Text) and old.plain == new.plain and old.spans == new.spans
