"""Time on a device by phase, for `gpu.py`."""

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import torch

PHASES = ("physics", "environment", "inference", "reward", "update")


@dataclass
class Clock:
    """Time on the device by phase, without making anyone wait: watched calls nest.

    A call's time counts as its own phase and is taken from that of the call around it.
    """

    device: torch.device
    marks: list[tuple[str, str | None, Any, Any]] = field(default_factory=list)
    running: list[str] = field(default_factory=list)

    def watch(self, owner: object, name: str, phase: str) -> None:
        """Count calls of a method as a phase from now on."""
        original = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            outer = self.running[-1] if self.running else None
            if outer == "update":  # the networks run there as well, as part of it
                return original(*args, **kwargs)
            self.running.append(phase)
            begin = self._now()
            try:
                return original(*args, **kwargs)
            finally:
                self.marks.append((phase, outer, begin, self._now()))
                self.running.pop()

        setattr(owner, name, timed)

    def shares(self) -> dict[str, float]:
        """Share of each phase in all that was watched; empties the clock."""
        wait(self.device)
        seconds: dict[str, float] = defaultdict(float)
        for phase, outer, begin, end in self.marks:
            took = begin.elapsed_time(end) / 1e3 if self.device.type == "cuda" else end - begin
            seconds[phase] += took
            if outer is not None:
                seconds[outer] -= took
        self.marks.clear()
        whole = sum(seconds.values())
        return {phase: seconds[phase] / whole for phase in PHASES} if whole else {}

    def _now(self) -> Any:
        if self.device.type == "cpu":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event


def wait(device: torch.device) -> None:
    """Wait until a device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
