"""What the plots of a report are put together from.

They name no colour for text, axes and grounds: the page's style sheet sets these, so that a plot
follows the theme and prints dark on light without being drawn again.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from eureka_agent.ui.format import one_line

Figure = dict[str, Any]

# Told apart by most kinds of colour blindness, and legible on both grounds.
COLOURS = ("#0b84c6", "#d9820f", "#0f9d75", "#c2569b", "#7a6ff0", "#a0783c", "#d1495b", "#6b8e23")
WINNER, HUMAN, BARE, QUIET = "#d1495b", "#0f9d75", "#d9820f", "#8a8f98"
CLEAR = "rgba(0,0,0,0)"
FITNESS_SCALE = [[0, "#5c6bd0"], [0.5, "#2a9d8f"], [1, "#e9a80c"]]
"""Without the dark end of the usual scales, which a dark ground would swallow."""
LONGEST = 60
STEPS = "environment steps"


def label(text: str, longest: int = LONGEST) -> str:
    """Foreign text as Plotly shows it literally, which otherwise reads some HTML in it."""
    words = one_line(text)
    return escape(words if len(words) <= longest else words[: longest - 1] + "…", quote=False)


def layout(x: str, y: str, height: int, **more: Any) -> Figure:
    """The ground of a plot: names of its axes, its height in pixels, and what else it sets."""
    axis = {"automargin": True, "linewidth": 1, "gridwidth": 1}
    return {
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "font": {"family": "inherit", "size": 13},
        "margin": {"l": 60, "r": 20, "t": 12, "b": 50},
        "height": height,
        "autosize": True,
        "hovermode": "closest",
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "xaxis": axis | {"title": {"text": x}, "zeroline": False},
        "yaxis": axis | {"title": {"text": y, "standoff": 12}},
        **more,
    }


def line(x: Sequence[float], y: Sequence[float | None], name: str, **look: Any) -> Figure:
    """A line with that look; `mode` as Plotly names it."""
    mode = look.pop("mode", "lines")
    drawn = {"width": 2, **look}
    hover = "%{y:.4~g} at %{x}<extra>%{fullData.name}</extra>"
    trace = {"type": "scatter", "mode": mode, "x": list(x), "y": short(y), "name": name}
    return trace | {"line": drawn, "hovertemplate": hover}


def points(x: Sequence[float], y: Sequence[Any], name: str, **look: Any) -> Figure:
    """Points with that look."""
    hover = "%{x:.4~g}<extra>%{fullData.name}</extra>"
    trace = {"type": "scatter", "mode": "markers", "x": short(x), "y": list(y), "name": name}
    return trace | {"hovertemplate": hover, **look}


def short(values: Iterable[float | None]) -> list[float | None]:
    """Six digits are more than a plot can show, and keep the file small."""
    return [None if value is None else float(f"{value:.6g}") for value in values]
