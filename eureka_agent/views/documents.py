"""A run as plain documents: the `--json` output.

Fields may be added, never renamed. `verdict` gives the result of the run in a sentence. `best` and
`baselines` hold results, from the reporting pool, as do `published_baselines`, which came with the
environment; `fitness` in `generations` and `candidates` is from the ranking pool, by which the
search chooses.
"""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eureka_agent.common.errors import UsageError
from eureka_agent.common.statistics import FEWEST_TRAININGS, compare
from eureka_agent.store import CandidateRow, RunReader, list_runs
from eureka_agent.store.folder import read_plain
from eureka_agent.store.reading import MODEL_TRIES
from eureka_agent.store.trust import LARGEST_FITNESS, OWN_FITNESS
from eureka_agent.views.snapshot import (
    CandidateSnapshot,
    Document,
    RunSnapshot,
    candidate_snapshot,
    results_snapshot,
)
from eureka_agent.views.verdict import verdict, why_first


def runs_document(directory: Path) -> list[Document]:
    """The runs in a directory, newest first; of an unreadable one `run`, `path` and `failure`."""
    documents = []
    for path in list_runs(directory):
        try:
            with RunReader.open(path) as run, run.transaction():
                documents.append(_run_line(RunSnapshot(run)))
        except UsageError as error:
            documents.append({"run": path.name, "path": str(path), "failure": error.message})
    return documents


def _run_line(run: RunSnapshot) -> Document:
    row, found = run.row, verdict(run)
    return {
        "run": run.name,
        "verdict": found.sentence,
        "solved": found.solved,
        "path": str(run.path),
        "environment": row.environment,
        "goal": row.goal,
        "status": run.status,
        "created": row.created,
        "generations": len(run.generations),
        "candidates": sum(generation.candidates for generation in run.generations),
        "best": {
            "candidate": row.best_candidate,
            "fitness": run.winner.mean,
            "expected": run.expected,
            "trainings": len(run.winner.values),
        },
        "measured": run.measured,
        "env_steps": row.env_steps,
        "wall_seconds": row.wall_seconds,
        "failure": row.failure,
    }


def run_document(reader: RunReader) -> Document:
    """A run from one moment: the document of `show RUN --json`."""
    with reader.transaction():
        return describe_run(RunSnapshot(reader))


def describe_run(run: RunSnapshot) -> Document:
    """The document of a run."""
    row, found, known = run.row, verdict(run), run.reward_comparison
    insight = ("distances", "matrix", "peers", "alarms", "said", "reviews")
    return {
        "run": run.name,
        "verdict": found.sentence,
        "solved": found.solved,
        "advice": list(found.advice),
        "path": str(run.path),
        "environment": row.environment,
        "goal": row.goal,
        "status": run.status,
        "phase": row.phase,
        "failure": row.failure,
        "created": row.created,
        "seed": row.seed,
        "sandbox": row.sandbox,
        "best": _best(run),
        "baselines": {
            "human": run.estimates["human"].mean,
            "fitness_only": run.estimates["fitness"].mean,
        },
        "published_baselines": run.published,
        "comparison": _comparison(run),
        "measure": row.measure,
        "generations": [
            asdict(generation)
            | {"failures": failure_shares(run.run.failures(generation.generation))}
            for generation in run.generations
        ],
        "candidates": [_candidate(run, candidate) for candidate in run.candidates],
        "ranking_episodes": row.config.get("ranking_episodes"),
        "ranked_by": row.config.get("rank_by", "fitness"),
        "measured": run.measured,
        **{name: getattr(known, name) if known else None for name in insight},
        "usage": _usage(run),
        "env_steps": row.env_steps,
        "env_steps_per_second": run.steps_per_second,
        "wall_seconds": row.wall_seconds,
    }


def _best(run: RunSnapshot) -> Document | None:
    best = run.best
    if best is None:
        return None
    return {
        "candidate": best.id,
        "fitness": run.winner.mean,
        "expected": run.expected,
        "why": why_first(run, best.id),
        "own_return": best.own_return,
        "policy_fitness": run.policy_fitness,
        "reward_path": str(run.path / "best" / "reward.py"),
        "policy_path": str(run.policy) if run.policy else None,
        "ranking_fitness": best.fitness,
        "ranking_mean": run.ranking_mean,
        "progress": best.progress,
        "generation": best.generation,
        "parents": list(best.parents),
        "thought": best.thought,
        "text": best.text,
        "reproduced": run.reproduced,
    }


