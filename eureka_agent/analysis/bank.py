"""The bank: recorded episodes of many policies, kept with the run, on which any program is scored.

A record is one file of plain arrays that is there whole or not at all. It is written before the
result of its training, so that a search that was killed goes on with the bank that it had.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from eureka_agent.config import SearchConfig
from eureka_agent.environment import Episodes, pools
from eureka_agent.environment.scripted_policies import ROAMING
from eureka_agent.store.files import DRAFTS, draft_of, open_arrays
from eureka_agent.workers.clients import Judge
from eureka_agent.workers.replies import Judgement

Kind: TypeAlias = Literal["reference", "early", "shipped", "exploit"]
FOLDER = "bank"
SUFFIX = ".npz"
BEFORE_ALL = -1
"""Generation of policies that nobody trained."""
BROKEN = (OSError, EOFError, ValueError, TypeError, KeyError, MemoryError, BadZipFile)
"""What reading a damaged record raises."""


@dataclass(frozen=True)
class Entry:
    """What is known of a record without reading its episodes.

    Attributes:
        policy: who acted: a candidate's number, or a kind of roaming.
        step: environment steps that it had trained for.
        kind: why it is kept: a reference that nobody trained, the policy that ships, an earlier
            look at it, or an exploit of its reward.
        generation: of the candidate; `BEFORE_ALL` for references.
        candidate: its number; 0 for references.
    """

    policy: str
    step: int
    kind: Kind
    generation: int = BEFORE_ALL
    candidate: int = 0

    @property
    def name(self) -> str:
        """The name of its file, and of nobody else's."""
        return f"{self.policy}-{self.step}"

    @property
    def place(self) -> str:
        """Its place in any fair choice: as good as random, and always the same."""
        return hashlib.sha256(self.name.encode()).hexdigest()


@dataclass(frozen=True)
class Record:
    """What a policy did, and what the judge says of it.

    Attributes:
        entry: who acted.
        seen: E episodes with their fitness.
    """

    entry: Entry
    seen: Judgement

    @property
    def episodes(self) -> Episodes:
        """As they went."""
        return self.seen.episodes


