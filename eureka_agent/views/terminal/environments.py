"""Environments for the terminal: all of them in a line each, or one with all that is known."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from eureka_agent.common.text import NOTHING, clean, count, number
from eureka_agent.views.terminal.parts import foreign

Document = Mapping[str, Any]
BASELINES = {"random": "random actions", "bare": "bare fitness", "human": "human reward"}


def environments_table(entries: Sequence[Document]) -> RenderableType:
    """All environments: task, actions, time limit, and what rewards reached there before."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("environment", no_wrap=True)
    table.add_column("task", ratio=1)
    for heading in ("actions", "time limit", "random", "human"):
        table.add_column(heading, justify="right", no_wrap=True)
    for entry in entries:
        if "failure" in entry:
            broken = Text(clean(f"broken: {entry['failure']}"))
            table.add_row(foreign(entry["name"]), broken, "", "", "", "")
            continue
        reached = entry["published_baselines"] or {}
        table.add_row(
            foreign(entry["name"]),
            Text(clean(entry["task"])),
            str(len(entry["actuators"])),
            f"{entry['episode_steps'] * entry['control_step']:.3g} s",
            *(number(reached[key]) if key in reached else NOTHING for key in ("random", "human")),
        )
    closing = (
        "random, human: mean fitness of random actions and of the human reward, where measured. "
        "eureka-agent envs NAME tells more of one."
    )
    return Group(table, Text(), Text(closing))


def environment_view(entry: Document) -> RenderableType:
    """One environment: task, robot, signals, actions, and what rewards reached there before."""
    seconds = entry["episode_steps"] * entry["control_step"]
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    said = {
        "robot": entry["robot"],
        "start": entry["start"],
        "time limit": f"{seconds:.3g} s: {entry['episode_steps']} steps of "
        f"{entry['control_step']:.3g} s",
        "early end": entry["termination"] or "none",
        "training": f"{count(entry['budget'])} steps by default",
        "reached": _reached(entry["published_baselines"]),
        "folder": entry["path"],
    }
    for name, value in said.items():
        if value:
            facts.add_row(name, Text(clean(value)))
    signals = Table("signal", "shape", "unit", "meaning", box=None, padding=(0, 2, 0, 0))
    for signal in entry["signals"]:
        columns = f"; columns: {'; '.join(signal['axes'])}" if signal["axes"] else ""
        meaning = Text(clean(f"{signal['meaning']}{columns}"))
        signals.add_row(signal["name"], Text(signal["shape"]), foreign(signal["unit"]), meaning)
    actions = [Padding(Text(clean(action)), (0, 0, 0, 2)) for action in entry["actions"]]
    return Group(
        *(Text(clean(f"{entry['name']}: {entry['task']}")), Text(), facts, Text(), signals, Text()),
        *(Text("actions, in [-1, 1] each"), *actions, Text()),
    )


def _reached(baselines: Document | None) -> str:
    """Mean fitness of the baselines in a sentence; empty if none was measured."""
    if baselines is None:
        return ""
    means = (f"{n} {number(baselines[k])}" for k, n in BASELINES.items() if k in baselines)
    return f"after {count(baselines['steps'])} steps: {', '.join(means)}"
