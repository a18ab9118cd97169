"""The state of worlds: physics as signals read them, task state, and checkpoints."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from eureka_agent.common.errors import UsageError
from eureka_agent.simulation import Simulator


class State:
    """What signals and observations read: the worlds' physics as float32 tensors.

    Every attribute that is an `mjData` field gives `[N, ...]` float32, converted once per step:
    `state.qpos`, `state.xpos`, `state.cvel`, ... Named parts have methods.

    Args:
        simulator: the worlds.
        rows: which of them, int64 `[N]`; all when None.
        task: task state of these worlds.

    Attributes:
        task: the entries of `Environment.task_state`, float32 `[N, columns]` each.
    """

    def __init__(
        self,
        simulator: Simulator,
        rows: Tensor | None = None,
        task: Mapping[str, Tensor] | None = None,
    ) -> None:
        self._simulator = simulator
        self._rows = rows
        self.task = task or {}

    def __getattr__(self, field: str) -> Tensor:
        if field.startswith("_"):
            raise AttributeError(field)
        value = self.__dict__[field] = self._copied(self._simulator.view(field))
        return value

    def geom_position(self, name: str) -> Tensor:
        """World position of a geom's centre, m, `[N, 3]`."""
        return self._part("geom_xpos", self._simulator.model.geom(name).id)

    def site_position(self, name: str) -> Tensor:
        """World position of a site, m, `[N, 3]`."""
        return self._part("site_xpos", self._simulator.model.site(name).id)

    def body_position(self, name: str) -> Tensor:
        """World position of a body's frame, m, `[N, 3]`."""
        return self._part("xpos", self._simulator.model.body(name).id)

    def body_rotation(self, name: str) -> Tensor:
        """A body's own x, y and z axes in the world, the columns of a matrix `[N, 3, 3]`."""
        return self._part("xmat", self._simulator.model.body(name).id).reshape(-1, 3, 3)

    def sensor(self, name: str) -> Tensor:
        """Reading of a named sensor, `[N, d]`."""
        sensor = self._simulator.model.sensor(name)
        start = int(sensor.adr[0])
        return self.sensordata[:, start : start + int(sensor.dim[0])]

    def _part(self, field: str, index: int) -> Tensor:
        """The entry of one body, geom or site; the others are not converted."""
        return self._copied(self._simulator.view(field)[:, index])

    def _copied(self, value: Tensor) -> Tensor:
        """A copy of the chosen rows, as the next step overwrites the view."""
        chosen = value if self._rows is None else value[self._rows]
        return chosen.to(torch.float32, copy=True)


class Stateful:
    """Base class of parts of a checkpoint; a subclass names its attributes in `STATE`."""

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
        """Go back to a state, in place, as other objects may share the memory."""
        for name in self.STATE:
            value = getattr(self, name)
            if isinstance(value, Stateful):
                value.restore(substate(state, f"{name}."))
            elif isinstance(value, Tensor):
                value.copy_(torch.from_numpy(np.array(state[name])))
            else:
                value[...] = state[name]


def substate(state: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The entries whose names begin with a prefix, with the prefix removed."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


class TaskState(Stateful):
    """Numbers of `n` worlds beyond their physics, as goals, counters and latches, float32 by name.

    Tensors that were read never change: every write makes new ones. Writing an entry that is not
    declared, or has another shape, raises UsageError.

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
        """Every entry of some worlds, or of all when None, `[m, columns]` each."""
        packed = self.packed if rows is None else self.packed[rows]
        return {name: packed[:, part] for name, part in self._columns.items()}

    def write(self, new: Mapping[str, Tensor]) -> None:
        """Replace entries in all worlds, `[n, columns]` each; other entries stay."""
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
