"""Plots of what a run knows of its rewards and policies beyond fitness; those that it has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eureka_agent.store import RewardComparisonRow
from eureka_agent.views.html.figures import (
    COLOURS,
    FITNESS_SCALE,
    QUIET,
    WINNER,
    Figure,
    label,
    layout,
    line,
    short,
)

FEW = 25
"""Generations up to which each has its number at the axis."""
SAME = 0.03
"""Distance up to which a search takes two programs for one."""
Matrix = list[list[float | None]]
DISTANCE_SCALE = [[0, "#e9a80c"], [0.5, "#2a9d8f"], [1, "#5c6bd0"]]
OPINION_SCALE = [[0, WINNER], [0.5, QUIET], [1, "#0b84c6"]]


@dataclass(frozen=True)
class AnalysisPlot:
    """A plot with the words around it.

    Attributes:
        key: names the plot in the page.
        title: the heading.
        words: how to read it.
        figure: the plot.
        said: what follows from it, a sentence each.
    """

    key: str
    title: str
    words: str
    figure: Figure
    said: tuple[str, ...] = ()


def analysis_plots(
    row: RewardComparisonRow | None, generations: Sequence[Mapping[str, Any]] = ()
) -> list[AnalysisPlot]:
    """What is known, drawn; nothing where nothing is known.

    Args:
        row: what was known last of programs and policies beside each other.
        generations: of the run's document, with the `failures` of each.
    """
    known = [_matrix(row), _distances(row)] if row is not None else []
    return [found for found in (_failures(generations), *known) if found is not None]


def failures_figure(generations: Sequence[Mapping[str, Any]]) -> Figure:
    """Of each generation's episodes the share that fails in each way.

    Args:
        generations: each with its number and its `failures`, shares by type.
    """
    sums: dict[str, float] = {}
    for row in generations:
        for kind, share in row["failures"].items():
            sums[kind] = sums.get(kind, 0.0) + share
    frequent = sorted(sums, key=lambda kind: -sums[kind])[: len(COLOURS)]
    numbers = [row["generation"] for row in generations]
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": numbers,
            "y": short(100 * row["failures"].get(kind, 0.0) for row in generations),
            "name": label(kind, 30),
            "line": {"color": colour, "width": 2},
            "hovertemplate": "%{y:.3~g} % in generation %{x}<extra>%{fullData.name}</extra>",
        }
        for kind, colour in zip(frequent, COLOURS, strict=False)
    ]
    ground = layout("generation", "% of the episodes", 320, showlegend=True)
    ground["yaxis"] |= {"rangemode": "tozero"}
    ground["xaxis"] |= {"dtick": 1} if len(numbers) <= FEW else {}
    return {"data": data, "layout": ground}


def heat_figure(z: Matrix, rows: tuple[str, list[str]], columns: tuple[str, list[str]]) -> Figure:
    """A matrix as colours; gaps where there is no number.

    Args:
        z: row by row.
        rows: what the rows are together, and the name of each.
        columns: likewise.
    """
    trace: Figure = {
        "type": "heatmap",
        "z": [short(line) for line in z],
        "x": [label(name, 30) for name in columns[1]],
        "y": [label(name, 30) for name in rows[1]],
        "colorbar": {"thickness": 12, "outlinewidth": 0},
        "hovertemplate": "%{y}<br>%{x}<br>%{z}<extra></extra>",
        "xgap": 1,
        "ygap": 1,
    }
    ground = layout(columns[0], rows[0], 180 + 22 * min(len(rows[1]), 30))
    category = {"type": "category", "showgrid": False}
    ground["xaxis"] |= category
    ground["yaxis"] |= category | {"autorange": "reversed"}
    return {"data": [trace], "layout": ground}


def _failures(generations: Sequence[Mapping[str, Any]]) -> AnalysisPlot | None:
    if not any(row["failures"] for row in generations):
        return None
    words = (
        "By rules, of the episodes of each generation's policies; one episode may fail in several "
        "ways. Of a policy with episodes that come less than half of the way from random actions "
        "to the best policy known at the time, only these count."
    )
    figure = failures_figure(generations)
    return AnalysisPlot("failures", "How policies fail", words, figure)


def _matrix(row: RewardComparisonRow) -> AnalysisPlot | None:
    entry = row.matrix
    if not entry.get("z"):
        return None
    policies = [_policy(policy["candidate"], policy["step"]) for policy in entry["policies"]]
    programs = [f"#{number}" for number in entry["programs"]]
    figure = heat_figure(entry["z"], ("policy", policies), ("judged by the reward of", programs))
    figure["data"][0] |= {"colorscale": OPINION_SCALE, "zmid": 0}
    words = (
        "To its own reward a policy always looks good; the others were not trained to please it. "
        "In standard deviations from the mean of all policies: blue is better."
    )
    words = " ".join([words, *_blank_columns(row)])
    return AnalysisPlot(
        "matrix", "What every reward thinks of every policy", words, figure, tuple(row.said)
    )


def _blank_columns(row: RewardComparisonRow) -> list[str]:
    """Why columns of the matrix are empty, a sentence for each."""
    programs, known = row.matrix["programs"], row.distances.get("candidates", [])
    said = []
    for column, number in enumerate(programs):
        if any(line[column] is not None for line in row.matrix["z"]):
            continue
        earlier = [other for other in programs[:column] if other in known and number in known]
        apart = {
            other: row.distances["matrix"][known.index(number)][known.index(other)]
            for other in earlier
        }
        same = next((o for o, gap in apart.items() if gap is not None and gap <= SAME), None)
        said.append(
            f"Column #{number} is blank: that program pays the same everywhere, or asks for the "
            "same as an earlier one."
            if same is None
            else f"Column #{number} is blank: it asks for the same as #{same}, and is shown there."
        )
    return said


def _policy(candidate: int | None, step: int) -> str:
    return f"#{candidate} at {step}" if candidate is not None else f"no candidate's, {step}"


def _distances(row: RewardComparisonRow) -> AnalysisPlot | None:
    entry = row.distances
    if not entry.get("matrix"):
        return None
    names = [f"#{number}" for number in entry["candidates"]]
    values, rows = list(entry["matrix"]), list(names)
    if entry.get("human"):
        values, rows = [*values, entry["human"]], [*names, "human reward"]
    figure = heat_figure(values, ("reward", rows), ("reward", names))
    figure["data"][0] |= {"colorscale": DISTANCE_SCALE, "zmin": 0, "zmax": 1}
    words = "0: they ask the same of a policy; 1: the contrary."
    return AnalysisPlot("distances", "How far apart the rewards are", words, figure)


Document = Mapping[str, Any]
HEIGHT = 280


def profile_figures(lens: Document) -> dict[str, Figure]:
    """One figure for each sweep, by the key that names it in the page.

    Args:
        lens: as `AnalysisRow.lens` holds it; {} where nothing is known.
    """
    return {f"lens-{k}": _figure(view) for k, view in enumerate(lens.get("views", ()))}


def _figure(view: Document) -> Figure:
    names = [_name(swept) for swept in view["swept"]]
    return _grid(view, names) if len(names) == 2 else _curves(view, names[0])


def _name(swept: Document) -> str:
    unit = "" if swept["unit"] == "1" else f" ({swept['unit']})"
    return label(f"{swept['name']}{unit}", 40)


def _curves(view: Document, name: str) -> Figure:
    """The reward and its components over one quantity."""
    (grid,) = view["grids"]
    data = [line(grid, view["total"], "reward", color=QUIET, width=4)]
    for i, (component, values) in enumerate(view["components"].items()):
        colour, dash = COLOURS[i % len(COLOURS)], "solid" if i < len(COLOURS) else "dash"
        data.append(line(grid, values, label(component, 30), color=colour, dash=dash))
    ground = layout(name, "paid per step", HEIGHT, showlegend=True)
    return {"data": data, "layout": ground}


def _grid(view: Document, names: list[str]) -> Figure:
    """The reward over two quantities, as colours."""
    first, second = view["grids"]
    trace: Figure = {
        "type": "heatmap",
        "x": short(first),
        "y": short(second),
        "z": [short(row) for row in zip(*view["total"], strict=True)],
        "colorscale": FITNESS_SCALE,
        "colorbar": {"thickness": 12, "outlinewidth": 0},
        "hovertemplate": "%{x}, %{y}<br>%{z}<extra>reward</extra>",
    }
    return {"data": [trace], "layout": layout(names[0], names[1], HEIGHT)}
