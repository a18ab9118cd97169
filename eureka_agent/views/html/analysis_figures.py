"""Plots beyond fitness: failures, what rewards say about each other's policies, reward profiles."""

from collections.abc import Sequence
from dataclasses import dataclass

from eureka_agent.store import RewardComparisonRow
from eureka_agent.views.html.figures import (
    COLOUR_BAR,
    COLOURS,
    FITNESS_SCALE,
    QUIET,
    WINNER,
    Document,
    Figure,
    label,
    layout,
    line,
    line_looks,
    over_generations,
    short,
)

HEIGHT = 280
SAME = 0.03
"""Distance up to which a search takes two programs for one."""
DISTANCE_SCALE = [[0, "#e9a80c"], [0.5, "#2a9d8f"], [1, "#5c6bd0"]]
AGREEMENT_SCALE = [[0, WINNER], [0.5, QUIET], [1, "#0b84c6"]]


@dataclass(frozen=True)
class AnalysisPlot:
    """A plot with the words around it.

    Attributes:
        key: names the plot in the page.
        title: the heading.
        words: how to read it.
        figure: the plot.
        conclusions: what follows from it, a sentence each.
    """

    key: str
    title: str
    words: str
    figure: Figure
    conclusions: tuple[str, ...] = ()


def analysis_plots(
    row: RewardComparisonRow | None, generations: Sequence[Document] = ()
) -> list[AnalysisPlot]:
    """The plots for which something is known.

    Args:
        row: the last comparison of programs and policies with each other.
        generations: of the run's document, with the `failures` of each.
    """
    known = [_matrix(row), _distances(row)] if row is not None else []
    return [plot for plot in (_failures(generations), *known) if plot is not None]


def failures_figure(generations: Sequence[Document]) -> Figure:
    """The fraction of each generation's episodes that fails in each way.

    Args:
        generations: each with its number and its `failures`, fractions by type.
    """
    sums = {
        kind: sum(row["failures"].get(kind, 0.0) for row in generations)
        for row in generations
        for kind in row["failures"]
    }
    frequent = sorted(sums, key=lambda kind: -sums[kind])
    numbers = [row["generation"] for row in generations]
    hover = "%{y:.3~g} % in generation %{x}<extra>%{fullData.name}</extra>"
    data = []
    for kind, colour in zip(frequent, COLOURS, strict=False):
        percents = [100 * row["failures"].get(kind, 0.0) for row in generations]
        drawn = line(numbers, percents, label(kind, 30), mode="lines+markers", color=colour)
        data.append(drawn | {"hovertemplate": hover})
    ground = over_generations("% of the episodes", 320, numbers, showlegend=True)
    ground["yaxis"] |= {"rangemode": "tozero"}
    return {"data": data, "layout": ground}


def heat_figure(
    z: Sequence[Sequence[float | None]],
    rows: tuple[str, list[str]],
    columns: tuple[str, list[str]],
    **look: object,
) -> Figure:
    """A matrix as colours; gaps where there is no number.

    Args:
        z: row by row.
        rows: what the rows are together, and the name of each.
        columns: the same of the columns.
        look: properties of the trace, as Plotly names them.
    """
    trace: Figure = {
        "type": "heatmap",
        "z": [short(values) for values in z],
        "x": [label(name, 30) for name in columns[1]],
        "y": [label(name, 30) for name in rows[1]],
        "colorbar": COLOUR_BAR,
        "hovertemplate": "%{y}<br>%{x}<br>%{z}<extra></extra>",
        "xgap": 1,
        "ygap": 1,
        **look,
    }
    ground = layout(columns[0], rows[0], 180 + 22 * min(len(rows[1]), 30))
    category = {"type": "category", "showgrid": False}
    ground["xaxis"] |= category
    ground["yaxis"] |= category | {"autorange": "reversed"}
    return {"data": [trace], "layout": ground}


