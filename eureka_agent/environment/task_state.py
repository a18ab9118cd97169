"""Task state: numbers of a world beyond its physics, as goals, counters and latches are."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from eureka_agent.common.errors import UsageError


class Stateful:
    """Base of what a checkpoint holds; a subclass names its attributes in `STATE`."""

    STATE: ClassVar[tuple[str, ...]]
    """Attributes that are tensors or arrays of a fixed shape, or stateful themselves."""

    def state(self) -> dict[str, np.ndarray]:
        """Copies of everything that decides what happens next, by dotted name."""
        result: dict[str, np.ndarray] = {}
        for name in self.STATE:
            value = getattr(self, name)
            if isinstance(value, Stateful):
                result |= {f"{name}.{key}": part for key, part in value.state().items()}
            else:
                array = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
                result[name] = array.copy()
        return result

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go back to a state; attributes keep their memory, which others may share."""
        for name in self.STATE:
            value = getattr(self, name)
            if isinstance(value, Stateful):
                value.restore(under(state, f"{name}."))
            elif isinstance(value, Tensor):
                value.copy_(torch.from_numpy(np.array(state[name])))
            else:
                value[...] = state[name]


def under(state: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The entries whose names begin with a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


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
