"""What the trainings of the pool brought, one document for each environment.

`results/pool/ENV.json` holds what comparisons need, without the runs: for each program and seed the
learning curve on the ranking pool, and the true fitness, that of the shipped checkpoint on the
reporting pool.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.pool.members import Member
from benchmarks.pool.training import Cell
from eureka_agent.environment import Environment
from eureka_agent.reward import parse
from eureka_agent.store import CandidateRow, RunReader
from eureka_agent.store.folder import write_atomically

RESULTS = Path(__file__).resolve().parents[1] / "results" / "pool"
CURVE, RESULT = 4, 6
"""Digits of the numbers of learning curves, and of results."""


def document(one: Cell) -> dict[str, Any]:
    """All that is known so far of the programs of a cell's environment, on any seed."""
    environment, members, config = one.environment, one.members, one.config
    seeds: dict[str, dict[str, Any]] = {member.file: {} for member in members}
    for seed, run in one.begun():
        for row in run.candidates():
            found = result(run, row)
            if found is not None:
                seeds[row.note][str(seed)] = found
    return {
        "environment": environment.name,
        "steps": config.steps,
        "lanes": config.candidates,
        "worlds": config.worlds,
        "ranking_episodes": config.ranking_episodes,
        "reporting_episodes": config.reporting_episodes,
        "programs": [_described(m, environment) | {"seeds": seeds[m.file]} for m in members],
    }


def result(run: RunReader, row: CandidateRow) -> dict[str, Any] | None:
    """What became of one program on one seed; None where that is not known yet."""
    training = next(iter(run.trainings("candidate", row.id)), None)
    if training is None or (training.reporting_fitness is None and row.state != "failed"):
        return None
    curve = run.evaluations(training.id)
    return {
        "steps": [e.step for e in curve],
        "fitness": [_rounded(e.fitness, CURVE) for e in curve],
        "own_return": [_rounded(e.own_return, CURVE) for e in curve],
        "shipped_step": row.checkpoint_step,
        "shipped_own_return": _rounded(row.own_return, RESULT),
        "ranking_fitness": _rounded(row.fitness, RESULT),
        "true_fitness": _rounded(training.reporting_fitness, RESULT),
        "failure": row.failure,
    }


def write(folder: Path, found: Mapping[str, Any]) -> Path:
    """Write a document, a program a line, so that changes can be read."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{found['environment']}.json"
    head = {name: value for name, value in found.items() if name != "programs"}
    programs = ",\n  ".join(json.dumps(p, allow_nan=False) for p in found["programs"])
    text = f'{json.dumps(head)[:-1]},\n "programs": [\n  {programs}\n ]\n}}\n'
    write_atomically(path, text)
    return path


def read(folder: Path, environment: str) -> dict[str, Any] | None:
    """The document of an environment; None where there is none."""
    path = folder / f"{environment}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _described(member: Member, environment: Environment) -> dict[str, Any]:
    return {
        "file": member.file,
        "kind": member.kind,
        "fault": member.fault,
        "about": member.about,
        "fingerprint": parse(member.text, environment.signals_described).fingerprint[:16],
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else float(f"{value:.{digits}g}")
