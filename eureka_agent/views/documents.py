"""What is known of a run as plain documents: the `--json` output, and what the renderers draw.

Fields may be added, never renamed. `verdict` says in a sentence what came of the run. `best` and
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

from eureka_agent.common.environments import GYMNASIUM
from eureka_agent.common.errors import UsageError
from eureka_agent.common.statistics import (
    FEWEST_TRAININGS,
    UNBOUNDED,
    Bounds,
    Estimate,
    Score,
    compare,
    estimate,
    human_normalised,
    within,
)
from eureka_agent.store import (
    CandidateRow,
    ExchangeRow,
    RankedCandidate,
    RunReader,
    RunRow,
    TrainingRow,
    list_runs,
    ranking,
    solved,
)
from eureka_agent.store.baselines import published_baselines
from eureka_agent.store.folder import read_plain
from eureka_agent.store.reading import MODEL_TRIES
from eureka_agent.store.rows import Role
from eureka_agent.store.trust import LARGEST_FITNESS, OWN_FITNESS
from eureka_agent.views.snapshot import Document
from eureka_agent.views.verdict import Evidence, Verdict, verdict, why

Places = dict[int, tuple[int, RankedCandidate]]
"""Of candidates with a result, by number, where they stand, from 1 on, and how."""

RETRAINED: tuple[Role, ...] = ("winner", "human", "fitness")
"""Roles of the trainings on fresh seeds."""


def runs_document(directory: Path) -> list[Document]:
    """The runs in a directory, newest first; of an unreadable one `run`, `path` and `failure`."""
    documents = []
    for path in list_runs(directory):
        try:
            with RunReader.open(path) as run, run.transaction():
                documents.append(_run_line(run))
        except UsageError as error:
            documents.append({"run": path.name, "path": str(path), "failure": error.message})
    return documents


def _run_line(run: RunReader) -> Document:
    row, ranked = run.row(), ranking(run)
    generations = run.generations()
    winner, fresh = _winner(run, row.best_candidate)
    found = _verdict(run, ranked, winner, _reported(run, "human"), _reported(run, "fitness"))
    return {
        "run": run.name,
        "verdict": found.sentence,
        "solved": found.solved,
        "path": str(run.path),
        "environment": row.environment,
        "goal": row.goal,
        "status": run.status(),
        "created": row.created,
        "generations": len(generations),
        "candidates": sum(generation.candidates for generation in generations),
        "best": {
            "candidate": row.best_candidate,
            "fitness": winner.mean,
            "expected": winner.mean if fresh else None,
            "trainings": len(winner.values),
        },
        "measured": run.measured,
        "env_steps": row.env_steps,
        "wall_seconds": row.wall_seconds,
        "failure": row.failure,
    }


def run_document(run: RunReader) -> Document:
    """A run from one moment: the document of `show RUN --json`."""
    with run.transaction():
        row, ranked = run.row(), ranking(run)
        winner, _ = _winner(run, row.best_candidate)
        human, bare = _reported(run, "human"), _reported(run, "fitness")
        found = _verdict(run, ranked, winner, human, bare)
        places = places_of(ranked)
        return {
            "run": run.name,
            "verdict": found.sentence,
            "solved": found.solved,
            "advice": list(found.advice),
            "path": str(run.path),
            "environment": row.environment,
            "goal": row.goal,
            "status": run.status(),
            "phase": row.phase,
            "failure": row.failure,
            "created": row.created,
            "seed": row.seed,
            "sandbox": row.sandbox,
            "best": _best(run, row.best_candidate, ranked),
            "baselines": {"human": human.mean, "fitness_only": bare.mean},
            "published_baselines": published_baselines(run),
            "comparison": _comparison(run, winner, human, bare),
            "measure": row.measure,
            "generations": [
                asdict(row) | {"failures": failure_shares(run.failures(row.generation))}
                for row in run.generations()
            ],
            "candidates": [candidate_row(run, candidate, places) for candidate in run.candidates()],
            "ranking_episodes": row.config.get("ranking_episodes"),
            "ranked_by": row.config.get("rank_by", "fitness"),
            "measured": run.measured,
            **_insight(run),
            "usage": _usage(run),
            "env_steps": row.env_steps,
            "env_steps_per_second": row.env_steps / row.train_seconds if row.train_seconds else 0.0,
            "wall_seconds": row.wall_seconds,
        }


def _insight(run: RunReader) -> Document:
    """What is known of programs and policies beside each other; None until something is."""
    known = run.reward_comparison()
    names = ("distances", "matrix", "peers", "alarms", "said", "reviews")
    return {name: getattr(known, name) if known else None for name in names}


def _comparison(run: RunReader, winner: Estimate, human: Estimate, bare: Estimate) -> Document:
    """The winner beside the baselines, over fresh trainings."""
    floor = run.row().measure.get("untrained")
    return {
        "winner": asdict(winner),
        "human": asdict(human),
        "fitness_only": asdict(bare),
        "score": asdict(_score(run, winner, human, bare)),
        "against_human": asdict(compare(winner, human, floor)),
        "against_bare": asdict(compare(winner, bare, floor)),
        "one_function": bool(run.row().measure.get("one_function")),
    }


def _score(run: RunReader, winner: Estimate, human: Estimate, bare: Estimate) -> Score:
    """The human-normalised score, or why there is none."""
    if run.trainings("fitness") and not run.trainings("human"):
        return Score(None, None, "this goal has no human reward")
    if run.row().measure.get("one_function"):
        return Score(None, None, "the human reward is the bare fitness")
    return human_normalised(winner, human, bare)


def _verdict(
    run: RunReader,
    ranked: Sequence[RankedCandidate],
    winner: Estimate,
    human: Estimate,
    bare: Estimate,
) -> Verdict:
    row = run.row()
    states = [candidate.state for candidate in run.candidates()]
    return verdict(
        Evidence(
            run=run.path,
            status=run.status(),
            given=row.config.get("designer") == "given",
            ranked=ranked,
            ended=(states.count("failed"), states.count("rejected")),
            peers=not run.measured,
            untrained=row.measure.get("untrained"),
            solved=solved(run, ranked),
            dense=row.measure.get("progress") is not None
            or row.environment_source.startswith(GYMNASIUM),  # it has no file to write one in
            best=row.best_candidate,
            winner=winner,
            fresh=_winner(run, row.best_candidate)[1],
            human=human,
            bare=bare,
            one_function=bool(row.measure.get("one_function")),
        )
    )


def candidate_document(run: RunReader, number: int) -> Document:
    """A candidate from one moment: the document of `show RUN CANDIDATE --json`.

    Raises:
        UsageError: the run has no such candidate.
    """
    with run.transaction():
        candidate, ranked = run.candidate(number), ranking(run)
        return {
            "run": run.name,
            **candidate_row(run, candidate, places_of(ranked)),
            "why": why(run, ranked) if ranked and ranked[0].row.id == number else "",
            "text": candidate.text,
            **_analysis(run, number),
            "drafts": [
                {"attempt": draft.attempt, "text": draft.text, "verdict": draft.verdict}
                for draft in run.drafts(number)
            ],
            "exchanges": [
                _exchange(exchange)
                for exchange in run.exchanges_about(candidate.generation, candidate.slot)
            ],
            "trainings": [_training(run, training) for training in run.trainings(candidate=number)],
        }


def _analysis(run: RunReader, number: int) -> Document:
    """What was found out about a candidate's policy and program; {} where nothing was."""
    known = run.analysis(number)
    names = ("failures", "lens", "opinion")
    return {name: getattr(known, name) if known else {} for name in names}


