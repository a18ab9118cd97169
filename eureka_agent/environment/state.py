"""The worlds' physics as signals and observations read them."""

from collections.abc import Mapping

import torch
from torch import Tensor

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
        value = self._copied(self._simulator.view(field))
        self.__dict__[field] = value
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
        """One body's or geom's entry: the others' are not converted."""
        return self._copied(self._simulator.view(field)[:, index])

    def _copied(self, value: Tensor) -> Tensor:
        """The chosen rows as they are now: the physics write into what they showed."""
        chosen = value if self._rows is None else value[self._rows]
        return chosen.to(torch.float32, copy=True)
