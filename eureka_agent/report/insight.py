"""Plots of what a run knows of its rewards beyond fitness; those that it has."""

from dataclasses import dataclass

from eureka_agent.report.traces import QUIET, WINNER, Figure, label, layout, short
from eureka_agent.store import InsightRow

Matrix = list[list[float | None]]
DISTANCE_SCALE = [[0, "#e9a80c"], [0.5, "#2a9d8f"], [1, "#5c6bd0"]]
OPINION_SCALE = [[0, WINNER], [0.5, QUIET], [1, "#0b84c6"]]


@dataclass(frozen=True)
class Insight:
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


def insights(row: InsightRow | None) -> list[Insight]:
    """What was known last, drawn; nothing where nothing is known."""
    if row is None:
        return []
    return [found for found in (_matrix(row), _distances(row)) if found is not None]


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


def _matrix(row: InsightRow) -> Insight | None:
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
    return Insight(
        "matrix", "What every reward thinks of every policy", words, figure, tuple(row.said)
    )


def _policy(candidate: int | None, step: int) -> str:
    return f"#{candidate} at {step}" if candidate is not None else f"no candidate's, {step}"


def _distances(row: InsightRow) -> Insight | None:
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
    return Insight("distances", "How far apart the rewards are", words, figure)
