"""The report's page, put together from a run's documents, a template, a style and a script."""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from eureka_agent import __version__
from eureka_agent.common import text as forms
from eureka_agent.common.errors import UsageError
from eureka_agent.common.paths import command
from eureka_agent.store import RunReader
from eureka_agent.store.folder import require_replaceable, videos, write_atomically
from eureka_agent.views.documents import describe_candidate, describe_run, exchange_name
from eureka_agent.views.html import figures, words
from eureka_agent.views.html.analysis_figures import analysis_plots, profile_figures
from eureka_agent.views.html.contents import (
    Passages,
    new_messages,
    pack,
    pack_data,
    winner_picture,
    winner_video,
)
from eureka_agent.views.html.figures import Figure, children
from eureka_agent.views.html.words import highlighted
from eureka_agent.views.snapshot import CandidateSnapshot, Document, RunSnapshot
from eureka_agent.views.terminal.run import compared, mean_title, trainings_text, winner_name
from eureka_agent.views.verdict import ranking_words, standing_words

NAME = "report.html"
FEW = 40
"""Candidates that a printed report lists; on a screen all are there."""
ALL_SHOWN = 20
"""Candidates that the page lists without scrolling of its own."""
LONGEST_REPLY = 20_000
"""Characters of one reply of the language model; the run folder holds the rest."""


def write_report(run: RunReader, path: Path | None = None) -> Path:
    """Write the report of a run, and say where.

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
        text = report_page(run)
        write_atomically(path, text)
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
        passages = Passages()
        rows = {row["id"]: row for row in document["candidates"]}
        document["candidates"] = [rows[row.id] for row in run.best_first]
        candidates = [_candidate(run, row.id, passages) for row in run.best_first]
        human = _human_trainings(reader)
        found = analysis_plots(run.reward_comparison, document["generations"])
    environment = _environment()
    plots = _run_plots(run, document, human)
    opened = _opened(environment, candidates, human)
    best = run.row.best_candidate
    plots |= {reward_comparison.key: reward_comparison.figure for reward_comparison in found}
    return environment.get_template("report.html.j2").render(
        run=document,
        seen=run,
        config=run.row.config,
        winner=next((entry for entry in candidates if entry["id"] == best), None),
        winner_plots=opened[str(best)]["plots"] if best is not None else {},
        video=winner_video(reader, best),
        picture=winner_picture(reader, best),
        films=_films(reader, candidates),
        few=ALL_SHOWN,
        dense=any(row["ranking_progress"] is not None for row in candidates),
        insights=found,
        plots=plots,
        printed=_printed(document),
        nonce=secrets.token_urlsafe(16),
        library=pack(get_plotlyjs()),
        data=pack_data(
            {"plots": plots, "candidates": opened, "winner": best, "passages": passages.texts}
        ),
    )


def _candidate(run: RunSnapshot, number: int, passages: Passages) -> Document:
    """A candidate in full, with what the language model was asked about it."""
    candidate = CandidateSnapshot(run, number)
    return describe_candidate(candidate) | {
        "standing": standing_words(candidate.row, candidate.ranked),
        "asked": new_messages(candidate.exchanges, passages),
    }


def _opened(
    environment: Environment, candidates: Sequence[Document], human: list[Document]
) -> dict[str, Document]:
    """What each candidate shows when it is opened, by its number."""
    template = environment.get_template("candidate.html.j2")
    offspring = children(candidates)
    return {
        str(row["id"]): {
            "html": template.render(candidate=row, children=offspring.get(row["id"], [])),
            "plots": _candidate_plots(row, human),
        }
        for row in candidates
    }


def _environment() -> Environment:
    """Templates that escape everything, and make control characters of foreign text visible."""
    loader = PackageLoader("eureka_agent.views.html", "page")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: forms.terminal_text(value) if type(value) is str else value,
    )
    environment.filters |= {
        "number": forms.number,
        "percent": forms.percent,
        "count": forms.count,
        "duration": forms.duration,
        "one_line": forms.terminal_line,
        "last_line": forms.last_line,
        "idea": forms.thought_line,
        "moment": words.moment,
        "extent": words.extent,
        "shown": words.shown,
        "code": highlighted,
    }
    environment.globals |= {
        "version": __version__,
        "things": forms.plural,
        "command": command,
        "compared": compared,
        "exchange_name": exchange_name,
        "notes": words.notes,
        "ranking_words": ranking_words,
        "trainings_text": trainings_text,
        "mean_title": mean_title,
        "winner_name": winner_name,
        "states": words.STATES,
        "style": _file("report.css"),
        "script": _file("report.js"),
        "longest_reply": LONGEST_REPLY,
    }
    return environment


def _file(name: str) -> Markup:
    return Markup((Path(__file__).parent / "page" / name).read_text(encoding="utf-8"))


def _human_trainings(run: RunReader) -> list[Document]:
    """The trainings of the human reward with what a plot needs of them."""
    return [
        {
            "role": training.role,
            "seed": training.seed,
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
    if document["candidates"]:
        level = fmean(known) if known else None
        if document["measured"]:
            plots["generations"] = figures.generations_figure(document, level)
        plots["lineage"] = figures.lineage_figure(document)
        outcomes = figures.outcomes_figure(document)
        plots |= {"outcomes": outcomes} if len(outcomes["data"]) > 1 else {}
    return {key: figure for key, figure in plots.items() if figure["data"]}


def _candidate_plots(candidate: Mapping[str, Any], human: list[Document]) -> dict[str, Figure]:
    """The plots of one candidate: its trainings, what its components paid, and its lens."""
    trainings = [training for training in candidate["trainings"] if training["evaluations"]]
    lens = profile_figures(candidate["lens"])
    if not trainings:
        return lens
    training = figures.training_figure(trainings, human)
    plots = lens | ({"training": training} if training["data"] else {})
    if any(row["components"] for row in trainings[0]["evaluations"]):
        plots["components"] = figures.components_figure(trainings[0]["evaluations"])
    return plots


def _films(run: RunReader, candidates: Sequence[Document]) -> list[str]:
    """The films that lie in the run folder, in the order of candidates."""
    found = [path for row in candidates for path in videos(run.candidate_folder(row["id"]))]
    return [str(path.relative_to(run.path)) for path in found]


def _printed(document: Document) -> set[int]:
    """Candidates that a printed report lists: all of few, of many the first."""
    return {row["id"] for row in document["candidates"][:FEW]}