def failure_shares(failures: Sequence[Document]) -> dict[str, float]:
    """In what share of the episodes of some candidates each type of failure shows.

    Of a candidate some of whose episodes failed, only these count.

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


def _usage(run: RunReader) -> Document:
    """What the language model was used for; the cost is None where it is not known."""
    roles = run.usage()
    costs = [role.cost for role in roles]
    return {
        "calls": sum(role.calls for role in roles),
        "prompt_tokens": sum(role.prompt_tokens for role in roles),
        "completion_tokens": sum(role.completion_tokens for role in roles),
        "cost": None if None in costs else sum(cost for cost in costs if cost is not None),
        "by_role": {
            role.role: {key: value for key, value in asdict(role).items() if key != "role"}
            for role in roles
        },
    }


def exchange_name(role: str, attempt: int) -> str:
    """What people call a question to the language model and its answer."""
    match role:
        case "designer":
            return "First program"
        case "repair":
            return f"Repair {attempt}"
        case "reviewer":
            return f"Review {attempt // MODEL_TRIES + 1}" + (
                ", asked again" if attempt % MODEL_TRIES else ""
            )
        case _:
            return role.capitalize() + (", asked again" if attempt else "")


def _exchange(exchange: ExchangeRow) -> Document:
    """A question and its answer; the question itself lies in the candidate's folder."""
    document = asdict(exchange)
    for key in ("id", "messages", "generation", "slot"):
        del document[key]
    return document


