"""Pictures of what a program pays: its reward over the quantities that it goes with most."""

from collections.abc import Mapping
from typing import Any

from eureka_agent.report.traces import (
    COLOURS,
    FITNESS_SCALE,
    QUIET,
    Figure,
    label,
    layout,
    line,
    short,
)

Document = Mapping[str, Any]
HEIGHT = 280


def lens_figures(lens: Document) -> dict[str, Figure]:
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
