"""Task state: numbers of a world beyond its physics, as goals, counters and latches are."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from eureka_agent.environment.stateful import Stateful
from eureka_agent.errors import UsageError


class TaskState(Stateful):
    """Named float32 numbers of `n` worlds.

    What has been read stays as it was: every change makes new tensors.

    Args:
        columns: how many numbers each name has.
        n: number of worlds.
        device: where they live.
    """

    STATE: ClassVar = ("packed",)

    def __init__(self, columns: Mapping[str, int], n: int, device: torch.device) -> None:
        self._columns: dict[str, slice] = {}
        width = 0
        for name, size in columns.items():
            self._columns[name] = slice(width, width + size)
            width += size
        self.packed = torch.zeros(n, width, device=device)

    def read(self, rows: Tensor | None = None) -> dict[str, Tensor]:
        """Every entry of some worlds, of all when None, `[m, columns]` each."""
        packed = self.packed if rows is None else self.packed[rows]
        return {name: packed[:, part] for name, part in self._columns.items()}

    def write(self, new: Mapping[str, Tensor]) -> None:
        """Replace entries in all worlds, `[n, columns]` each; the others stay.

        Raises:
            UsageError: an entry is not declared, or has the wrong shape.
        """
        self.packed = self._merged(self.packed, new)

    def write_where(
        self, chosen: Tensor, rows: Tensor | None, new: Mapping[str, Tensor], *, begin: bool
    ) -> None:
        """Replace entries in some worlds.

        Args:
            chosen: which worlds, `[n]` bool.
            rows: the same as row numbers, if `new` has their rows only; None if it has all.
            new: `[m, columns]` each.
            begin: whether an episode begins there, so that entries left out become 0.

        Raises:
            UsageError: an entry is not declared, or has the wrong shape.
        """
        old = self.packed if rows is None else self.packed[rows]
        merged = self._merged(torch.zeros_like(old) if begin else old, new)
        if rows is None:
            self.packed = torch.where(chosen[:, None], merged, self.packed)
        else:
            self.packed = self.packed.index_copy(0, rows, merged)

    def _merged(self, packed: Tensor, new: Mapping[str, Tensor]) -> Tensor:
        if not new:
            return packed
        merged = packed.clone()
        for name, value in new.items():
            if name not in self._columns:
                raise UsageError(
                    f"The task state has no entry {name!r}.",
                    f"`task_state` declares: {', '.join(self._columns) or 'nothing'}.",
                )
            part = merged[:, self._columns[name]]
            if value.shape != part.shape:
                raise UsageError(
                    f"Task state {name!r} has the shape {list(value.shape)}.",
                    f"As declared in `task_state` it is {list(part.shape)}.",
                )
            part.copy_(value)
        return merged
