"""Failures: how a policy's episodes fail, by rules, and what the program paid meanwhile.

This is the first half of the trajectory analyzer; a language model may look at the rest. Failures
that no rule fits stay untyped. Everything follows from the bank and the candidates as they are
stored, so a killed search comes to the same results again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eureka_agent.analysis.trajectories.episodes import FitnessScale, Trajectories
from eureka_agent.analysis.trajectories.failure_rules import RULES, Symptom
from eureka_agent.analysis.trajectories.features import (
    EpisodeFeatures,
    Phase,
    TaskProgress,
    late_difference,
)
from eureka_agent.common.text import (
    plural,
    prompt_line,
    prompt_number,
    prompt_number_beside,
    prompt_percent,
)
from eureka_agent.environment.episodes import BoolArray, FloatArray

EXPLOIT = "exploit"
"""The kind of episodes in which a policy hacks its reward: high returns without the task."""
NOT_FAULTS = (EXPLOIT, "idle")
"""Failures only of episodes that failed: others may be paid as much as good ones, or hold still."""
MOST_FAILURES = 8
"""Types that are listed."""
EXCESS = 0.1
"""Part of good episodes' return by which a component must pay a failed one more than them, to be
exploited."""
IN_PLAY, MOST_IN_PLAY = 0.2, 2
"""Part of all positive rewards from which a component is in play, and how many are named."""
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
"""Failures that add nothing where another one is known."""


@dataclass(frozen=True)
class Failure:
    """One way to fail that some episodes have in common.

    Attributes:
        kind: a key of `failure_rules.RULES`, or `EXPLOIT`.
        share: fraction of the failed episodes.
        episodes: these episodes, as indices into all.
        step: the median step at which it begins, from 0.
        detail: the evidence in one of them that begins then; may be empty.
        components: those that paid most meanwhile, with their mean reward per step.
    """

    kind: str
    share: float
    episodes: tuple[int, ...]
    step: int
    detail: str
    components: tuple[tuple[str, float], ...] = ()

    def sentence(self, failed: int) -> str:
        """The failure in a sentence, given how many episodes failed."""
        exploit = self.kind == EXPLOIT
        said = f"Exploits {prompt_line(self.components[0][0])}" if exploit else _MEANINGS[self.kind]
        text = f"{said}: {len(self.episodes)} of {failed}, from about step {self.step}"
        text += f" ({self.detail})." if self.detail else "."
        if exploit or not self.components:
            return text
        paid = ", ".join(f"{prompt_line(n)} {prompt_number(value)}" for n, value in self.components)
        return f"{text} Paid most per step then: {paid}."


@dataclass(frozen=True)
class Diagnosis:
    """The failures among some episodes.

    Attributes:
        failed: number of failed episodes.
        untyped: number of those that no rule fits.
        measure: of progress; None if unknown.
        failures: the types, the most frequent first.
        phases: each failed episode cut into phases, by its index into all episodes.
        head: the first sentence, in place of how many failed.
        reach: the way of the untyped ones, relative to good ones; None if unknown.
        unlike: the column that sets the last quarter of failed episodes most apart from good ones,
            in words; empty without good ones, or if none does.
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
        said = [self.head or f"{plural(self.failed, 'failed episode')}."]
        if not self.failures and not self.untyped:
            return said
        if self.measure is not None:
            said.append(f"Progress is taken to be {prompt_line(self.measure.phrase)}.")
        said += [failure.sentence(self.failed) for failure in self.failures[:MOST_FAILURES]]
        if self.untyped:
            far = ""
            if self.reach is not None:
                far = f"; they get {prompt_percent(self.reach)} as far as good ones"
            said.append(f"No rule fits {self.untyped} of them{far}.")
        if self.unlike:
            said.append(f"Most unlike good ones in the last quarter: {self.unlike}.")
        return said

    def as_dict(self, fitness: FloatArray, scale: FitnessScale | None) -> dict[str, Any]:
        """The diagnosis as `AnalysisRow.failures` holds it.

        Args:
            fitness: of each of the policy's episodes `[E]`.
            scale: separates failed ones.
        """
        head, *lines = self.lines()
        return {
            "episodes": len(fitness),
            "failed": 0 if scale is None else int(scale.failed(fitness).sum()),
            "untyped": self.untyped,
            "progress": self.measure and self.measure.phrase,
            "types": [
                {
                    "kind": failure.kind,
                    "share": failure.share,
                    "step": failure.step,
                    "components": dict(failure.components),
                    "sentence": failure.sentence(self.failed),
                }
                for failure in self.failures[:MOST_FAILURES]
            ],
            "lines": [head, *(f"- {line}" for line in lines)],
        }


