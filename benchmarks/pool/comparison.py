"""The comparison: what orders programs as their true fitness does, and what clustering saves.

A guess is made on one seed, as a search would, and held against the true fitness of the trainings
on the other seeds; its correlation is the mean over seeds. A program whose training failed ranks
last.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.pool.ranks import Correlation, Values, correlate, kendall, mean_of, spearman
from eureka_agent.environment.episodes import BoolArray

Seeds: TypeAlias = Mapping[str, Mapping[str, Sequence[Any]]]
"""By seed what `guesses` tells of all programs."""
Correlations: TypeAlias = dict[tuple[str, str, str], Correlation | None]
"""By guess, set of programs and statistic; None where nothing can be said."""
Document: TypeAlias = dict[str, dict[str, Any]]
STATISTICS = {"spearman": spearman, "kendall": kendall}
CLUSTERS = ("twins", "equals")
"""Programs that a search sends back after its first generation, and all that count as the same."""

SETS = ("all", "unseen", "sound")
"""All programs, those whose policies the exam has not seen, the sound ones of authors."""


@dataclass(frozen=True)
class Fates:
    """What became of the programs of an environment on `S` seeds.

    Attributes:
        seeds: complete ones.
        kinds: of the programs `[N]`.
        true: fitness on the reporting pool, minus infinity for those that failed `[S, N]`.
        own: own return of what shipped, likewise `[S, N]`.
    """

    seeds: tuple[str, ...]
    kinds: NDArray[np.str_]
    true: Values
    own: Values

    @property
    def mean(self) -> Values:
        """True fitness, the mean over seeds `[N]`."""
        return self.true.mean(axis=0)


def fates(document: Mapping[str, Any], wanted: Iterable[str]) -> Fates:
    """Read the results of an environment on some seeds; those not complete are left out."""
    programs = document["programs"]
    seeds = tuple(s for s in sorted(wanted) if all(s in p["seeds"] for p in programs))

    def read(name: str) -> Values:
        rows = [[p["seeds"][seed][name] for p in programs] for seed in seeds]
        array = np.array(rows, dtype=np.float64).reshape(len(seeds), len(programs))
        return np.where(np.isnan(array), -np.inf, array)

    kinds = np.array([program["kind"] for program in programs])
    return Fates(seeds, kinds, read("true_fitness"), read("shipped_own_return"))


def correlations(found: Fates, seeds: Seeds, chance: int = 0) -> Correlations:
    """Every guess against the truth: of other seeds, or of its own while there is no other.

    Args:
        found: the truth.
        seeds: the guesses.
        chance: seed of the intervals.
    """
    guesses = measures(found, seeds)
    truth = found.true
    if len(found.seeds) > 1:
        truth = others_mean(found.true)
        guesses = {"one_seed": found.true} | guesses
    known_early = np.array(next(iter(seeds.values()))["known_early"])
    chosen: tuple[BoolArray, ...] = (known_early | True, ~known_early, found.kinds == "sound")
    return {
        (name, which, kind): correlate(values[:, some], truth[:, some], statistic, chance)
        for name, values in guesses.items()
        for which, some in zip(SETS, chosen, strict=True)
        for kind, statistic in STATISTICS.items()
    }


def together(parts: Sequence[Correlations]) -> Correlations:
    """Means over environments, of those that are known in all of them."""
    means: Correlations = {}
    for key in parts[0] if parts else ():
        values = [value for part in parts if (value := part.get(key)) is not None]
        means[key] = mean_of(values) if len(values) == len(parts) else None
    return means


def plain(found: Correlations) -> dict[str, dict[str, dict[str, Any]]]:
    """Correlations as kept: by guess, set and statistic."""
    kept: dict[str, dict[str, dict[str, Any]]] = {}
    for (name, which, kind), value in found.items():
        kept.setdefault(name, {}).setdefault(which, {})[kind] = value.as_dict() if value else None
    return kept


def measures(found: Fates, seeds: Seeds) -> dict[str, Values]:
    """All guesses, more being better, NaN where unknown `[S, N]`."""

    def read(name: str) -> Values:
        return np.array([seeds[seed][name] for seed in found.seeds], dtype=np.float64)

    return {
        "own_return": found.own,
        "peers": np.where(np.isinf(found.true), -np.inf, read("peers")),
        "exam": read("exam"),
        "queue": read("exam") - 2.0 * read("suspect") - 4.0 * read("refused"),
        "human": -read("human_distance"),
    }


def others_mean(true: Values) -> Values:
    """For each seed the mean of all others `[S, N]`."""
    return np.stack([np.delete(true, s, axis=0).mean(axis=0) for s in range(len(true))])


def savings(found: Fates, seeds: Seeds, which: str) -> dict[str, Any]:
    """What it saves to train of equivalents the first alone, and what that costs.

    Args:
        found: true fitness.
        seeds: guesses.
        which: the name of the clusters among them.

    Returns:
        By seed the trainings `saved`, of as many `programs`, and the best true fitness of those
        `kept`, beside the `best` of all. Then mean differences of true fitness: on one seed between
        a program and the one that it equals (`within`), and of such programs between two seeds
        (`noise`); None where there are none.
    """
    places = np.arange(found.true.shape[1])
    saved, kept, within, noise = [], [], [], []
    for s, seed in enumerate(found.seeds):
        first = np.array(seeds[seed][which])
        alone = first == places
        saved.append(int((~alone).sum()))
        kept.append(float(found.mean[alone].max()))
        within += _apart(found.true[s][~alone], found.true[s][first][~alone])
        for other in range(len(found.seeds)):
            if other != s:
                noise += _apart(found.true[s][~alone], found.true[other][~alone])
    return {
        "programs": len(places),
        "saved": saved,
        "best": float(found.mean.max()),
        "kept": kept,
        "within": float(np.mean(within)) if within else None,
        "noise": float(np.mean(noise)) if noise else None,
    }


def compared(trained: Mapping[str, Mapping[str, Any]], guessed: Mapping[str, Seeds]) -> Document:
    """All that the tables say.

    Args:
        trained: by environment the results, as `results.document` makes them.
        guessed: by environment and seed what `guesses` tells.
    """
    environments, parts = {}, []
    for chance, (name, seeds) in enumerate(sorted(guessed.items())):
        found = fates(trained[name], seeds)
        if not found.seeds:
            continue
        parts.append(correlations(found, seeds, chance))
        environments[name] = {
            "complete": list(found.seeds),
            "seeds": dict(seeds),
            "correlations": plain(parts[-1]),
            "savings": {which: savings(found, seeds, which) for which in CLUSTERS},
        }
    return {"environments": environments, "together": plain(together(parts))}


def _apart(first: Values, second: Values) -> list[float]:
    """Differences, where both trainings gave a policy."""
    both = np.isfinite(first) & np.isfinite(second)
    return np.abs(first[both] - second[both]).tolist()