class Bank:
    """The records of a run.

    Args:
        folder: where they lie; made if it is missing.
        limit: most bytes that they may take, references apart.
        notify: is told in a sentence of records that were lost.
    """

    def __init__(self, folder: Path, limit: int, notify: Callable[[str], None]) -> None:
        self._folder, self._limit, self._notify = folder, limit, notify
        folder.mkdir(exist_ok=True)
        for draft in folder.glob(DRAFTS):
            draft.unlink()
        self._entries: dict[str, Entry] = {}
        self._sizes: dict[str, int] = {}
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            self._enter(path)

    @property
    def entries(self) -> list[Entry]:
        """All records, by generation and then by name."""
        return sorted(self._entries.values(), key=lambda e: (e.generation, e.candidate, e.name))

    def add(self, record: Record) -> None:
        """Keep a record, in place of one of the same name; others may have to go for it."""
        entry, seen = record.entry, record.seen
        path = self._path(entry)
        arrays: dict[str, NDArray[Any]] = {
            **{name: np.array(value) for name, value in vars(entry).items()},
            "fitness": seen.fitness,
            "diverged": seen.diverged,
            **({} if seen.progress is None else {"progress": seen.progress}),
            **{f"episodes/{name}": value for name, value in seen.episodes.arrays().items()},
        }
        with draft_of(path) as draft:
            np.savez(draft, allow_pickle=False, **arrays)
        self._entries[entry.name], self._sizes[entry.name] = entry, path.stat().st_size
        self._make_room()

    def mark(self, entry: Entry, kind: Kind) -> None:
        """Keep a record for another reason; nothing happens if it is not there any more."""
        if entry.name not in self._entries:
            return
        for record in self.read([entry]):
            changed = Entry(entry.policy, entry.step, kind, entry.generation, entry.candidate)
            self.add(Record(changed, record.seen))

    def read(self, entries: Sequence[Entry]) -> Iterator[Record]:
        """Read records one after the other; those that cannot be read are lost."""
        for entry in entries:
            try:
                with open_arrays(self._path(entry)) as arrays:
                    names = [name for name in arrays.files if name.startswith("episodes/")]
                    episodes = {name.partition("/")[2]: arrays[name] for name in names}
                    seen = Judgement(
                        arrays["fitness"],
                        arrays["diverged"],
                        Episodes.from_arrays(episodes),
                        arrays["progress"] if "progress" in arrays.files else None,
                    )
            except BROKEN as error:
                self._lose(self._path(entry), error)
                continue
            yield Record(entry, seen)

    def sample(self, count: int) -> list[Entry]:
        """The references and a fair choice of others, at most `count` in all.

        One of each generation in turn, the latest first, until there are enough. What is chosen of
        a generation depends on nothing but names.
        """
        chosen = [entry for entry in self.entries if entry.kind == "reference"][:count]
        waiting = {
            generation: sorted(
                (e for e in self.entries if e.generation == generation and e not in chosen),
                key=lambda e: e.place,
            )
            for generation in sorted({e.generation for e in self.entries}, reverse=True)
        }
        while len(chosen) < count and any(waiting.values()):
            ready = [entries.pop(0) for entries in waiting.values() if entries]
            chosen += ready[: count - len(chosen)]
        return chosen

    def _path(self, entry: Entry) -> Path:
        return self._folder / f"{entry.name}{SUFFIX}"

    def _enter(self, path: Path) -> None:
        """Take a file into the index."""
        try:
            with open_arrays(path) as arrays:
                values = {name: arrays[name].item() for name in Entry.__dataclass_fields__}
                missing = {"fitness", "diverged", "episodes/states"} - set(arrays.files)
            entry = Entry(**values)
            if missing or self._path(entry) != path:
                raise ValueError("it is no record of that name")
        except BROKEN as error:
            self._lose(path, error)
            return
        self._entries[entry.name], self._sizes[entry.name] = entry, path.stat().st_size

    def _lose(self, path: Path, error: Exception) -> None:
        path.unlink(missing_ok=True)
        self._entries.pop(path.stem, None)
        self._sizes.pop(path.stem, None)
        said = f"The recorded episodes in {FOLDER}/{path.name} cannot be read and were removed"
        self._notify(f"{said}: {type(error).__name__}: {error}")

    def _make_room(self) -> None:
        """Remove records until all fit: of the generation with most of them, exploits last."""
        ordinary = [e for e in self.entries if e.kind not in ("reference", "exploit")]
        exploits = [e for e in self.entries if e.kind == "exploit"]
        for group in (ordinary, exploits):
            while group and self._weight() > self._limit:
                counts = Counter(entry.generation for entry in group)
                fullest = max(counts, key=lambda g: (counts[g], -g))
                of_it = (entry for entry in group if entry.generation == fullest)
                first = min(of_it, key=lambda e: e.place)
                group.remove(first)
                self._path(first).unlink(missing_ok=True)
                del self._entries[first.name], self._sizes[first.name]

    def _weight(self) -> int:
        """Bytes of all records but the references."""
        kinds = {name: entry.kind for name, entry in self._entries.items()}
        return sum(size for name, size in self._sizes.items() if kinds[name] != "reference")


def enter_references(bank: Bank, judge: Judge, config: SearchConfig) -> None:
    """Have policies that nobody trained recorded, as far as they are not yet.

    Raises:
        JudgeFailed: they cannot be judged.
    """
    there = {entry.policy for entry in bank.entries}
    missing = [kind for kind in ROAMING if kind not in there]
    if not missing:
        return
    seen = judge.roam(missing, pools.RANKING, config.ranking_episodes)
    for kind, judgement in zip(missing, seen, strict=True):
        bank.add(Record(Entry(kind, 0, "reference"), judgement))
