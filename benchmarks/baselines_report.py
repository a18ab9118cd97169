"""The tables of `baselines.py`, in Markdown."""

from collections.abc import Mapping
from typing import Any

from eureka_agent.common.errors import UsageError
from eureka_agent.environment import find_environment
from eureka_agent.store import fingerprint

WORDS = {
    "better": "yes",
    "worse": "**no, worse**",
    "tie": "**no telling**",
    "unknown": "**no telling**",
}
NOTHING = "-"

Entry = Mapping[str, Any]


def report(document: Mapping[str, Entry]) -> str:
    """All entries: fitness, the dense measures of those that have one, and what to know of them."""
    if not document:
        return "There are no baselines yet."
    head = ("environment", "steps", "seeds", "random", "zero", "bare fitness", "human reward")
    rows = [
        (
            name,
            f"{entry['steps']:,}",
            str(entry["seeds"]),
            *(shown(entry, cell) for cell in ("random", "zero", "bare", "human")),
            said(entry, "human_against_random"),
            said(entry, "human_against_bare"),
        )
        for name, entry in document.items()
    ]
    parts = ["Fitness:", table((*head, "beats random", "beats bare"), rows)]
    dense = {name: entry["progress"] for name, entry in document.items() if "progress" in entry}
    if dense:
        rows = [
            (
                name,
                entry["meaning"],
                *(shown(entry, cell) for cell in ("random", "bare", "human")),
                said(entry, "human_against_random"),
            )
            for name, entry in dense.items()
        ]
        head = ("environment", "measure", "random", "bare fitness", "human reward", "beats random")
        parts += ["Dense measures of the same tasks:", table(head, rows)]
    return "\n\n".join([*parts, *notes(document)])


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def shown(entry: Entry, cell: str) -> str:
    """A mean with its interval."""
    found = entry.get(cell)
    if found is None or found["mean"] is None:
        return NOTHING
    if found["low"] is None:
        return f"{found['mean']:.3g}"
    return f"{found['mean']:.3g} ({found['low']:.3g} to {found['high']:.3g})"


def said(entry: Entry, pair: str) -> str:
    """A verdict in words, with the difference that it rests on."""
    found = entry["verdicts"].get(pair)
    if found is None:
        return NOTHING
    difference = (
        f" ({found['low']:+.3g} to {found['high']:+.3g})" if found["low"] is not None else ""
    )
    return WORDS[found["verdict"]] + difference


def notes(document: Mapping[str, Entry]) -> list[str]:
    """What a reader must know besides: reduced plans, failures, entries that are out of date."""
    found = []
    for name, entry in document.items():
        if entry.get("reason"):
            found.append(f"{name}: {entry['reason']}.")
        for cell in ("human", "bare"):
            if entry.get(cell, {}).get("failed"):
                found.append(f"{name}: {entry[cell]['failed']} trainings on {cell} failed.")
        try:
            current = fingerprint(find_environment(name).folder) == entry["fingerprint"]
        except UsageError:
            continue
        if not current:
            found.append(f"{name} has changed since: measure it again.")
    trainers = {entry["trainer"] for entry in document.values()}
    if len(trainers) > 1:
        found.append(f"The trainer changed between entries: {len(trainers)} versions.")
    return ["\n".join(f"- {note}" for note in found)] if found else []
