"""The plots of a report as plain Plotly figures: dicts with `data` and `layout`."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from html import escape
from itertools import accumulate, chain, repeat
from typing import Any

from eureka_agent.common.text import last_line, number, shortened, terminal_line
from eureka_agent.views.snapshot import RunSnapshot
from eureka_agent.views.terminal.run import compared

Figure = dict[str, Any]
Document = Mapping[str, Any]

# Distinct with most kinds of colour blindness, and legible on both grounds.
COLOURS = ("#0b84c6", "#d9820f", "#0f9d75", "#c2569b", "#7a6ff0", "#a0783c", "#d1495b", "#6b8e23")
WINNER, HUMAN, BARE, QUIET = "#d1495b", "#0f9d75", "#d9820f", "#8a8f98"
CLEAR = "rgba(0,0,0,0)"
FITNESS_SCALE = [[0, "#5c6bd0"], [0.5, "#2a9d8f"], [1, "#e9a80c"]]
"""Without the dark end of the usual scales, which a dark ground would swallow."""
LONGEST = 60
COLOUR_BAR: Figure = {"thickness": 12, "outlinewidth": 0}
OTHERS = "other ends"
SPREAD = 0.6
"""Fraction of a generation's width that its candidates take."""
MANY = 25
"""Generations beyond which marks shrink and not every number fits below them."""
COMPARED = {"human reward": HUMAN, "bare fitness": BARE}
"""Colours of the rewards that a winner is compared with."""
SEARCHED, AGAIN = ("in the search", COLOURS[0]), ("trained again", COLOURS[4])
TRAINED = "trained"
"""What `outcome` says about a candidate with a fitness."""


def label(text: str, longest: int = LONGEST) -> str:
    """Foreign text as Plotly shows it literally, which otherwise reads some HTML in it."""
    return escape(shortened(terminal_line(text), longest), quote=False)


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


def over_generations(y: str, height: int, generations: Sized, **more: Any) -> Figure:
    """The ground of a plot over generations; a few of them have each its number at the axis."""
    ground = layout("generation", y, height, **more)
    ground["xaxis"] |= {"dtick": 1} if len(generations) <= MANY else {}
    return ground


def over_steps(y: str, **more: Any) -> Figure:
    """The ground of a plot over a training run, from its first step: it may have one evaluation."""
    ground = layout("environment steps", y, 320, **more)
    ground["xaxis"] |= {"rangemode": "tozero"}
    return ground


def line(x: Sequence[float], y: Sequence[float | None], name: str, **look: Any) -> Figure:
    """A line with that look; `mode` as Plotly names it."""
    mode = look.pop("mode", "lines")
    drawn = {"width": 2, **look}
    hover = "%{y:.4~g} at %{x}<extra>%{fullData.name}</extra>"
    trace = {"type": "scatter", "mode": mode, "x": list(x), "y": short(y), "name": name}
    return trace | {"line": drawn, "hovertemplate": hover}


def line_looks() -> Iterator[dict[str, str]]:
    """Looks of lines that a reader can distinguish: all colours, then the same dashed."""
    for dash in chain(["solid"], repeat("dash")):
        for colour in COLOURS:
            yield {"color": colour, "dash": dash}


def points(x: Sequence[float], y: Sequence[Any], name: str, **look: Any) -> Figure:
    """Points with that look."""
    hover = "%{x:.4~g}<extra>%{fullData.name}</extra>"
    trace = {"type": "scatter", "mode": "markers", "x": short(x), "y": list(y), "name": name}
    return trace | {"hovertemplate": hover, **look}


def short(values: Iterable[float | None]) -> list[float | None]:
    """Six digits are more than a plot can show, and keep the file small."""
    return [None if value is None else float(f"{value:.6g}") for value in values]


def ancestors(by_id: Mapping[int, Document], candidate: int | None) -> set[int]:
    """A candidate and all it came from; empty for None."""
    found: set[int] = set()
    waiting = [candidate]
    while waiting:
        one = waiting.pop()
        if one is None or one in found or one not in by_id:
            continue
        found.add(one)
        waiting += by_id[one]["parents"]
    return found


def outcome(candidate: Document) -> str:
    """How a candidate ended: its state, and the kind of error that stopped it."""
    errors = [finding for finding in candidate["verdict"] if finding.get("severity") == "error"]
    if candidate["state"] == "rejected" and errors:
        return f"rejected: {errors[0].get('rule', 'no rule named')}"
    if candidate["state"] == "failed":
        return f"failed: {last_line(candidate['failure'] or '').split(':')[0] or 'no reason named'}"
    return TRAINED if candidate["state"] == "finished" else str(candidate["state"])