def diagnose_policy(known: Trajectories, own: BoolArray, scale: FitnessScale | None) -> Diagnosis:
    """Explain a policy's failed episodes, or all of them where none failed or nothing says which.

    Args:
        known: all known episodes.
        own: those of the policy `[E]`, at least one.
        scale: separates good and failed episodes; None without a fitness.
    """
    none, count = np.zeros_like(own), int(own.sum())
    failed = none if scale is None else own & scale.failed(known.fitness)
    good = none if scale is None else scale.good(known.fitness)
    if scale is not None and failed.any():
        head = scale.headline(count, int(failed.sum()))
        return replace(_diagnose_also_without_good(known, failed, good), head=head)
    if scale is not None and known.fitness[own].mean() >= scale.best:
        good = none  # episodes that do the task less well are no yardstick for the best
    found = _diagnose_also_without_good(known, own, good & ~own)
    shown = tuple(failure for failure in found.failures if failure.kind not in NOT_FAULTS)
    head = "" if scale is None else f"{scale.headline(count, 0)} "
    head += f"What its {count} episodes show, by rules:" if shown else "No rule finds a fault."
    return replace(found, failures=shown, untyped=0, unlike="", head=head)


def _diagnose_also_without_good(
    known: Trajectories, explained: BoolArray, good: BoolArray
) -> Diagnosis:
    """A diagnosis; where good episodes show the same, one that does not compare with them."""
    found = diagnose(known, explained, good)
    if found.failures or not good.any():
        return found
    alone = diagnose(known, explained, np.zeros_like(good))
    return replace(alone, unlike=found.unlike) if alone.failures else found


def diagnose(known: Trajectories, failed: BoolArray, good: BoolArray) -> Diagnosis:
    """Name the ways in which episodes fail.

    Args:
        known: all known episodes, with the rewards under the program in question.
        failed: which of them to explain `[E]`.
        good: which of them do the task well, as a yardstick `[E]`; without any, fewer rules apply.
            An episode that is both counts as failed.
    """
    features = EpisodeFeatures(known, good & ~failed)
    sightings: dict[str, list[tuple[int, Symptom]]] = {}
    indices = np.flatnonzero(failed).tolist()
    for episode in indices:
        for kind, symptom in _symptoms(features, episode).items():
            sightings.setdefault(kind, []).append((episode, symptom))
    failures = [_failure(features, kind, seen, len(indices)) for kind, seen in sightings.items()]
    failures += _exploits(features, indices)
    untyped = sorted(set(indices).difference(*(failure.episodes for failure in failures)))
    order = [EXPLOIT, *RULES]
    failures.sort(key=lambda failure: (-failure.share, order.index(failure.kind)))
    return Diagnosis(
        failed=len(indices),
        untyped=len(untyped),
        measure=features.measure,
        failures=tuple(failures),
        phases={episode: features.episode(episode).phases for episode in indices},
        reach=_reach(features, untyped),
        unlike=_unlike(features, failed),
    )


def _reach(features: EpisodeFeatures, episodes: Sequence[int]) -> float | None:
    """The way of some episodes where the task is to travel, relative to good ones."""
    measure = features.measure
    if not episodes or measure is None or measure.kind != "travel" or not features.good.any():
        return None
    return float(np.median(features.known.ends(measure.progress)[episodes])) / measure.full


