"""Several runs side by side as one plain document: what `runs compare` tells."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eureka_agent.common.errors import UsageError
from eureka_agent.common.statistics import FEWEST_TRAININGS, Estimate, compare
from eureka_agent.store import RunReader, RunRow
from eureka_agent.store.files import read_plain
from eureka_agent.store.trust import LARGEST_FITNESS, OWN_FITNESS
from eureka_agent.views.documents import Document, run_document

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
