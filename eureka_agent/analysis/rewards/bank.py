"""The bank: recorded episodes of many policies, kept with the run, and programs' rewards.

A record is one file of plain arrays, written whole or not at all, and before the result of its
training run: so a killed search continues with the bank that it had. The process that calls
programs reports their rewards. These decide which programs train and what is shown, and never a
policy's fitness.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from eureka_agent.config import SearchConfig
from eureka_agent.environment import SCRIPTED_POLICIES, Episodes, pools
from eureka_agent.environment.episodes import (
    BoolArray,
    EvaluatedEpisodes,
    FloatArray,
    IntArray,
    join_evaluated,
)
from eureka_agent.reward import RewardProgram
from eureka_agent.store import CandidateRow
from eureka_agent.store.folder import DRAFT_PATTERN, atomic_file, open_arrays
from eureka_agent.workers.judge_client import JudgeClient
from eureka_agent.workers.probe_client import ProbeClient, Score

Kind: TypeAlias = Literal["reference", "early", "shipped", "exploit"]
FOLDER = "bank"
SUFFIX = ".npz"
BEFORE_ALL = -1
"""The generation of untrained policies."""
BROKEN = (OSError, EOFError, ValueError, TypeError, KeyError, MemoryError, BadZipFile)
"""Errors that reading a damaged record raises."""
SAMPLE_SIZE = 24
"""Records on which programs are compared: they give returns a scale, and distances their steps."""


@dataclass(frozen=True)
class Entry:
    """A record's place in the index, known without reading its episodes.

    Attributes:
        policy: the one that acted: a candidate's number, or a kind of scripted policy.
        step: environment steps that the policy had trained for.
        kind: why the record is kept: an untrained reference, the selected checkpoint, an earlier
            evaluation of the same policy, or a policy that hacks its reward.
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
        """The record's file name without suffix; no other record has it."""
        return f"{self.policy}-{self.step}"

    @property
    def order(self) -> str:
        """A key for fair choices: in effect random, but always the same."""
        return hashlib.sha256(self.name.encode()).hexdigest()


@dataclass(frozen=True)
class Record:
    """An entry with its episodes and their fitness."""

    entry: Entry
    evaluated: EvaluatedEpisodes

    @property
    def episodes(self) -> Episodes:
        """The episodes as recorded."""
        return self.evaluated.episodes


