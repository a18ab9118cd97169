"""The tables of `exam.py`, in Markdown: recall and false alarms, by author's label and by truth."""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from statistics import median
from typing import Any

from benchmarks.baselines_report import NOTHING, table
from eureka_agent.common.statistics import Proportion

Row = Mapping[str, Any]
"""What was found out about a program."""
"""Standard errors to either side of a 95 % interval."""
RULES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "half of the median sound one": lambda sound: median(sound) / 2.0,
    "a third of the best sound one": lambda sound: max(sound) / 3.0,
}
"""True fitness from which a program does the task, given that of the sound ones. The first rule
does not depend on one lucky training."""
LABELS = {
    "random": "random actions",
    "references": "untrained policies",
    "generation": "after one generation",
}
WAYS = {
    "objected to": "doubted",
    "refused": "refused",
    "objected to, nothing declared": "doubted_undeclared",
}


def report(document: Mapping[str, Any], truths: Mapping[str, Mapping[str, float]]) -> str:
    """All measurements, and what training says of the labels.

    Args:
        document: by measurement, environment and bank what was found out of each program.
        truths: by environment and file the true fitness, as far as it is known.
    """
    parts = []
    for name, entry in document.items():
        parts += [f"**{name}**", *_measurement(entry)]
        parts += [_faults(entry), *_by_truth(entry, truths)]
    return "\n\n".join([*parts, *_contradicted(truths)])


def task_bar(fitness: Mapping[str, float], rule: str) -> float | None:
    """True fitness from which a program does the task; None while no sound one has been trained.

    Args:
        fitness: true fitness by file.
        rule: one of `RULES`.
    """
    sound = [value for file, value in fitness.items() if _kind(file) == "sound"]
    return RULES[rule](sound) if sound else None


def _measurement(entry: Mapping[str, Any]) -> list[str]:
    """Recall and false alarms by bank and environment, a table for each way to count."""
    parts = []
    for title, key in WAYS.items():
        rows = []
        for bank, label in LABELS.items():
            found = {name: banks[bank] for name, banks in entry.items() if bank in banks}
            for name, rows_of in [*found.items(), ("all", list(chain(*found.values())))]:
                known = [row for row in rows_of if key in row]
                if known:
                    rows.append((label, name, *_shares(known, key)))
        head = ("bank", "environment", "broken ones (recall)", "sound ones (false alarms)")
        parts += [f"{title.capitalize()}:", table(head, rows)] if rows else []
    return parts


def _shares(rows: Sequence[Row], key: str) -> tuple[str, str]:
    """Recall and false alarms."""
    broken = [bool(row[key]) for row in rows if row["kind"] == "broken"]
    sound = [bool(row[key]) for row in rows if row["kind"] == "sound"]
    return _share(broken), _share(sound)


def _share(flags: Sequence[bool]) -> str:
    """Hits of all, with an interval."""
    if not flags:
        return NOTHING
    low, high = Proportion(sum(flags), len(flags)).interval
    share = sum(flags) / len(flags)
    return f"{sum(flags)} of {len(flags)}: {share:.0%} ({low:.0%} to {high:.0%})"


def _faults(entry: Mapping[str, Any]) -> str:
    """For each fault the programs with it that are objected to, by bank."""
    every = [
        (bank, row) for banks in entry.values() for bank, rows in banks.items() for row in rows
    ]
    faults = sorted({row["fault"] for _, row in every if row["kind"] == "broken"})

    def cell(fault: str, bank: str) -> str:
        flags = [row["doubted"] for b, row in every if b == bank and row["fault"] == fault]
        return f"{sum(flags)} of {len(flags)}" if flags else NOTHING

    rows = [(fault, *(cell(fault, bank) for bank in LABELS)) for fault in faults]
    return table(("fault", *LABELS.values()), rows)


def _by_truth(entry: Mapping[str, Any], truths: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Recall and false alarms where training tells which programs are sound."""
    rows = []
    for rule in RULES:
        for bank, label in LABELS.items():
            found = [
                {**row, "kind": "sound" if fitness >= bar else "broken"}
                for name, banks in entry.items()
                if (bar := task_bar(truths.get(name, {}), rule)) is not None
                for row in banks.get(bank, ())
                if (fitness := truths[name].get(row["file"])) is not None
            ]
            if found:
                rows.append((rule, label, *_shares(found, "doubted")))
    head = ("does the task from", "bank", "did not do it (recall)", "did it (false alarms)")
    return ["Objected to, by what training says:", table(head, rows)] if rows else []


def _contradicted(truths: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The programs whose training says otherwise than their author, by the first rule."""
    lines = []
    for name, fitness in truths.items():
        bar = task_bar(fitness, next(iter(RULES)))
        if bar is None:
            continue
        labelled = {file: value for file, value in fitness.items() if _kind(file) != "offline"}
        wrong = [
            f"{file} ({value:.3g})"
            for file, value in sorted(labelled.items())
            if (value >= bar) != (_kind(file) == "sound")
        ]
        said = ", ".join(wrong) if wrong else "none"
        known = f"{len(labelled)} programs trained, the task is done from {bar:.3g}"
        lines.append(f"- {name}, {known}: training contradicts the label of {len(wrong)}: {said}.")
    return ["\n".join(lines)] if lines else []


def _kind(file: str) -> str:
    return file.partition("_")[0]