def _comparison(run: RunSnapshot) -> Document:
    """The winner beside the baselines, over training runs on fresh seeds."""
    winner, human, bare = run.estimates.values()
    return {
        "winner": asdict(winner),
        "human": asdict(human),
        "fitness_only": asdict(bare),
        "score": asdict(run.score),
        "against_human": asdict(compare(winner, human, run.untrained)),
        "against_bare": asdict(compare(winner, bare, run.untrained)),
        "one_function": run.one_function,
    }


def _usage(run: RunSnapshot) -> Document:
    """What the language model was used for; the cost is None where it is not known."""
    return {
        "calls": sum(role.calls for role in run.usage),
        "prompt_tokens": run.prompt_tokens,
        "completion_tokens": run.completion_tokens,
        "cost": run.cost,
        "by_role": {role.role: _without(asdict(role), "role") for role in run.usage},
    }


def _candidate(run: RunSnapshot, candidate: CandidateRow) -> Document:
    """A candidate, with its `rank` from 1 on and what it ranks by: means over so many `seeds`."""
    ranked = run.ranks.get(candidate.id)
    return _without(asdict(candidate), "text", "reflections") | {
        "reflection": candidate.reflection,
        "rank": ranked and ranked.rank,
        "ranking_value": ranked and ranked.value,
        "ranking_progress": ranked and ranked.progress,
        "seeds": ranked.trainings if ranked else 0,
        "reward_path": str(run.run.candidate_folder(candidate.id) / "reward.py"),
    }


def candidate_document(reader: RunReader, number: int) -> Document:
    """A candidate from one moment: the document of `show RUN CANDIDATE --json`.

    Raises:
        UsageError: the run has no such candidate.
    """
    with reader.transaction():
        return describe_candidate(candidate_snapshot(RunSnapshot(reader), number))


def describe_candidate(candidate: CandidateSnapshot) -> Document:
    """The document of a candidate."""
    return {
        "run": candidate.run.name,
        **_candidate(candidate.run, candidate.row),
        "why": why_first(candidate.run, candidate.row.id),
        "text": candidate.row.text,
        **_without(asdict(candidate.analysis), "candidate_id"),
        "drafts": [_without(asdict(draft), "candidate_id") for draft in candidate.drafts],
        "exchanges": [  # the questions lie in the candidate's folder
            _without(asdict(exchange), "id", "messages", "generation", "slot")
            for exchange in candidate.exchanges
        ],
        "trainings": [
            _without(asdict(training), "candidate_id")
            | {
                "evaluations": [
                    _without(asdict(row), "id", "training_id")
                    for row in candidate.evaluations[training.id]
                ]
            }
            for training in candidate.trainings
        ],
    }


def _without(document: Document, *keys: str) -> Document:
    return {key: value for key, value in document.items() if key not in keys}


def failure_shares(failures: Sequence[Document]) -> dict[str, float]:
    """The fraction of the episodes of some candidates in which each type of failure shows.

    If some episodes of a candidate failed, only these count.

    Args:
        failures: of each candidate, as in `AnalysisRow`.
    """
    episodes = sum(entry.get("episodes", 0) for entry in failures)
    shares: dict[str, float] = {}
    for entry in failures:
        for found in entry.get("types", ()):
            part = found["share"] * (entry["failed"] or entry["episodes"]) / episodes
            shares[found["kind"]] = shares.get(found["kind"], 0.0) + part
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def exchange_name(role: str, attempt: int) -> str:
    """What people call a question to the language model and its answer."""
    match role:
        case "designer":
            return "First program"
        case "repair":
            return f"Repair {attempt}"
        case "reviewer":
            again = ", asked again" if attempt % MODEL_TRIES else ""
            return f"Review {attempt // MODEL_TRIES + 1}{again}"
        case _:
            return role.capitalize() + (", asked again" if attempt else "")


# Several runs side by side

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
KEPT = (
    "run", "path", "verdict", "solved", "environment", "goal", "status", "created", "baselines",
    "env_steps", "env_steps_per_second", "wall_seconds",
)  # fmt: skip
"""Fields of a run's own document that the comparison repeats."""