class Bank:
    """The records of a run.

    Args:
        folder: holds them; made if it is missing.
        limit: most bytes of all records but the references.
        notify: gets a sentence about each record that was lost.
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
        """All entries, by generation, candidate and name."""
        return sorted(self._entries.values(), key=lambda e: (e.generation, e.candidate, e.name))

    @property
    def references(self) -> list[Entry]:
        """Those of untrained policies."""
        return [entry for entry in self.entries if entry.kind == "reference"]

    def add(self, record: Record) -> None:
        """Store a record in place of one of the same name; others are removed if space is short."""
        entry, evaluated = record.entry, record.evaluated
        arrays: dict[str, NDArray[Any]] = {
            **{name: np.array(value) for name, value in asdict(entry).items()},
            "fitness": evaluated.fitness,
            "diverged": evaluated.diverged,
            **({} if evaluated.progress is None else {"progress": evaluated.progress}),
            **{f"episodes/{name}": value for name, value in record.episodes.arrays().items()},
        }
        path = self._path(entry)
        with atomic_file(path) as draft:
            np.savez(draft, allow_pickle=False, **arrays)
        self._entries[entry.name], self._sizes[entry.name] = entry, path.stat().st_size
        self._make_room()

    def mark_exploit(self, entry: Entry) -> None:
        """Keep a record as that of an exploit, if it is still there."""
        if entry.name in self._entries:
            for record in self.read([entry]):
                self.add(Record(replace(entry, kind="exploit"), record.evaluated))

    def read(self, entries: Sequence[Entry]) -> Iterator[Record]:
        """Read records one by one; records that cannot be read are removed and left out."""
        for entry in entries:
            try:
                with open_arrays(self._path(entry)) as arrays:
                    episodes = {
                        name.removeprefix("episodes/"): arrays[name]
                        for name in arrays.files
                        if name.startswith("episodes/")
                    }
                    evaluated = EvaluatedEpisodes(
                        arrays["fitness"],
                        arrays["diverged"],
                        Episodes.from_arrays(episodes),
                        arrays["progress"] if "progress" in arrays.files else None,
                    )
            except BROKEN as error:
                self._lose(self._path(entry), error)
                continue
            yield Record(entry, evaluated)

    def sample(self, count: int = SAMPLE_SIZE) -> list[Entry]:
        """The references and a fair choice of other records, at most `count` in all.

        One record of each generation in turn, the latest first. What is chosen from a generation
        depends on names alone.
        """
        chosen = self.references[:count]
        waiting: dict[int, list[Entry]] = {}
        for entry in sorted(self.entries, key=lambda e: (-e.generation, e.order)):
            if entry not in chosen:
                waiting.setdefault(entry.generation, []).append(entry)
        while len(chosen) < count and any(waiting.values()):
            ready = [entries.pop(0) for entries in waiting.values() if entries]
            chosen += ready[: count - len(chosen)]
        return chosen

    def _path(self, entry: Entry) -> Path:
        return self._folder / f"{entry.name}{SUFFIX}"

    def _enter(self, path: Path) -> None:
        try:
            with open_arrays(path) as arrays:
                entry = Entry(**{f.name: arrays[f.name].item() for f in fields(Entry)})
                missing = {"fitness", "diverged", "episodes/states"} - set(arrays.files)
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
        """Remove records until all fit: from the generation with most of them, exploits last."""
        removable = [entry for entry in self.entries if entry.kind != "reference"]
        total = sum(self._sizes[entry.name] for entry in removable)
        ordinary = [entry for entry in removable if entry.kind != "exploit"]
        exploits = [entry for entry in removable if entry.kind == "exploit"]
        for group in (ordinary, exploits):
            while group and total > self._limit:
                counts = Counter(entry.generation for entry in group)
                fullest = max(counts, key=lambda g: (counts[g], -g))
                first = min((e for e in group if e.generation == fullest), key=lambda e: e.order)
                group.remove(first)
                self._path(first).unlink(missing_ok=True)
                del self._entries[first.name]
                total -= self._sizes.pop(first.name)


def enter_references(bank: Bank, judge: JudgeClient, config: SearchConfig) -> None:
    """Record the untrained policies that the bank does not hold yet.

    Raises:
        JudgeFailed: they cannot be judged.
    """
    there = {entry.policy for entry in bank.entries}
    missing = [kind for kind in SCRIPTED_POLICIES if kind not in there]
    if missing:
        found = judge.run_scripted(missing, pools.RANKING, config.ranking_episodes)
        for kind, evaluated in zip(missing, found, strict=True):
            bank.add(Record(Entry(kind, 0, "reference"), evaluated))


RANDOM, UNTRAINED, PARENT, BETTER, OWN = "random", "untrained", "parent", "better", "own"
"""Groups of the episodes that a candidate is compared with: of random actions, of the other
untrained policies, of its parent's policy, of the best known other policies, of its own policy."""
MOST_BETTER = 2
"""Best known other candidates whose episodes are looked at."""
Groups: TypeAlias = Mapping[str, Sequence[Record]]
"""Records by group; a group may be empty."""


def comparison_groups(row: CandidateRow, candidates: Sequence[CandidateRow], bank: Bank) -> Groups:
    """Read the records that a candidate is compared with, by group.

    Args:
        row: the candidate.
        candidates: those that may be known with it.
        bank: has the episodes.
    """
    by_step = {(e.candidate, e.step): e for e in bank.entries if e.candidate}
    held = {
        other.id: entry
        for other in candidates
        if (entry := by_step.get((other.id, other.checkpoint_step or 0))) is not None
    }
    best = sorted(
        (c for c in candidates if c.id in held and c.id != row.id and c.fitness is not None),
        key=lambda c: (-(c.fitness or 0.0), c.id),
    )
    parents = [parent for parent in row.parents if parent in held and parent != row.id][:1]
    better = [c.id for c in best[:MOST_BETTER] if c.id not in parents]
    entries = {
        RANDOM: [entry for entry in bank.references if entry.policy == RANDOM],
        UNTRAINED: [entry for entry in bank.references if entry.policy != RANDOM],
        PARENT: [held[number] for number in parents],
        BETTER: [held[number] for number in better],
        OWN: [held[row.id]] if row.id in held else [],
    }
    return {name: list(bank.read(group)) for name, group in entries.items()}


def join_groups(groups: Groups) -> EvaluatedEpisodes:
    """The episodes of all groups side by side, labelled with their group."""
    return join_evaluated(
        {name: [record.evaluated for record in group] for name, group in groups.items()}
    )