def comparison_figure(run: RunSnapshot) -> Figure:
    """Each training run of the winner and of its baselines, with means and intervals."""
    rows = [(name, COMPARED.get(name, WINNER), entry) for name, entry in compared(run)]
    rows += [(f"{name}, published", QUIET, entry) for name, entry in run.published_estimates]
    known = [(*row, row[-1].mean) for row in rows if row[-1].mean is not None]
    data = []
    for name, colour, entry, mean in known:
        values, (low, high) = entry.values, entry.interval or (None, None)
        bars = {"visible": low is not None, "symmetric": False, "thickness": 1, "width": 0}
        if low is not None and high is not None:
            bars |= {"array": [high - mean], "arrayminus": [mean - low]}
        marker = {"color": colour, "size": 16, "symbol": "line-ns-open", "line": {"width": 3}}
        data.append(points([mean], [name], name, marker=marker, error_x=bars))
        each = {"color": colour, "size": 11, "opacity": 0.6}
        if len(values) > 1:
            data.append(points(list(values), [name] * len(values), name, marker=each))
    height = 90 + 42 * len(known)
    names = [row[0] for row in known]
    axis = {"autorange": "reversed", "automargin": True, "categoryarray": names}
    ground = layout("reporting fitness", "", height, showlegend=False)
    ground["yaxis"] |= axis | {"categoryorder": "array", "type": "category"}
    return {"data": data, "layout": ground}


def generations_figure(document: Document, human: float | None) -> Figure:
    """Every candidate's fitness by generation, the best so far, and the mean of each generation.

    Those without a fitness stand in a strip below, by how they ended.

    Args:
        document: of the run.
        human: the human reward's mean fitness on the ranking pool, if it was trained.
    """
    candidates = document["candidates"]
    winner = (document["best"] or {}).get("candidate")
    width = max((row["slot"] for row in candidates), default=0) or 1
    place = {
        row["id"]: round(row["generation"] + SPREAD * (row["slot"] / width - 0.5), 4)
        for row in candidates
    }
    scored = [row for row in candidates if row["fitness"] is not None]
    data = [_candidates(scored, place, "candidates", {"color": COLOURS[0], "opacity": 0.65})]
    rows = [row for row in document["generations"] if row["best"] is not None]
    x, mean = [row["generation"] for row in rows], [row["mean"] for row in rows]
    best = list(accumulate((row["best"] for row in rows), max))
    data.append(line(x, best, "best so far", color=WINNER, shape="hv"))
    data.append(line(x, mean, "mean", color=QUIET, dash="dot"))
    if human is not None and candidates:
        ends = [-0.5, max(row["generation"] for row in candidates) + 0.5]
        data.append(line(ends, [human, human], "human reward", color=HUMAN, dash="dash"))
    marker = {"color": WINNER, "size": 15, "symbol": "star"}
    chosen = [row for row in scored if row["id"] == winner]
    data.append(_candidates(chosen, place, "winner", marker))
    ground = over_generations("ranking fitness", 420, document["generations"])
    others = [row for row in candidates if row["fitness"] is None]
    if others:
        strip = _candidates(others, place, "without a fitness", {"color": QUIET, "symbol": "x"})
        data.append(strip | {"y": [row["state"] for row in others], "yaxis": "y2"})
        ground["yaxis"]["domain"] = [0.24, 1]
        ground["yaxis2"] = {"domain": [0, 0.16], "type": "category", "automargin": True}
        ground["xaxis"]["anchor"] = "y2"
    return {"data": data, "layout": ground}


def lineage_figure(document: Document) -> Figure:
    """Lineage: candidates of a run by generation and place, joined to their parents.

    The winner's ancestors are joined by a thick line; colour is fitness.
    """
    candidates = document["candidates"]
    by_id = {row["id"]: row for row in candidates}
    winner = (document["best"] or {}).get("candidate")
    kin = ancestors(by_id, winner)
    pairs = [(by_id[p], row) for row in candidates for p in row["parents"] if p in by_id]
    ancestry = [pair for pair in pairs if pair[1]["id"] in kin]
    data = [_edges(pairs, "descent", QUIET, 1)]
    place = {row["id"]: row["generation"] for row in candidates}
    scored = [row for row in candidates if row["fitness"] is not None]
    others = [row for row in candidates if row["fitness"] is None]
    size = 12 if len(document["generations"]) <= MANY else 7
    scale = COLOUR_BAR | {"title": {"text": "ranking fitness"}}
    colours = [row["fitness"] for row in scored]
    marker = {"color": colours, "colorscale": FITNESS_SCALE, "colorbar": scale, "size": size}
    open_marker = {"color": QUIET, "symbol": "x-thin-open", "size": 8}
    without = "no fitness" if document["measured"] else "candidates"
    for rows, name, look in ((others, without, open_marker), (scored, "candidates", marker)):
        data.append(_candidates(rows, place, name, look) | {"y": [row["slot"] + 1 for row in rows]})
    data.append(_edges(ancestry, "the winner's", WINNER, 3))
    generations = document["generations"]
    ground = over_generations("place in the generation", 420, generations, showlegend=False)
    ground["yaxis"] |= {"zeroline": False, "showgrid": False}
    ground["yaxis"] |= {"dtick": 1} if all(row["slot"] < MANY for row in candidates) else {}
    ground["xaxis"] |= {"showgrid": False}
    return {"data": data, "layout": ground}