def _unlike(features: EpisodeFeatures, failed: BoolArray) -> str:
    """The column besides progress that sets failed episodes most apart from good ones late on."""
    found = late_difference(features.known, features.good, failed, features.measure)
    if found is None:
        return ""
    column, *values = found
    size = max(map(abs, values))
    value, low, high = (prompt_number_beside(v, size) for v in values)
    return f"{prompt_line(column.name)} is {value} on average, good ones' {low} to {high}"


def _symptoms(features: EpisodeFeatures, episode: int) -> dict[str, Symptom]:
    """The symptoms of an episode, without those that follow from others."""
    one = features.episode(episode)
    found = {kind: rule(one) for kind, rule in RULES.items()}
    seen = {kind: symptom for kind, symptom in found.items() if symptom is not None}
    implied = {other for kind in seen for other in _IMPLIES.get(kind, ())}
    return {kind: symptom for kind, symptom in seen.items() if kind not in implied}


def _failure(
    features: EpisodeFeatures, kind: str, seen: Sequence[tuple[int, Symptom]], failed: int
) -> Failure:
    """The failure that episodes with one symptom share."""
    middle = sorted((symptom for _, symptom in seen), key=lambda s: s.start)[len(seen) // 2]
    means = {
        name: float(np.mean(np.concatenate([paid[s.start : s.stop, e] for e, s in seen])))
        for name, paid in features.known.evaluated.component_rewards.items()
    }
    whole = sum(mean for mean in means.values() if mean > 0)
    ranked = sorted(means.items(), key=lambda item: -item[1])[:MOST_IN_PLAY]
    return Failure(
        kind=kind,
        share=len(seen) / failed,
        episodes=tuple(episode for episode, _ in seen),
        step=middle.start,
        detail=middle.detail,
        components=tuple((n, mean) for n, mean in ranked if mean > 0 and mean >= IN_PLAY * whole),
    )


def _exploits(features: EpisodeFeatures, indices: Sequence[int]) -> list[Failure]:
    """Components by which failed episodes return no less than good ones do, one `Failure` each."""
    rewards, alive = features.known.evaluated.component_rewards, features.known.alive
    if not features.good.any() or not rewards:
        return []
    sums = {name: np.where(alive, paid, 0.0).sum(axis=0) for name, paid in rewards.items()}
    usual = {name: float(np.median(values[features.good])) for name, values in sums.items()}
    total = np.sum(list(sums.values()), axis=0)
    enough = float(np.median(total[features.good]))
    culprits: dict[str, list[int]] = {}
    for episode in indices:
        if total[episode] >= enough:
            culprit = max(sums, key=lambda name: sums[name][episode] - usual[name])
            if sums[culprit][episode] - usual[culprit] > EXCESS * abs(enough):
                culprits.setdefault(culprit, []).append(episode)
    return [_exploit(features, name, found, len(indices)) for name, found in culprits.items()]


def _exploit(features: EpisodeFeatures, name: str, episodes: Sequence[int], failed: int) -> Failure:
    """Failed episodes that return as much as good ones by one component."""
    alive, paid = features.known.alive, features.known.evaluated.component_rewards[name]
    usual = float(np.mean(paid[:, features.good][alive[:, features.good]]))
    own = paid[:, list(episodes)]
    gained = float(own[alive[:, list(episodes)]].mean())
    starts = [int((own[:, i] > usual).argmax()) for i in range(len(episodes))]
    return Failure(
        kind=EXPLOIT,
        share=len(episodes) / failed,
        episodes=tuple(episodes),
        step=int(np.median(starts)),
        detail=f"in all paid no less than good ones; {prompt_line(name)} pays these "
        f"{prompt_number(gained)} per step, good ones {prompt_number(usual)}",
        components=((name, gained),),
    )
