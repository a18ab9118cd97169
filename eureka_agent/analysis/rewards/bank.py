"""The bank: recorded episodes of many policies, kept with the run, on which any program is scored.

A record is one file of plain arrays that is there whole or not at all. It is written before the
result of its training, so that a search that was killed goes on with the bank that it had.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from eureka_agent.analysis.arrays import BoolArray, FloatArray
from eureka_agent.config import SearchConfig
from eureka_agent.environment import SCRIPTED_POLICIES, Episodes, pools
from eureka_agent.reward import RewardProgram
from eureka_agent.store import CandidateRow
from eureka_agent.store.folder import DRAFT_PATTERN, atomic_file, open_arrays
from eureka_agent.workers.judge_client import EvaluatedEpisodes, JudgeClient
from eureka_agent.workers.probe_client import ProbeClient, Score

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
    seen: EvaluatedEpisodes

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
        for draft in folder.glob(DRAFT_PATTERN):
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
        with atomic_file(path) as draft:
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
                    seen = EvaluatedEpisodes(
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


def enter_references(bank: Bank, judge: JudgeClient, config: SearchConfig) -> None:
    """Have policies that nobody trained recorded, as far as they are not yet.

    Raises:
        JudgeFailed: they cannot be judged.
    """
    there = {entry.policy for entry in bank.entries}
    missing = [kind for kind in SCRIPTED_POLICIES if kind not in there]
    if not missing:
        return
    seen = judge.run_scripted(missing, pools.RANKING, config.ranking_episodes)
    for kind, judgement in zip(missing, seen, strict=True):
        bank.add(Record(Entry(kind, 0, "reference"), judgement))


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

    def __init__(self, bank: Bank, prober: ProbeClient) -> None:
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


SAMPLE_SIZE = 24
"""Records that give opinions their scale, and on which distances are measured."""


RANDOM, UNTRAINED, PARENT, BETTER, OWN = "random", "untrained", "parent", "better", "own"
"""Groups of the episodes: by random actions, by other policies that nobody trained, by the parent's
policy, by others' that are the best known ones, by the candidate's own."""


MOST_BETTER = 2
"""Other candidates, the best known ones, whose episodes are looked at beside the own."""


Groups: TypeAlias = Mapping[str, Sequence[Record]]
"""Records by group."""


@dataclass(frozen=True)
class Known:
    """Recorded episodes side by side, and what a program pays for them.

    Attributes:
        episodes: E of them.
        fitness: of each, NaN where nobody may know it `[E]`.
        diverged: which ended because the physics failed `[E]`.
        groups: by name which belong to it `[E]`; always `OWN`, others as far as they are there.
        score: what the program pays at each step.
    """

    episodes: Episodes
    fitness: FloatArray
    diverged: BoolArray
    groups: dict[str, BoolArray]
    score: Score

    @property
    def own(self) -> BoolArray:
        """Which episodes are those of the candidate's own policy `[E]`."""
        return self.groups[OWN]

    def incomes(self, program: RewardProgram) -> dict[str, FloatArray]:
        """What each component pays at each step, weight included `[L, E]`."""
        paid = zip(program.weights.items(), self.score.components, strict=True)
        return {name: weight * values.astype(np.float64) for (name, weight), values in paid}


def known_of(groups: Groups, episodes: Episodes, score: Score, with_fitness: bool) -> Known:
    """What is known of the episodes of some records.

    Args:
        groups: of records.
        episodes: all of theirs, in their order.
        score: of the program on all of these.
        with_fitness: whether their fitness may be known.
    """
    records = [record for group in groups.values() for record in group]
    names = [name for name, group in groups.items() for r in group for _ in r.seen.fitness]
    fitness = np.concatenate([record.seen.fitness for record in records])
    return Known(
        episodes=episodes,
        fitness=fitness if with_fitness else np.full_like(fitness, np.nan),
        diverged=np.concatenate([record.seen.diverged for record in records]),
        groups={
            name: np.array([other == name for other in names], dtype=np.bool_)
            for name, group in groups.items()
            if group
        },
        score=score,
    )


def chosen_entries(
    row: CandidateRow, candidates: Sequence[CandidateRow], bank: Bank
) -> dict[str, list[Entry]]:
    """Whose episodes to look at for a candidate, by group; those that the bank has.

    Args:
        row: the candidate.
        candidates: all that may be known with it.
        bank: has the episodes.
    """
    shipped = {(e.candidate, e.step): e for e in bank.entries if e.candidate}
    held = {
        other.id: entry
        for other in candidates
        if (entry := shipped.get((other.id, other.checkpoint_step or 0))) is not None
    }
    best = sorted(
        (c for c in candidates if c.id in held and c.id != row.id and c.fitness is not None),
        key=lambda c: (-(c.fitness or 0.0), c.id),
    )
    parents = [parent for parent in row.parents if parent in held and parent != row.id][:1]
    others = [c.id for c in best[:MOST_BETTER] if c.id not in parents]
    references = [entry for entry in bank.entries if entry.kind == "reference"]
    return {
        RANDOM: [entry for entry in references if entry.policy == RANDOM],
        UNTRAINED: [entry for entry in references if entry.policy != RANDOM],
        PARENT: [held[number] for number in parents],
        BETTER: [held[number] for number in others],
        OWN: [held[row.id]] if row.id in held else [],
    }
