"""What was found out about a candidate, drawn for a terminal: failures, the lens, an opinion."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from eureka_agent.ui.format import clean, extent, limits, number, one_line, percent, sparkline
from eureka_agent.ui.pieces import foreign, plain_table, section

Document = Mapping[str, Any]
SPREAD = "Median and percentiles over the steps of policies; weighted, per step."


def analysis_sections(
    failures: Document, lens: Document, opinion: Document
) -> list[RenderableType]:
    """A section for each of the parts of an `AnalysisRow` that is there."""
    sections: list[RenderableType] = []
    if failures.get("lines"):
        sections.append(section("How its episodes fail", failures_part(failures)))
    if lens.get("views") or lens.get("spreads"):
        sections.append(section("What the program pays", lens_part(lens)))
    if opinion.get("lines"):
        lines = "\n".join(map(str, opinion["lines"]))
        sections.append(section("What the analyst says", Text(clean(lines))))
    return sections


def failures_part(failures: Document) -> RenderableType:
    """How many episodes failed, and a line for each type of failure."""
    if not failures["types"]:
        return Text(clean("\n".join(failures["lines"])))
    head = Text(one_line(failures["lines"][0]))
    table = plain_table("type", ">episodes", ">from step", "~paid most per step meanwhile")
    for entry in failures["types"]:
        paid = (f"{one_line(n)} {number(value)}" for n, value in entry["components"].items())
        table.add_row(
            foreign(entry["kind"]), percent(entry["share"]), str(entry["step"]), ", ".join(paid)
        )
    rest = failures["untyped"]
    parts: list[RenderableType] = [head, Text(), table]
    if rest:
        parts.append(Text(f"No rule fits {rest} of them.", "dim"))
    if failures["progress"]:
        parts.append(Text(f"Taken for progress: {one_line(failures['progress'])}.", "dim"))
    return Group(*parts)


def lens_part(lens: Document) -> RenderableType:
    """The reward over what it goes with most, and its components under policies."""
    parts: list[RenderableType] = []
    for view in lens.get("views", ()):
        if len(view["swept"]) == 1:
            parts += [_line(view), Text()]
    spreads = lens.get("spreads", {})
    if spreads:
        table = plain_table("~component", "~under", ">5 %", ">median", ">95 %")
        for name, values in spreads.items():
            for i, (group, spread) in enumerate(values.items()):
                shown = "" if i else name
                table.add_row(foreign(shown), foreign(group), *map(number, spread))
        parts += [table, Text(SPREAD, "dim")]
    return Group(*parts)


def _line(view: Document) -> RenderableType:
    """One swept quantity: the reward and what moves of it, each on its own scale."""
    (swept,), (grid,) = view["swept"], view["grids"]
    unit = "" if swept["unit"] == "1" else f" {one_line(swept['unit'])}"
    head = f"over {one_line(swept['name'])}, {number(grid[0])} to {number(grid[-1])}{unit}"
    table = plain_table("~", "", "")
    table.show_header = False
    for name, curve in {"reward": view["total"], **view["components"]}.items():
        low, high = limits([curve])
        if high > low:
            drawn = Text(sparkline(curve, low, high), "cyan")
            table.add_row(foreign(name), drawn, extent(low, high))
        elif name == "reward":
            table.add_row(name, Text("the same throughout", "dim"), number(low))
    return Group(Text(head), table)
