"""Failures: what kind of failures some episodes are, by rules, with where and what was paid then.

It is the first half of the Trajectory Analyzer; a language model may look at the rest. What no rule
fits stays untyped: nothing is said that the recordings do not show.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from eureka_agent.analysis.arrays import BoolArray, FloatArray
from eureka_agent.analysis.rewards.bank import RANDOM, UNTRAINED, Groups, Known
from eureka_agent.analysis.trajectories.episodes import Trajectories, below
from eureka_agent.analysis.trajectories.failure_rules import RULES, Symptom
from eureka_agent.analysis.trajectories.features import (
    EpisodeFeatures,
    Phase,
    TaskProgress,
    late_difference,
)
from eureka_agent.common.text import (
    prompt_line,
    prompt_number,
    prompt_number_beside,
    prompt_percent,
)
from eureka_agent.environment import Environment, SignalLayout
from eureka_agent.reward import RewardProgram
from eureka_agent.store import CandidateRow

MOST_FAILURES = 8
"""Types that are told of."""
EXCESS = 0.1
"""Part of what good episodes are paid by which a component must pay a failed one more than them, to
be exploited."""
IN_PLAY, MOST_IN_PLAY = 0.2, 2
"""Part of the positive income from which a component is in play, and how many are named."""
_MEANINGS = {
    "diverged": "The physics failed",
    "fell": "Fell",
    "ended early": "Ended early without a fall",
    "wrong way": "Went the wrong way",
    "spinning": "Kept turning one way",
    "overshoot": "Reached the goal and left it again",
    "sideways": "Drifted sideways",
    "stuck": "Got stuck after some progress",
    "saturated": "Held its actions at their limits",
    "jitter": "Shook",
    "idle": "Stood still most of the time",
    "nowhere": "Moved but got nowhere",
    "never reached": "Never reached the goal and came no nearer",
}
_IMPLIES = {
    "diverged": ("fell", "ended early"),
    "fell": ("sideways", "overshoot", "never reached", "stuck"),
    "spinning": ("overshoot", "never reached"),
    "idle": ("never reached", "nowhere", "stuck", "ended early", "wrong way", "sideways"),
    "wrong way": ("never reached", "sideways", "stuck"),
}
"""Failures that say nothing more where another one is known."""


@dataclass(frozen=True)
class Failure:
    """One way to fail that some episodes have in common.

    Attributes:
        kind: a key of `symptoms.RULES`, or `cases.EXPLOIT`.
        share: of the failed episodes.
        episodes: which, as indices into all episodes.
        step: at which it begins, the median of them, from 0.
        detail: what shows it in one of them that begins then; may be empty.
        components: those that paid most meanwhile, with what they paid per step.
    """

    kind: str
    share: float
    episodes: tuple[int, ...]
    step: int
    detail: str
    components: tuple[tuple[str, float], ...] = ()

    def sentence(self, failed: int) -> str:
        """The same in a sentence.

        Args:
            failed: how many episodes failed.
        """
        exploit = self.kind == EXPLOIT
        said = f"Exploits {prompt_line(self.components[0][0])}" if exploit else _MEANINGS[self.kind]
        text = f"{said}: {len(self.episodes)} of {failed}, from about step {self.step}"
        detail = f" ({self.detail})" if self.detail else ""
        if exploit:
            return f"{text}{detail}."
        paid = ", ".join(f"{prompt_line(n)} {prompt_number(value)}" for n, value in self.components)
        return f"{text}{detail}." + (f" Paid most per step then: {paid}." if paid else "")


@dataclass(frozen=True)
class Diagnosis:
    """What is known about the failed ones among some episodes.

    Attributes:
        failed: how many failed.
        untyped: how many of them no rule fits.
        measure: what was taken for progress; None if nothing told what it is.
        failures: the types, the most frequent first.
        phases: each failed episode cut into phases, by its index into all episodes.
        head: what is said first, in place of how many failed.
        reach: how far the untyped ones get on the way, in parts of what good ones do; None where
            nothing tells.
        unlike: what sets the last quarter of failed episodes most apart from that of good ones, in
            words; empty without good ones, or if nothing does.
    """

    failed: int
    untyped: int
    measure: TaskProgress | None
    failures: tuple[Failure, ...]
    phases: dict[int, tuple[Phase, ...]]
    head: str = ""
    reach: float | None = None
    unlike: str = ""

    def lines(self) -> list[str]:
        """At most twelve lines for a designer of rewards, in plain ASCII."""
        if not self.failed:
            return ["No episode failed."]
        said = [self.head or f"{self.failed} failed episode{'s' if self.failed != 1 else ''}."]
        if not self.failures and not self.untyped:
            return said
        if self.measure is not None:
            said.append(f"Progress is taken to be {prompt_line(self.measure.phrase)}.")
        said += [failure.sentence(self.failed) for failure in self.failures[:MOST_FAILURES]]
        if self.untyped:
            far = (
                ""
                if self.reach is None
                else f"; they get {prompt_percent(self.reach)} as far as good ones"
            )
            said.append(f"No rule fits {self.untyped} of them{far}.")
        if self.unlike:
            said.append(f"Most unlike good ones in the last quarter: {self.unlike}.")
        return said


def diagnose(recordings: Trajectories, failed: BoolArray, good: BoolArray) -> Diagnosis:
    """Name the ways in which episodes fail.

    Args:
        recordings: all episodes that are known, with the incomes under the program in question.
        failed: which of them are to be explained `[E]`; see `recordings.below`.
        good: which of them do the task well, as a measure for the others `[E]`; there may be none:
            then less can be told. What is both good and failed counts as failed.
    """
    scene = EpisodeFeatures(recordings, good & ~failed)
    sightings: dict[str, list[tuple[int, Symptom]]] = {}
    indices = np.flatnonzero(failed).tolist()
    for episode in indices:
        for kind, symptom in _symptoms(scene, episode).items():
            sightings.setdefault(kind, []).append((episode, symptom))
    failures = [_failure(scene, kind, seen, len(indices)) for kind, seen in sightings.items()]
    failures += _exploits(scene, indices)
    untyped = sorted(set(indices).difference(*(failure.episodes for failure in failures)))
    order = [EXPLOIT, *RULES]
    failures.sort(key=lambda failure: (-failure.share, order.index(failure.kind)))
    return Diagnosis(
        failed=len(indices),
        untyped=len(untyped),
        measure=scene.measure,
        failures=tuple(failures),
        phases={episode: scene.phases(episode) for episode in indices},
        reach=_reach(scene, untyped),
        unlike=_unlike(scene, failed),
    )


def _reach(scene: EpisodeFeatures, episodes: Sequence[int]) -> float | None:
    """How far some episodes get where the task is to travel, in parts of what good ones do."""
    measure = scene.measure
    if not episodes or measure is None or measure.kind != "travel" or not scene.good.any():
        return None
    return float(np.median(scene.recordings.ends(measure.progress)[episodes])) / measure.full


def _unlike(scene: EpisodeFeatures, failed: BoolArray) -> str:
    """What sets failed episodes most apart from good ones late on, besides their progress."""
    found = late_difference(scene.recordings, scene.good, failed, scene.measure)
    if found is None:
        return ""
    column, value, low, high = found
    size = max(abs(value), abs(low), abs(high))
    value, low, high = (prompt_number_beside(v, size) for v in (value, low, high))
    return f"{prompt_line(column.name)} is {value} on average, good ones' {low} to {high}"


def _symptoms(scene: EpisodeFeatures, episode: int) -> dict[str, Symptom]:
    """All that an episode shows, without what follows from the rest of it."""
    found = {kind: rule(scene, episode) for kind, rule in RULES.items()}
    seen = {kind: symptom for kind, symptom in found.items() if symptom is not None}
    implied = {other for kind in seen for other in _IMPLIES.get(kind, ())}
    return {kind: symptom for kind, symptom in seen.items() if kind not in implied}


def _failure(
    scene: EpisodeFeatures, kind: str, seen: Sequence[tuple[int, Symptom]], failed: int
) -> Failure:
    """What episodes with one symptom have in common."""
    middle = sorted((symptom for _, symptom in seen), key=lambda s: s.start)[len(seen) // 2]
    return Failure(
        kind=kind,
        share=len(seen) / failed,
        episodes=tuple(episode for episode, _ in seen),
        step=middle.start,
        detail=middle.detail,
        components=_in_play(scene, seen),
    )


def _in_play(
    scene: EpisodeFeatures, seen: Sequence[tuple[int, Symptom]]
) -> tuple[tuple[str, float], ...]:
    """The components that paid most while a symptom showed, and how much per step."""
    means = {
        name: float(np.mean(np.concatenate([paid[s.start : s.stop, e] for e, s in seen])))
        for name, paid in scene.recordings.incomes.items()
    }
    whole = sum(mean for mean in means.values() if mean > 0)
    ranked = sorted(means.items(), key=lambda item: -item[1])[:MOST_IN_PLAY]
    return tuple((name, mean) for name, mean in ranked if mean > 0 and mean >= IN_PLAY * whole)


def _exploits(scene: EpisodeFeatures, indices: Sequence[int]) -> list[Failure]:
    """Components by which failed episodes earn no less than good ones do, one `Failure` each."""
    recordings = scene.recordings
    if not scene.good.any() or not recordings.incomes:
        return []
    sums = {
        name: np.where(recordings.alive, paid, 0.0).sum(axis=0)
        for name, paid in recordings.incomes.items()
    }
    usual = {name: float(np.median(values[scene.good])) for name, values in sums.items()}
    total = np.sum(list(sums.values()), axis=0)
    enough = float(np.median(total[scene.good]))
    culprits: dict[str, list[int]] = {}
    for episode in indices:
        if total[episode] >= enough:
            culprit = max(sums, key=lambda name: sums[name][episode] - usual[name])
            if sums[culprit][episode] - usual[culprit] > EXCESS * abs(enough):
                culprits.setdefault(culprit, []).append(episode)
    return [
        _exploit(recordings.incomes[name], name, episodes, scene, len(indices))
        for name, episodes in culprits.items()
    ]


def _exploit(
    paid: FloatArray, name: str, episodes: Sequence[int], scene: EpisodeFeatures, failed: int
) -> Failure:
    """Failed episodes that earn as much as good ones by one component."""
    recordings = scene.recordings
    usual = float(np.mean(paid[:, scene.good][recordings.alive[:, scene.good]]))
    lived = recordings.alive[:, list(episodes)]
    own = paid[:, list(episodes)]
    gained = float(own[lived].mean())
    starts = [int((own[:, i] > usual).argmax()) for i in range(len(episodes))]
    return Failure(
        kind=EXPLOIT,
        share=len(episodes) / failed,
        episodes=tuple(episodes),
        step=int(np.median(starts)),
        detail=f"in all paid no less than good ones; {prompt_line(name)} pays these {prompt_number(gained)} per "
        f"step, good ones {prompt_number(usual)}",
        components=((name, gained),),
    )


EXPLOIT = "exploit"
"""The kind of episodes in which a policy earned much by what nobody wanted."""


Document: TypeAlias = dict[str, Any]

GOOD_SHARE = 0.8
"""A good episode comes at least so far from random actions to the best known policy."""
FAILED_SHARE = 0.5
"""A failed one comes less far than this."""
NO_FAULTS = (EXPLOIT, "idle")
"""What is a failure only of those that failed: to be paid as much as good ones, to hold still."""


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
            untrained = prompt_number(self.untrained)
            return (
                f"No policy does better yet than the best one without training ({untrained}): all "
                f"of its {episodes} episodes fail. How, by rules:"
            )
        way = (
            f"half of the way from random actions ({prompt_number(self.floor)}) to the best known policy "
            f"({prompt_number(self.best)})"
        )
        if failed:
            verb = "comes" if failed == 1 else "come"
            return f"Of its {episodes} episodes {failed} {verb} less than {way}. How, by rules:"
        return f"Each of its {episodes} episodes comes at least {way}."


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


def recordings_of(known: Known, program: RewardProgram, environment: Environment) -> Trajectories:
    """The same as the analysis reads it: what programs may read, and no score that comes after."""
    arrays = known.episodes.arrays()
    width = SignalLayout(environment.signals_described).width
    return Trajectories.of_episodes(
        environment.signals_described,
        arrays | {"states": arrays["states"][:, :, :width]},
        environment.control_step,
        known.fitness,
        known.diverged,
        known.incomes(program),
    )


def diagnosis_of(recordings: Trajectories, own: BoolArray, bars: Bars | None) -> Diagnosis:
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


def _diagnosed(recordings: Trajectories, looked_at: BoolArray, good: BoolArray) -> Diagnosis:
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
