"""The tables of the comparison, in Markdown."""

from collections.abc import Mapping
from typing import Any

from benchmarks.baselines_report import table
from benchmarks.pool.comparison import Document

INTRODUCTION = """\
Rank correlation with the true fitness, with 95 % bootstrap intervals over programs. A guess is
made on one seed and held against the mean fitness on the others; correlations are means over
seeds. *Unseen*: without the
eight programs whose policies the exam knows. *Sound*: the authors' sound ones. Own returns are in
each program's own units, so that only chance or habit can make them order programs: they are here
as what a search would do without a fitness or a common scale."""
LABELS = {
    "one_seed": "true fitness",
    "own_return": "own return",
    "peers": "peer win rate",
    "exam": "exam's score after generation 0",
    "queue": "exam's queue: then the suspect, then the refused",
    "human": "nearness to the human reward",
}
COLUMNS = (
    ("Spearman, all", "all", "spearman"),
    ("Kendall, all", "all", "kendall"),
    ("Spearman, unseen", "unseen", "spearman"),
    ("Spearman, sound", "sound", "spearman"),
)


def text(document: Document) -> str:
    """The tables of all environments, in Markdown."""
    environments = document["environments"]
    if not environments:
        return "No cell is complete yet."
    parts = [INTRODUCTION]
    if len(environments) > 1:
        names = ", ".join(environments)
        parts += [f"**Mean over {names}**", _correlations(document["together"])]
    for name, entry in environments.items():
        seeds = ", ".join(entry["complete"])
        parts += [f"**{name}** (complete seeds: {seeds})", _correlations(entry["correlations"])]
        parts += [_saved(entry)]
    return "\n\n".join(parts)


def _correlations(found: Mapping[str, Any]) -> str:
    head = ("guess", *(name for name, _, _ in COLUMNS))
    rows = [
        (LABELS[guess], *(_shown(sets[which][kind]) for _, which, kind in COLUMNS))
        for guess, sets in found.items()
    ]
    return table(head, rows)


def _saved(entry: Mapping[str, Any]) -> str:
    known = {
        "twins": "Programs sent back after generation 0",
        "equals": "All that count as the same",
    }
    lines = []
    for name, by in known.items():
        found = entry["savings"][name]
        saved = ", ".join(str(count) for count in found["saved"])
        kept = ", ".join(f"{value:.4g}" for value in found["kept"])
        line = (
            f"- {by}: {saved} of {found['programs']} trainings saved (by seed); "
            f"best of those kept {kept}, of all {found['best']:.4g}."
        )
        if found["within"] is not None and found["noise"] is not None:
            line += (
                f" They differ from their equals by {found['within']:.3g} on a seed, the same "
                f"programs by {found['noise']:.3g} between seeds."
            )
        lines.append(line)
    return "\n".join(lines)


def _shown(found: Mapping[str, float] | None) -> str:
    if found is None:
        return "-"
    return f"{found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f})"