def training_figure(trainings: Sequence[Document], human: Sequence[Document]) -> Figure:
    """Fitness over the training runs of one candidate, beside the human reward's.

    Args:
        trainings: the candidate's, each with its `evaluations`.
        human: the same of the human reward.
    """
    data = []
    for entry in human:
        x, y = _fitness_curve(entry["evaluations"])
        data.append(line(x, y, "human reward", color=HUMAN, dash="dash"))
    for entry in trainings:
        x, y = _fitness_curve(entry["evaluations"])
        if y.count(None) == len(y):
            continue
        name, colour = AGAIN if entry["role"] == "winner" else SEARCHED
        drawn = line(x, y, name, color=colour, mode="lines+markers")
        hover = f"%{{y:.4~g}} at %{{x}}<extra>{name}, seed {entry['seed']}</extra>"
        data.append(drawn | {"hovertemplate": hover})
    named: set[str] = set()
    for trace in data:  # one entry in the legend for all of a kind
        trace["showlegend"] = trace["name"] not in named
        named.add(trace["name"])
    return {"data": data, "layout": over_steps("ranking fitness")}


def components_figure(evaluations: Sequence[Document]) -> Figure:
    """What each component pays per step, weighted, over the evaluations of one training run."""
    names = dict.fromkeys(name for row in evaluations for name in row["components"])
    steps = [row["step"] for row in evaluations]
    data = []
    for look, name in zip(line_looks(), names, strict=False):
        values = [row["components"].get(name, {}).get("mean") for row in evaluations]
        data.append(line(steps, values, label(name, 30), mode="lines+markers", **look))
    return {"data": data, "layout": over_steps("weighted, per step", showlegend=True)}


def outcomes_figure(document: Document) -> Figure:
    """How many candidates of each generation ended in what way, by reason."""
    ended = [(row["generation"], outcome(row)) for row in document["candidates"]]
    names = Counter(name for _, name in ended).most_common(len(COLOURS) - 1)
    frequent = sorted((name for name, _ in names), key=lambda name: name != TRAINED)
    counts = Counter((at, name if name in frequent else OTHERS) for at, name in ended)
    generations = [row["generation"] for row in document["generations"]]
    data = [
        {
            "type": "bar",
            "x": generations,
            "y": [counts[at, name] for at in generations],
            "name": label(name, 40),
            "marker": {"color": colour},
            "hovertemplate": "%{y} in generation %{x}<extra>%{fullData.name}</extra>",
        }
        for name, colour in zip([*frequent, OTHERS], COLOURS, strict=False)
        if any(counts[at, name] for at in generations)
    ]
    look = {"barmode": "stack", "bargap": 0.4, "showlegend": True}
    ground = over_generations("candidates", 320, generations, **look)
    few = all(row["candidates"] < MANY for row in document["generations"])
    ground["yaxis"] |= {"dtick": 1 if few else None}
    return {"data": data, "layout": ground}


def _candidates(
    rows: Sequence[Document], place: Mapping[int, float], name: str, marker: Figure
) -> Figure:
    """Candidates as points that open them; `place` is where each stands along x."""
    fitness = [row["fitness"] for row in rows]
    trace = points([place[row["id"]] for row in rows], fitness, name, marker={"size": 8, **marker})
    return trace | {
        "y": short(fitness),
        "customdata": [row["id"] for row in rows],
        "text": [_hover(row) for row in rows],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _hover(row: Document) -> str:
    fitness = "" if row["fitness"] is None else f", ranking fitness {number(row['fitness'])}"
    words = last_line(row["failure"]) if row["failure"] else row["thought"]
    return f"<b>#{row['id']}</b> {row['state']}{fitness}<br>{label(words)}"


def _edges(
    pairs: Iterable[tuple[Document, Document]], name: str, colour: str, width: int
) -> Figure:
    x: list[int | None] = []
    y: list[int | None] = []
    for parent, child in pairs:
        x += [parent["generation"], child["generation"], None]
        y += [parent["slot"] + 1, child["slot"] + 1, None]
    trace = {"type": "scatter", "mode": "lines", "x": x, "y": y, "name": name}
    opacity = 0.35 if width == 1 else 0.9
    look = {"line": {"color": colour, "width": width}, "opacity": opacity, "hoverinfo": "skip"}
    return trace | look


def _fitness_curve(evaluations: Sequence[Document]) -> tuple[list[int], list[float | None]]:
    return [row["step"] for row in evaluations], [row["fitness"] for row in evaluations]
