"""`runs clean`: the plan and what came of it, as a document and for a terminal."""

import math
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from eureka_agent.common.errors import UsageError
from eureka_agent.common.text import duration, number, one_line, things
from eureka_agent.store.cleaning import Plan, Removal, remove
from eureka_agent.views.documents import Document

UNITS = ("kB", "MB", "GB", "TB")


def carry_out(plan: Plan) -> dict[Path, str]:
    """Do what the plan says; by run, why something stays after all."""
    stays: dict[Path, str] = {}
    for removal in plan.removals:
        try:
            remove(removal)
        except UsageError as error:
            stays[removal.run] = error.message
    return stays


def cleaning_document(plan: Plan, stays: Mapping[Path, str] | None) -> Document:
    """The plan; `done` says whether it was carried out, `stays` is None where it was not tried."""
    return {
        "done": stays is not None,
        "size": sum(removal.size for removal in plan.removals),
        "removals": [_entry(removal, (stays or {}).get(removal.run)) for removal in plan.removals],
        "kept": plan.kept,
        "unreadable": [str(path) for path in plan.unreadable],
    }


def _entry(removal: Removal, failure: str | None) -> Document:
    return {
        "run": removal.run.name,
        "path": str(removal.run),
        "whole": not removal.files,
        "files": [str(path.relative_to(removal.run)) for path in removal.files],
        "reason": removal.reason,
        "best": removal.best,
        "size": removal.size,
        "updated": removal.updated,
        "failure": failure,
    }


def plan_view(plan: Plan) -> RenderableType:
    """What would go, and what stays."""
    stay = f"{things(plan.kept, 'run')} would stay as {'it is' if plan.kept == 1 else 'they are'}."
    lines = [Text(stay)]
    lines += [Text(f"{one_line(path.name)} cannot be read, and stays.") for path in plan.unreadable]
    if not plan.removals:
        return Group(Text("There is nothing to remove."), *lines)
    total = volume(sum(removal.size for removal in plan.removals))
    entries = [part for removal in plan.removals for part in _removal(removal)]
    return Group(*entries, Text(), Text(f"This would free {total}."), *lines)


def _removal(removal: Removal) -> list[RenderableType]:
    """One step on two lines, as names of runs are long."""
    facts = [
        removal.reason,
        volume(removal.size),
        f"written {duration(time.time() - removal.updated)} ago",
    ]
    facts += [] if removal.best is None else [f"best ranking fitness {number(removal.best)}"]
    name = Text(one_line(removal.run.name), "bold")
    return [name, Padding(Text(", ".join(facts)), (0, 0, 0, 2))]


def outcome_view(plan: Plan, stays: Mapping[Path, str]) -> RenderableType:
    """What went."""
    gone = [removal for removal in plan.removals if removal.run not in stays]
    total = volume(sum(removal.size for removal in gone))
    lines = [Text(f"Removed: {total} of {things(len(gone), 'run')}.")]
    return Group(*lines, *(Text(reason, "yellow") for reason in stays.values()))


def volume(size: float) -> str:
    """Bytes in their largest unit."""
    if size < 1000:
        return things(round(size), "byte")
    power = min(len(UNITS), int(math.log(size, 1000)))
    return f"{size / 1000**power:.3g} {UNITS[power - 1]}"
