"""The report: everything worth showing of a run in one HTML file that needs no network.

It is put together from the run's snapshot, templates, a style and a script.
"""

import secrets
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from statistics import fmean

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from eureka_agent import __version__
from eureka_agent.common import text
from eureka_agent.common.errors import UsageError
from eureka_agent.common.paths import command
from eureka_agent.store import RunReader
from eureka_agent.store.folder import PICTURE, require_replaceable, videos, write_atomically
from eureka_agent.views.documents import describe_candidate, describe_run, exchange_name
from eureka_agent.views.html import figures
from eureka_agent.views.html.analysis_figures import analysis_plots, profile_figures
from eureka_agent.views.html.contents import Passages, embed, pack, pack_data
from eureka_agent.views.html.figures import Figure
from eureka_agent.views.snapshot import Document, RunSnapshot, candidate_snapshot
from eureka_agent.views.terminal.parts import STATES
from eureka_agent.views.terminal.run import compared, mean_title, trainings_text, winner_name
from eureka_agent.views.terminal.tables import setting_text
from eureka_agent.views.verdict import comparison_notes, ranking_words, standing_words

NAME = "report.html"
PRINTED = 40
"""Candidates that a printed report lists; on a screen all are there."""
ALL_SHOWN = 20
"""Candidates that the page lists without scrolling of its own."""
LONGEST_REPLY = 20_000
"""Characters of one reply of the language model; the run folder holds the rest."""


def write_report(run: RunReader, path: Path | None = None) -> Path:
    """Write the report of a run, and return where.

    Args:
        run: at any moment of its life.
        path: the file, or a folder for `report.html`; without one, the run folder.

    Raises:
        UsageError: it cannot be written there.
    """
    named = path is not None
    path = path or run.path
    path = path / NAME if path.is_dir() else path
    try:
        if named:
            require_replaceable(path)
        write_atomically(path, report_page(run))
    except OSError as error:
        raise UsageError(
            f"The report cannot be written to {path}: {error.strerror}.",
            "Name a file in a folder that is there and that you may write to: --out FILE.",
        ) from error
    return path


def report_page(reader: RunReader) -> str:
    """The report of a run as it is at one moment, as HTML."""
    with reader.transaction():
        run = RunSnapshot(reader)
        document = describe_run(run)
        rows = {row["id"]: row for row in document["candidates"]}
        document["candidates"] = [rows[row.id] for row in run.best_first]
        passages = Passages()
        candidates = [_candidate(run, row.id, passages) for row in run.best_first]
        human = _human_trainings(reader)
        found = analysis_plots(run.reward_comparison, document["generations"])
    plots = _run_plots(run, document, human) | {plot.key: plot.figure for plot in found}
    opened = _opened(candidates, human)
    best = run.row.best_candidate
    folders = [reader.candidate_folder(row["id"]) for row in candidates]
    films = [str(film.relative_to(run.path)) for folder in folders for film in videos(folder)]
    data = {"plots": plots, "candidates": opened, "winner": best, "passages": passages.texts}
    folder = None if best is None else reader.candidate_folder(best)
    template = _templates().get_template("report.html.j2")
    return template.render(
        run=document,
        seen=run,
        winner=next((entry for entry in candidates if entry["id"] == best), None),
        winner_plots={} if best is None else opened[str(best)]["plots"],
        video=embed(run, next(iter(videos(folder)), None)) if folder else None,
        picture=embed(run, folder / PICTURE) if folder else None,
        films=films,
        few=ALL_SHOWN,
        dense=any(row["ranking_progress"] is not None for row in candidates),
        analysis_plots=found,
        plots=plots,
        printed={row["id"] for row in candidates[:PRINTED]},
        notes=_notes(run),
        nonce=secrets.token_urlsafe(16),
        library=_library(),
        data=pack_data(data),
    )


def _candidate(run: RunSnapshot, number: int, passages: Passages) -> Document:
    """A candidate in full, with what the language model was asked about it."""
    candidate = candidate_snapshot(run, number)
    return describe_candidate(candidate) | {
        "children": candidate.children,
        "standing": standing_words(candidate.row, candidate.ranked),
        "asked": [
            [(message.get("role", ""), passages.add(message.get("content", ""))) for message in new]
            for new in candidate.new_messages
        ],
    }