def comparison_document(paths: Sequence[Path]) -> Document:
    """Runs side by side: the document of `runs compare --json`.

    Returns:
        `runs`, each with its result, its generations and what it spent; `settings`, those that
        differ, with a value per run; `comparable`, whether fitness means the same in all;
        `against_first`, for each comparable run how its winner differs from that of the first;
        `warnings`, what else to know before believing the numbers.

    Raises:
        UsageError: fewer than two runs or more than there are letters, one twice, or unreadable.
    """
    resolved = [path.resolve() for path in paths]
    twice = next((path for path in resolved if resolved.count(path) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice.name} is named twice.", "Name different runs.")
    if not 2 <= len(paths) <= len(LETTERS):
        raise UsageError(
            f"{len(paths)} runs were named.", f"Name 2 to {len(LETTERS)} runs to compare."
        )
    with ExitStack() as stack:
        readers = [stack.enter_context(RunReader.open(path)) for path in paths]
        runs = [results_snapshot(reader) for reader in readers]
        documents = [run_document(reader) for reader in readers]
        comparable, warnings = _differences(runs)
    few = [
        letter
        for letter, run in zip(LETTERS, runs, strict=False)
        if run.row.best_candidate and run.measured and len(run.winner.values) < FEWEST_TRAININGS
    ]
    if few:
        warnings.append(
            f"Fewer than two training runs are behind the fitness of {', '.join(few)}, and seeds "
            "differ widely: `eureka-agent evaluate RUN` trains a winner again."
        )
    first, *others = runs
    return {
        "runs": [
            {"letter": letter, **_column(document)}
            for letter, document in zip(LETTERS, documents, strict=False)
        ],
        "settings": _differing([run.row.config | {"seed": run.row.seed} for run in runs]),
        "comparable": comparable,
        "against_first": [None]
        + [
            asdict(compare(run.winner, first.winner, first.untrained)) if comparable else None
            for run in others
        ],
        "warnings": warnings,
    }


def _column(document: Document) -> Document:
    """What a comparison shows of one run."""
    best, winner = document["best"] or {}, document["comparison"]["winner"]
    published = document["published_baselines"] or {}
    names = ("candidate", "generation", "ranking_fitness", "why", "expected")
    return {key: document[key] for key in KEPT} | {
        "best": {
            **{key: best.get(key) for key in names},
            "fitness": winner["mean"],
            "interval": winner["interval"],
            "trainings": len(winner["values"]),
        },
        "published": {key: (published.get(key) or {}).get("mean") for key in ("human", "bare")},
        "score": document["comparison"]["score"],
        "candidates": len(document["candidates"]),
        "generations": [
            {key: generation[key] for key in ("generation", "best", "mean")}
            for generation in document["generations"]
        ],
        "usage": _without(document["usage"], "by_role"),
    }


def _differing(configs: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """The settings that are not the same everywhere; None where a run has no such setting."""
    names = dict.fromkeys(name for config in configs for name in config)
    values = {name: [config.get(name) for config in configs] for name in names}
    return {
        name: found
        for name, found in values.items()
        if len({json.dumps(value, sort_keys=True) for value in found}) > 1
    }


def _differences(runs: Sequence[RunSnapshot]) -> tuple[bool, list[str]]:
    """Whether fitness means the same everywhere, and what else is not the same."""
    environments = list(dict.fromkeys(run.row.environment for run in runs))
    if len(environments) > 1:
        names = ", ".join(environments)
        return False, [f"The environments differ ({names}): their fitness does not compare."]
    without = [letter for letter, run in zip(LETTERS, runs, strict=False) if not run.measured]
    if without:
        return False, [f"Nothing measured the goal of {', '.join(without)}: no fitness compares."]
    if len({_own_fitness(run) for run in runs}) > 1:
        return False, ["The fitness differs: its values do not compare."]
    if len({run.row.environment_source for run in runs}) > 1:
        return True, ["The environments have one name but come from different places."]
    if len({run.row.goal for run in runs}) > 1:
        return True, ["The goals differ, though the fitness is the same."]
    return True, []


def _own_fitness(run: RunSnapshot) -> str:
    """The user's own fitness that a run keeps a copy of; empty if it is the environment's."""
    try:
        own = read_plain(run.path / OWN_FITNESS, LARGEST_FITNESS, run.path)
        return own.decode("utf-8", "replace")
    except OSError:
        return ""