def _failures(generations: Sequence[Document]) -> AnalysisPlot | None:
    if not any(row["failures"] for row in generations):
        return None
    words = (
        "By rules, of the episodes of each generation's policies; one episode may fail in several "
        "ways. Of a policy with episodes that come less than half of the way from random actions "
        "to the best policy known at the time, only these count."
    )
    return AnalysisPlot("failures", "How policies fail", words, failures_figure(generations))


def _matrix(row: RewardComparisonRow) -> AnalysisPlot | None:
    entry = row.matrix
    if not entry.get("z"):
        return None
    policies = [
        f"no candidate's, {policy['step']}"
        if policy["candidate"] is None
        else f"#{policy['candidate']} at {policy['step']}"
        for policy in entry["policies"]
    ]
    programs = [f"#{number}" for number in entry["programs"]]
    figure = heat_figure(
        *(entry["z"], ("policy", policies), ("judged by the reward of", programs)),
        colorscale=AGREEMENT_SCALE,
        zmid=0,
    )
    words = (
        "To its own reward a policy always looks good; the others were not trained to please it. "
        "In standard deviations from the mean of all policies: blue is better."
    )
    words = " ".join([words, *_blank_columns(row)])
    title = "What every reward thinks of every policy"
    return AnalysisPlot("matrix", title, words, figure, tuple(row.said))


def _blank_columns(row: RewardComparisonRow) -> list[str]:
    """Why columns of the matrix are empty, a sentence for each."""
    programs, known = row.matrix["programs"], row.distances.get("candidates", [])
    sentences = []
    for column, number in enumerate(programs):
        if any(line[column] is not None for line in row.matrix["z"]):
            continue
        distances = row.distances["matrix"][known.index(number)] if number in known else []
        apart = dict(zip(known, distances, strict=False))
        near = [n for n in programs[:column] if (gap := apart.get(n)) is not None and gap <= SAME]
        why = "that program pays the same everywhere, or asks for the same as an earlier one"
        if near:
            why = f"it asks for the same as #{near[0]}, and is shown there"
        sentences.append(f"Column #{number} is blank: {why}.")
    return sentences


def _distances(row: RewardComparisonRow) -> AnalysisPlot | None:
    entry = row.distances
    if not entry.get("matrix"):
        return None
    names = [f"#{number}" for number in entry["candidates"]]
    values, rows = entry["matrix"], names
    if entry.get("human"):
        values, rows = [*values, entry["human"]], [*names, "human reward"]
    columns = ("reward", names)
    figure = heat_figure(
        values, ("reward", rows), columns, colorscale=DISTANCE_SCALE, zmin=0, zmax=1
    )
    words = "0: they ask the same of a policy; 1: the contrary."
    return AnalysisPlot("distances", "How far apart the rewards are", words, figure)


def profile_figures(lens: Document) -> dict[str, Figure]:
    """One figure for each sweep, by the key that names it in the page.

    Args:
        lens: the reward profile as in `AnalysisRow.lens`; {} if nothing is known.
    """
    return {f"lens-{k}": _figure(view) for k, view in enumerate(lens.get("views", ()))}


def _figure(view: Document) -> Figure:
    units = ["" if swept["unit"] == "1" else f" ({swept['unit']})" for swept in view["swept"]]
    names = [
        label(f"{swept['name']}{unit}", 40)
        for swept, unit in zip(view["swept"], units, strict=True)
    ]
    return _grid(view, names) if len(names) == 2 else _curves(view, names[0])


def _curves(view: Document, name: str) -> Figure:
    """The reward and its components over one quantity."""
    (grid,) = view["grids"]
    data = [line(grid, view["total"], "reward", color=QUIET, width=4)]
    for look, (component, values) in zip(line_looks(), view["components"].items(), strict=False):
        data.append(line(grid, values, label(component, 30), **look))
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
        "colorbar": COLOUR_BAR,
        "hovertemplate": "%{x}, %{y}<br>%{z}<extra>reward</extra>",
    }
    return {"data": [trace], "layout": layout(names[0], names[1], HEIGHT)}
