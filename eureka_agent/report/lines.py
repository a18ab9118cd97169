"""What a report derives from the candidates of a run: progress, descent and ends."""

from collections.abc import Mapping, Sequence
from typing import Any

from eureka_agent.ui.format import last_line

Document = Mapping[str, Any]

TRAINED = "trained"
"""The end that is none: a fitness is there."""


def best_so_far(candidates: Sequence[Document]) -> tuple[list[int], list[float]]:
    """Generations, and the highest fitness up to each.

    Args:
        candidates: those with a fitness, in any order.
    """
    generations = sorted({row["generation"] for row in candidates})
    best: list[float] = []
    for generation in generations:
        here = max(row["fitness"] for row in candidates if row["generation"] == generation)
        best.append(max(here, best[-1]) if best else here)
    return generations, best


def family(by_id: Mapping[int, Document], candidate: int | None) -> set[int]:
    """A candidate and all it came from; nobody for None."""
    found: set[int] = set()
    waiting = [candidate]
    while waiting:
        one = waiting.pop()
        if one is None or one in found or one not in by_id:
            continue
        found.add(one)
        waiting += by_id[one]["parents"]
    return found


def children(candidates: Sequence[Document]) -> dict[int, list[int]]:
    """Numbers of those that came from each candidate that has any."""
    found: dict[int, list[int]] = {}
    for row in candidates:
        for parent in row["parents"]:
            found.setdefault(parent, []).append(row["id"])
    return found


def outcome(candidate: Document) -> str:
    """What became of a candidate: its state, and of what stopped it the kind."""
    errors = [finding for finding in candidate["verdict"] if finding.get("severity") == "error"]
    if candidate["state"] == "rejected" and errors:
        return f"rejected: {errors[0].get('rule', 'no rule named')}"
    if candidate["state"] == "failed":
        return f"failed: {last_line(candidate['failure'] or '').split(':')[0] or 'no reason named'}"
    return TRAINED if candidate["state"] == "finished" else str(candidate["state"])
