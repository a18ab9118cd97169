"""What programs pay for the records of the bank, each pair of them asked for once.

The numbers come from the process that calls the programs. Like all that a child says they are
claims: they decide what is trained and shown, and never what a policy is worth by the fitness.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eureka_agent.analysis.arrays import BoolArray, FloatArray
from eureka_agent.analysis.bank import Bank, Entry, Record
from eureka_agent.workers.probe_client import Prober

ROWS = 250
"""Steps of a record, evenly spread, that stand for all of it where distances are measured."""


@dataclass(frozen=True)
class Digest:
    """What one program pays for one record, in brief.

    Attributes:
        mean: mean reward per step.
        total: reward of the record's chosen steps `[R]`.
        here: components, standing still ahead of each of these steps `[R, C]`.
        there: likewise after it.
    """

    mean: float
    total: FloatArray
    here: FloatArray
    there: FloatArray


@dataclass(frozen=True)
class Steps:
    """The chosen steps of a record, as distances take them.

    Attributes:
        before: packed signals ahead of each, and the action before `[R, S + A]`.
        after: packed signals after it, and its action.
        terminated: whether the episode ended there `[R]`.
    """

    before: FloatArray
    after: FloatArray
    terminated: BoolArray


class Scorer:
    """Scores programs on records, and remembers what came of it.

    Args:
        bank: has the records.
        prober: calls programs.

    Attributes:
        failures: why programs could not be scored, by text; they are not tried again.
    """

    def __init__(self, bank: Bank, prober: Prober) -> None:
        self._bank, self._prober = bank, prober
        self._digests: dict[tuple[str, str], Digest] = {}
        self._steps: dict[str, Steps] = {}
        self.failures: dict[str, str] = {}

    def score(self, texts: Iterable[str], entries: Sequence[Entry]) -> None:
        """Score what has not been scored yet; programs that fail are left out from then on.

        Raises:
            ChildFailed: the prober's process cannot start, for which no program is to blame.
            JobFailed: the environment cannot be set up.
        """
        texts = [text for text in dict.fromkeys(texts) if text not in self.failures]
        wanted = {e.name: [t for t in texts if (t, e.name) not in self._digests] for e in entries}
        unread = [e for e in entries if wanted[e.name] or e.name not in self._steps]
        for record in self._bank.read(unread):
            name, rows = record.entry.name, chosen_rows(record)
            self._steps.setdefault(name, _steps(record, rows))
            asked = [text for text in wanted[name] if text not in self.failures]
            scores = self._prober.score(asked, record.episodes, still=True)
            alive = record.episodes.alive().numpy()
            for text, paid in zip(asked, scores, strict=True):
                if isinstance(paid, str):
                    self.failures[text] = paid
                    continue
                self._digests[text, name] = Digest(
                    mean=float(paid.total[alive].mean(dtype=np.float64)),
                    total=_flat(paid.total)[rows],
                    here=_columns(paid.here)[rows],
                    there=_columns(paid.there)[rows],
                )

    def digest(self, text: str, entry: Entry) -> Digest | None:
        """What is known of a program on a record; None if it has not been scored there."""
        return None if text in self.failures else self._digests.get((text, entry.name))

    def steps(self, entry: Entry) -> Steps | None:
        """The chosen steps of a record that was scored; None if it could not be read."""
        return self._steps.get(entry.name)


def chosen_rows(record: Record) -> NDArray[np.int64]:
    """Up to `ROWS` of the steps that belong to episodes, as flat indices of `[L, E]`."""
    alive = np.flatnonzero(record.episodes.alive().numpy().reshape(-1))
    return alive[np.linspace(0, len(alive) - 1, min(ROWS, len(alive))).astype(np.int64)]


def _steps(record: Record, rows: NDArray[np.int64]) -> Steps:
    arrays = record.episodes.arrays()
    states, actions = arrays["states"], arrays["actions"]
    before = arrays.get("before", states[:-1])
    previous = np.concatenate([np.zeros_like(actions[:1]), actions[:-1]])
    last = np.arange(len(actions))[:, None] == arrays["lengths"] - 1
    return Steps(
        before=np.concatenate([_columns_last(before), _columns_last(previous)], axis=1)[rows],
        after=np.concatenate([_columns_last(states[1:]), _columns_last(actions)], axis=1)[rows],
        terminated=_flat(last & arrays["terminated"])[rows],
    )


def _flat(values: NDArray[Any]) -> NDArray[Any]:
    """`[L, E]` to `[L * E]`."""
    return values.reshape(-1)


def _columns(values: NDArray[Any]) -> NDArray[Any]:
    """`[C, L, E]` to `[L * E, C]`."""
    return values.reshape(len(values), -1).T


def _columns_last(values: NDArray[Any]) -> NDArray[Any]:
    """`[L, E, S]` to `[L * E, S]`."""
    return values.reshape(-1, values.shape[-1])