def places_of(ranked: Sequence[RankedCandidate]) -> Places:
    """Where each candidate of a ranking stands."""
    return {standing.row.id: (place, standing) for place, standing in enumerate(ranked, 1)}


def best_first(candidates: Sequence[Document]) -> list[Document]:
    """Candidates from the best to the worst, then those without a result, in their order."""
    return sorted(
        candidates,
        key=lambda row: (row["rank"] is None, row["rank"] or row["id"]),
    )


def candidate_row(run: RunReader, candidate: CandidateRow, places: Places) -> Document:
    """A candidate, with its `rank` from 1 on and what it ranks by: means over so many `seeds`."""
    document = asdict(candidate) | {"reflection": candidate.reflection}
    del document["text"], document["reflections"]
    rank, standing = places.get(candidate.id, (None, None))
    document["rank"] = rank
    document["ranking_value"] = standing and standing.value
    document["ranking_progress"] = standing and standing.progress
    document["seeds"] = standing.trainings if standing else 0
    document["reward_path"] = str(run.candidate_folder(candidate.id) / "reward.py")
    return document


def _training(run: RunReader, training: TrainingRow) -> Document:
    document = asdict(training)
    del document["candidate_id"]
    document["evaluations"] = [
        {
            key: value
            for key, value in asdict(evaluation).items()
            if key not in ("id", "training_id")
        }
        for evaluation in run.evaluations(training.id)
    ]
    return document


def _best(run: RunReader, number: int | None, ranked: Sequence[RankedCandidate]) -> Document | None:
    if number is None:
        return None
    candidate = run.candidate(number)
    policy = run.path / "best" / "policy.zip"
    again = [training.reproduced for training in run.trainings("winner", number)]
    winner, fresh = _winner(run, number)
    leads = bool(ranked) and ranked[0].row.id == number
    return {
        "candidate": number,
        "fitness": winner.mean,
        "expected": winner.mean if fresh else None,
        "why": why(run, ranked) if leads else "",
        "own_return": candidate.own_return,
        "policy_fitness": _reported(run, "candidate", number).mean,
        "reward_path": str(run.path / "best" / "reward.py"),
        "policy_path": str(policy) if policy.is_file() else None,
        "ranking_fitness": candidate.fitness,
        "ranking_mean": next((s.value for s in ranked if s.row.id == number), None),
        "progress": candidate.progress,
        "generation": candidate.generation,
        "parents": list(candidate.parents),
        "thought": candidate.thought,
        "text": candidate.text,
        "reproduced": next((value for value in again if value is not None), None),
    }


def _reported(run: RunReader, role: Role, candidate: int | None = None) -> Estimate:
    """The reporting-pool fitness over the trainings of a role."""
    return _estimate(run.trainings(role, candidate), _bounds(run))


def _bounds(run: RunReader) -> Bounds:
    """What the fitness is said to lie between, unless a result shows that this is wrong."""
    low, high = run.row().measure.get("range") or UNBOUNDED
    trainings = [row for role in RETRAINED for row in run.trainings(role)]
    values = [row.reporting_fitness for row in trainings if row.reporting_fitness is not None]
    inside = all(within(value, (low, high)) for value in values)
    return (low, high) if inside else UNBOUNDED


def _estimate(trainings: list[TrainingRow], bounds: Bounds) -> Estimate:
    """What a reward is worth on a fresh seed, from all its trainings: what people are told."""
    values = [training.reporting_fitness for training in trainings]
    failed = sum(training.state == "failed" for training in trainings)
    return estimate([value for value in values if value is not None], failed, bounds)


def _winner(run: RunReader, number: int | None) -> tuple[Estimate, bool]:
    """The winner's result, and whether it is of trainings on fresh seeds.

    Once it has been trained again on fresh seeds, those trainings alone count: the one it was
    chosen by is the luckiest of many.
    """
    bounds = _bounds(run)
    if number is None:
        return estimate([], bounds=bounds), False
    again = run.trainings("winner", number)
    fresh = _estimate([training for training in again if training.reproduced is None], bounds)
    if fresh.values:
        return fresh, True
    same = _estimate(again, bounds)
    return (same if same.values else _reported(run, "candidate", number)), False


LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
KEPT = (
    "run", "path", "verdict", "solved", "environment", "goal", "status", "created", "baselines",
    "env_steps", "env_steps_per_second", "wall_seconds",
)  # fmt: skip
"""What is taken from a run's own document as it is."""


def comparison_document(paths: Sequence[Path]) -> Document:
    """Runs side by side.

    Returns:
        `runs`, each with its result, its generations and what it spent; `settings`, those that
        differ, with a value per run; `comparable`, whether fitness means the same in all;
        `against_first`, for each run how its winner differs from that of the first one, as far as
        it compares; `warnings`, what else to know before believing the numbers.

    Raises:
        UsageError: fewer than two runs or more than there are letters, one twice, or unreadable.
    """
    _require_several(paths)
    with ExitStack() as stack:
        readers = [stack.enter_context(RunReader.open(path)) for path in paths]
        rows = [reader.row() for reader in readers]
        documents = [run_document(reader) for reader in readers]
        comparable, differences = _differences(readers, rows)
    winners = [Estimate(**document["comparison"]["winner"]) for document in documents]
    return {
        "runs": [
            {"letter": letter, **_column(document)}
            for letter, document in zip(LETTERS, documents, strict=False)
        ],
        "settings": _differing([row.config | {"seed": row.seed} for row in rows]),
        "comparable": comparable,
        "against_first": [
            asdict(compare(winner, winners[0], documents[0]["measure"].get("untrained")))
            if comparable and i
            else None
            for i, winner in enumerate(winners)
        ],
        "warnings": differences + _few_trainings(documents),
    }


def _require_several(paths: Sequence[Path]) -> None:
    resolved = [path.resolve() for path in paths]
    twice = next((path for path in resolved if resolved.count(path) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice.name} is named twice.", "Name different runs.")
    if not 2 <= len(paths) <= len(LETTERS):
        raise UsageError(
            f"{len(paths)} runs were named.", f"Name 2 to {len(LETTERS)} runs to compare."
        )


def _column(document: Document) -> Document:
    """What a comparison tells of one run."""
    best, winner = document["best"] or {}, document["comparison"]["winner"]
    published = document["published_baselines"] or {}
    return {key: document[key] for key in KEPT} | {
        "best": {
            **{key: best.get(key) for key in ("candidate", "generation", "ranking_fitness", "why")},
            "fitness": winner["mean"],
            "expected": best.get("expected"),
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
        "usage": {
            key: document["usage"][key]
            for key in ("calls", "prompt_tokens", "completion_tokens", "cost")
        },
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


def _differences(readers: Sequence[RunReader], rows: Sequence[RunRow]) -> tuple[bool, list[str]]:
    """Whether fitness means the same everywhere, and what else is not the same."""
    environments = list(dict.fromkeys(row.environment for row in rows))
    if len(environments) > 1:
        names = ", ".join(environments)
        return False, [f"The environments differ ({names}): their fitness does not compare."]
    without = [
        letter for letter, reader in zip(LETTERS, readers, strict=False) if not reader.measured
    ]
    if without:
        return False, [f"Nothing measured the goal of {', '.join(without)}: no fitness compares."]
    if len({_fitness(reader) for reader in readers}) > 1:
        return False, ["The fitness differs: its values do not compare."]
    if len({row.environment_source for row in rows}) > 1:
        return True, ["The environments have one name but come from different places."]
    if len({row.goal for row in rows}) > 1:
        return True, ["The goals differ, though the fitness is the same."]
    return True, []


def _few_trainings(documents: Sequence[Document]) -> list[str]:
    """Which winners too few trainings stand for."""
    few = [
        letter
        for letter, document in zip(LETTERS, documents, strict=False)
        if document["best"]
        and document["measured"]
        and len(document["comparison"]["winner"]["values"]) < FEWEST_TRAININGS
    ]
    if not few:
        return []
    return [
        f"Fewer than two trainings stand behind the fitness of {', '.join(few)}, and seeds differ "
        "widely: `eureka-agent evaluate RUN` trains a winner again."
    ]


def _fitness(reader: RunReader) -> str:
    """The user's own fitness that a run keeps a copy of; empty where it is the environment's."""
    try:
        own = read_plain(reader.path / OWN_FITNESS, LARGEST_FITNESS, reader.path)
        return own.decode("utf-8", "replace")
    except OSError:
        return ""
