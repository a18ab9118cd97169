"""What recorded episodes tell of a candidate: its own policy's beside untrained and better ones.

Everything follows from the bank and the candidates as they are stored, so that a search that was
killed comes to the same again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from eureka_agent.analysis.arrays import BoolArray, FloatArray
from eureka_agent.analysis.bank import Bank, Entry, Record
from eureka_agent.analysis.trajectories.episodes import Recordings, below
from eureka_agent.analysis.trajectories.failures import MOST_FAILURES, Diagnosis, diagnose
from eureka_agent.analysis.trajectories.labelled import EXPLOIT
from eureka_agent.common.plain_text import number
from eureka_agent.environment import Environment, Episodes, SignalLayout
from eureka_agent.reward import RewardProgram
from eureka_agent.store import CandidateRow
from eureka_agent.workers.replies import Score

Document: TypeAlias = dict[str, Any]
Groups: TypeAlias = Mapping[str, Sequence[Record]]
"""Records by group."""

RANDOM, UNTRAINED, PARENT, BETTER, OWN = "random", "untrained", "parent", "better", "own"
"""Groups of the episodes: by random actions, by other policies that nobody trained, by the parent's
policy, by others' that are the best known ones, by the candidate's own."""
MOST_BETTER = 2
"""Other candidates, the best known ones, whose episodes are looked at beside the own."""
GOOD_SHARE = 0.8
"""A good episode comes at least so far from random actions to the best known policy."""
FAILED_SHARE = 0.5
"""A failed one comes less far than this."""
NO_FAULTS = (EXPLOIT, "idle")
"""What is a failure only of those that failed: to be paid as much as good ones, to hold still."""


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


@dataclass(frozen=True)
class Bars:
    """What sets episodes apart by fitness, means over the episodes of a policy.

    Attributes:
        floor: what random actions get.
        untrained: what the best policy gets that nobody trained.
        best: what the best trained policy gets.
    """

    floor: float
    untrained: float
    best: float

    @property
    def meaningful(self) -> bool:
        """Whether training has led to anything better than no training yet."""
        return self.best > self.untrained

    def failed(self, fitness: FloatArray) -> BoolArray:
        """Which episodes failed; all, where no policy does better than untrained ones `[E]`."""
        if not self.meaningful:
            return np.ones(fitness.shape, dtype=np.bool_)
        return below(fitness, self.floor, self.best, FAILED_SHARE)

    def good(self, fitness: FloatArray) -> BoolArray:
        """Which episodes do the task as well as any known one `[E]`."""
        bar = self.floor + GOOD_SHARE * (self.best - self.floor)
        return (fitness >= bar) & self.meaningful

    def head(self, episodes: int, failed: int) -> str:
        """What is said of a policy first, for a designer.

        Args:
            episodes: how many there are of it.
            failed: how many of them failed.
        """
        if not self.meaningful:
            untrained = number(self.untrained)
            return (
                f"No policy does better yet than the best one without training ({untrained}): all "
                f"of its {episodes} episodes fail. How, by rules:"
            )
        way = (
            f"half of the way from random actions ({number(self.floor)}) to the best known policy "
            f"({number(self.best)})"
        )
        if failed:
            verb = "comes" if failed == 1 else "come"
            return f"Of its {episodes} episodes {failed} {verb} less than {way}. How, by rules:"
        return f"Each of its {episodes} episodes comes at least {way}."


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


def bars_of(candidates: Sequence[CandidateRow], groups: Groups) -> Bars | None:
    """What sets good and failed episodes apart; None where no fitness tells.

    Args:
        candidates: all that may be known, with their fitness.
        groups: of records.
    """
    known = [row.fitness for row in candidates if row.fitness is not None]
    random = [record.seen.fitness.mean() for record in groups[RANDOM]]
    others = [record.seen.fitness.mean() for record in groups[UNTRAINED]]
    if not known or not random:
        return None
    return Bars(float(random[0]), float(max(random + others)), max(known))


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


def recordings_of(known: Known, program: RewardProgram, environment: Environment) -> Recordings:
    """The same as the analysis reads it: what programs may read, and no score that comes after."""
    arrays = known.episodes.arrays()
    width = SignalLayout(environment.signals_described).width
    return Recordings.of_episodes(
        environment.signals_described,
        arrays | {"states": arrays["states"][:, :, :width]},
        environment.control_step,
        known.fitness,
        known.diverged,
        known.incomes(program),
    )


def diagnosis_of(recordings: Recordings, own: BoolArray, bars: Bars | None) -> Diagnosis:
    """Why a policy's episodes fail; where none did, or nothing tells which, what all of them show.

    Args:
        recordings: of all known episodes.
        own: which are the policy's `[E]`, at least one.
        bars: what sets failed ones apart.
    """
    nobody, count = np.zeros_like(own), int(own.sum())
    failed = nobody if bars is None else own & bars.failed(recordings.fitness)
    good = nobody if bars is None else bars.good(recordings.fitness)
    if bars is not None and failed.any():
        head = bars.head(count, int(failed.sum()))
        return replace(_diagnosed(recordings, failed, good), head=head)
    if bars is not None and recordings.fitness[own].mean() >= bars.best:
        good = nobody  # those that do it less well are no measure for the best
    found = _diagnosed(recordings, own, good & ~own)
    shown = tuple(failure for failure in found.failures if failure.kind not in NO_FAULTS)
    head = "" if bars is None else f"{bars.head(count, 0)} "
    head += f"What its {count} episodes show, by rules:" if shown else "No rule finds a fault."
    return replace(found, failures=shown, untyped=0, unlike="", head=head)


def _diagnosed(recordings: Recordings, looked_at: BoolArray, good: BoolArray) -> Diagnosis:
    """A diagnosis; where good episodes show the same, one that does not compare with them."""
    found = diagnose(recordings, looked_at, good)
    if found.failures or not good.any():
        return found
    alone = diagnose(recordings, looked_at, np.zeros_like(good))
    return replace(alone, unlike=found.unlike) if alone.failures else found


def failures_document(diagnosis: Diagnosis, fitness: FloatArray, bars: Bars | None) -> Document:
    """A diagnosis as `AnalysisRow.failures` holds it.

    Args:
        diagnosis: of the policy's episodes.
        fitness: of these.
        bars: what sets failed ones apart.
    """
    head, *lines = diagnosis.lines()
    return {
        "episodes": len(fitness),
        "failed": 0 if bars is None else int(bars.failed(fitness).sum()),
        "untyped": diagnosis.untyped,
        "progress": diagnosis.measure and diagnosis.measure.phrase,
        "types": [
            {
                "kind": failure.kind,
                "share": failure.share,
                "step": failure.step,
                "components": dict(failure.components),
                "sentence": failure.sentence(diagnosis.failed),
            }
            for failure in diagnosis.failures[:MOST_FAILURES]
        ],
        "lines": [head, *(f"- {line}" for line in lines)],
    }