def with_rewards(
    evaluated: EvaluatedEpisodes, program: RewardProgram, score: Score
) -> EvaluatedEpisodes:
    """The same episodes with a program's rewards on them."""
    components = {
        name: weight * values.astype(np.float64)
        for (name, weight), values in zip(program.weights.items(), score.components, strict=True)
    }
    return replace(evaluated, reward=score.total, component_rewards=components)


ROWS = 250
"""Steps of a record, evenly spread, that stand for all of it where distances are measured."""


@dataclass(frozen=True)
class RewardSample:
    """The rewards of one program on one record.

    Attributes:
        mean: mean reward over all steps of the record.
        total: reward of its sampled steps `[R]`.
        here: components, standing still in the state before each of these steps `[R, C]`.
        there: components, standing still in the state after it `[R, C]`.
    """

    mean: float
    total: FloatArray
    here: FloatArray
    there: FloatArray


@dataclass(frozen=True)
class TransitionSample:
    """The sampled steps of a record, as distances read them.

    Attributes:
        before: packed signals before each step, and the previous action `[R, S + A]`.
        after: packed signals after it, and its action `[R, S + A]`.
        terminated: whether the episode ended there `[R]`.
    """

    before: FloatArray
    after: FloatArray
    terminated: BoolArray


class Scorer:
    """Scores programs on records, each pair once.

    Args:
        bank: has the records.
        prober: calls programs.

    Attributes:
        failures: why programs could not be scored, by text; they are not tried again.
    """

    def __init__(self, bank: Bank, prober: ProbeClient) -> None:
        self._bank, self._prober = bank, prober
        self._rewards: dict[tuple[str, str], RewardSample] = {}
        self._steps: dict[str, TransitionSample] = {}
        self.failures: dict[str, str] = {}

    def score(self, texts: Iterable[str], entries: Sequence[Entry]) -> None:
        """Score what has not been scored yet; programs that fail are left out from then on.

        Raises:
            WorkerFailed: the process that calls programs cannot start; no program is to blame.
            JobFailed: the environment cannot be set up.
        """
        texts = [text for text in dict.fromkeys(texts) if text not in self.failures]
        wanted = {e.name: [t for t in texts if (t, e.name) not in self._rewards] for e in entries}
        unread = [e for e in entries if wanted[e.name] or e.name not in self._steps]
        for record in self._bank.read(unread):
            name, rows = record.entry.name, spread_rows(record.evaluated.alive, ROWS)
            if name not in self._steps:
                self._steps[name] = _transitions(record, rows)
            asked = [text for text in wanted[name] if text not in self.failures]
            scores = self._prober.score(asked, record.episodes, still=True)
            alive = record.evaluated.alive
            for text, score in zip(asked, scores, strict=True):
                if isinstance(score, str):
                    self.failures[text] = score
                    continue
                self._rewards[text, name] = RewardSample(
                    mean=float(score.total[alive].mean(dtype=np.float64)),
                    total=score.total.reshape(-1)[rows],
                    here=score.here.reshape(len(score.here), -1).T[rows],
                    there=score.there.reshape(len(score.there), -1).T[rows],
                )

    def rewards(self, text: str, entry: Entry) -> RewardSample | None:
        """The rewards of a program on a record; None if it was not scored there."""
        return None if text in self.failures else self._rewards.get((text, entry.name))

    def steps(self, entry: Entry) -> TransitionSample | None:
        """The sampled steps of a record that was scored; None if it could not be read."""
        return self._steps.get(entry.name)


def spread_rows(steps: BoolArray, most: int) -> IntArray:
    """Up to `most` of some steps `[L, E]`, evenly spread, as flat indices."""
    rows = np.flatnonzero(steps)
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.int64)]


def _transitions(record: Record, rows: IntArray) -> TransitionSample:
    arrays = record.episodes.arrays()
    states, actions = arrays["states"], arrays["actions"]
    before = arrays.get("before", states[:-1])
    previous = np.concatenate([np.zeros_like(actions[:1]), actions[:-1]])
    last = np.arange(len(actions))[:, None] == arrays["lengths"] - 1

    def sampled(values: NDArray[Any]) -> NDArray[Any]:
        """`[L, E, S]` to `[R, S]`."""
        return values.reshape(-1, values.shape[-1])[rows]

    return TransitionSample(
        before=np.concatenate([sampled(before), sampled(previous)], axis=1),
        after=np.concatenate([sampled(states[1:]), sampled(actions)], axis=1),
        terminated=(last & arrays["terminated"]).reshape(-1)[rows],
    )
