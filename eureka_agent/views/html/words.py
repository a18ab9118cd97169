"""How a report puts results into words and table rows."""

import time
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from eureka_agent.common import text as forms
from eureka_agent.common.text import count, number, terminal_program
from eureka_agent.views.snapshot import RunSnapshot
from eureka_agent.views.verdict import comparison_notes

Document = Mapping[str, Any]

STATES = {
    "proposed": "being checked",
    "accepted": "waiting",
    "waiting": "waiting",
    "training": "training",
    "finished": "trained",
    "rejected": "rejected",
    "failed": "failed",
}


def moment(seconds: float) -> str:
    """Unix seconds as a date and a time of day."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def extent(interval: tuple[float | None, float | None] | None) -> str:
    """An interval, or that there is none."""
    return forms.number_range(*(interval or (None, None)))


def shown(value: object) -> str:
    """A setting's value as a person would write it."""
    if value is None or value == "":
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {shown(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value)) or "none"
    return str(value)


def notes(run: RunSnapshot) -> list[str]:
    """How far the comparison can be trusted, a sentence each."""
    if run.measured and run.row.best_candidate and not run.winner.values:
        ranking = number(run.ranking_mean)
        return [f"Not compared yet. Its ranking fitness is {ranking}; being chosen flatters it."]
    return comparison_notes(run) + _published_notes(run.published)


def _published_notes(entry: Document | None) -> list[str]:
    if entry is None:
        return []
    found = [f"Published baselines: {note}" for note in entry["notes"]]
    if entry["steps"]:
        date = f", measured {entry['date']}" if entry["date"] else ""
        found.append(f"Published baselines are after {count(entry['steps'])} steps{date}.")
    return found


_LEXER = PythonLexer(stripnl=False)
_FORMATTER = HtmlFormatter(nowrap=True)


def highlighted(text: str) -> Markup:
    """A program, each line a `<span class="line">`; the page's style numbers and colours them."""
    lines = highlight(terminal_program(text), _LEXER, _FORMATTER).rstrip("\n").split("\n")
    return Markup("\n").join(Markup(f'<span class="line">{line}</span>') for line in lines)