def _opened(candidates: Sequence[Document], human: list[Document]) -> dict[str, Document]:
    """What each candidate shows when it is opened, by its number."""
    template = _templates().get_template("candidate.html.j2")
    return {
        str(row["id"]): {
            "html": template.render(candidate=row),
            "plots": _candidate_plots(row, human),
        }
        for row in candidates
    }


def _human_trainings(run: RunReader) -> list[Document]:
    """The training runs of the human reward with what a plot needs of them."""
    return [
        {
            "ranking_fitness": training.ranking_fitness,
            "evaluations": [
                {"step": row.step, "fitness": row.fitness} for row in run.evaluations(training.id)
            ],
        }
        for training in run.trainings("human")
    ]


def _run_plots(run: RunSnapshot, document: Document, human: list[Document]) -> dict[str, Figure]:
    """The plots of the run as a whole, those that have something to show."""
    known = [t["ranking_fitness"] for t in human if t["ranking_fitness"] is not None]
    plots = {"comparison": figures.comparison_figure(run)}
    if run.candidates:
        if run.measured:
            level = fmean(known) if known else None
            plots["generations"] = figures.generations_figure(document, level)
        plots["lineage"] = figures.lineage_figure(document)
        outcomes = figures.outcomes_figure(document)
        plots |= {"outcomes": outcomes} if len(outcomes["data"]) > 1 else {}
    return {key: figure for key, figure in plots.items() if figure["data"]}


def _candidate_plots(candidate: Document, human: list[Document]) -> dict[str, Figure]:
    """The plots of one candidate: its reward profile, its training runs, its components."""
    plots = profile_figures(candidate["lens"])
    trainings = [training for training in candidate["trainings"] if training["evaluations"]]
    if trainings:
        training = figures.training_figure(trainings, human)
        plots |= {"training": training} if training["data"] else {}
        if any(row["components"] for row in trainings[0]["evaluations"]):
            plots["components"] = figures.components_figure(trainings[0]["evaluations"])
    return plots


def _notes(run: RunSnapshot) -> list[str]:
    """How far the comparison can be trusted, a sentence each."""
    if run.measured and run.row.best_candidate and not run.winner.values:
        ranking = text.number(run.ranking_mean)
        return [f"Not compared yet. Its ranking fitness is {ranking}; being chosen flatters it."]
    notes, published = comparison_notes(run), run.published
    if published is not None:
        notes += [f"Published baselines: {note}" for note in published["notes"]]
        if published["steps"]:
            date = f", measured {published['date']}" if published["date"] else ""
            steps = text.count(published["steps"])
            notes.append(f"Published baselines are after {steps} steps{date}.")
    return notes


@cache
def _library() -> str:
    """Plotly's script, packed."""
    return pack(get_plotlyjs())


@cache
def _templates() -> Environment:
    """Templates that escape everything, and make control characters of foreign text visible."""
    environment = Environment(
        loader=PackageLoader("eureka_agent.views.html", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: text.terminal_text(value) if type(value) is str else value,
    )
    environment.filters |= {
        "number": text.number,
        "percent": text.percent,
        "count": text.count,
        "duration": text.duration,
        "one_line": text.terminal_line,
        "last_line": text.last_line,
        "idea": text.thought_line,
        "moment": lambda seconds: time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)),
        "extent": lambda interval: text.number_range(*(interval or (None, None))),
        "setting": setting_text,
        "code": _highlighted,
    }
    page = Path(__file__).parent / "page"
    environment.globals |= {
        "version": __version__,
        "command": command,
        "compared": compared,
        "exchange_name": exchange_name,
        "ranking_words": ranking_words,
        "trainings_text": trainings_text,
        "mean_title": mean_title,
        "winner_name": winner_name,
        "states": {state: word for state, (_, word, _) in STATES.items()},
        "style": Markup((page / "report.css").read_text(encoding="utf-8")),
        "script": Markup((page / "report.js").read_text(encoding="utf-8")),
        "longest_reply": LONGEST_REPLY,
    }
    return environment


def _highlighted(program: str) -> Markup:
    """A program, each line a `<span class="line">`; the page's style numbers and colours them."""
    lexer, formatter = PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)
    lines = highlight(text.terminal_program(program), lexer, formatter).rstrip("\n").split("\n")
    return Markup("\n").join(Markup(f'<span class="line">{line}</span>') for line in lines)
