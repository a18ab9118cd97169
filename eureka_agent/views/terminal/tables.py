"""What the terminal shows beside runs: settings, environments, played episodes, cleaning."""

import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import filesize
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from eureka_agent.common.errors import UsageError
from eureka_agent.common.text import (
    NOTHING,
    count,
    duration,
    number,
    plural,
    terminal_line,
    terminal_text,
)
from eureka_agent.store.cleaning import Plan, Removal, remove
from eureka_agent.views.snapshot import PUBLISHED, Document
from eureka_agent.views.terminal.parts import foreign

Entry = Mapping[str, Any]


def presets_table(presets: Sequence[Entry]) -> Table:
    """All presets: what each is for and what it sets."""
    table = Table("preset", "what for", "sets", box=None, padding=(0, 2, 1, 0))
    for preset in presets:
        settings = ", ".join(f"{k}={setting_text(v)}" for k, v in preset["settings"].items())
        table.add_row(preset["name"], Text(preset["summary"]), Text(settings or "nothing"))
    return table


def preset_view(preset: Entry) -> RenderableType:
    """One preset in full."""
    settings = Table("setting", "value", box=None, padding=(0, 2, 0, 0))
    for name, value in preset["settings"].items():
        settings.add_row(name, Text(setting_text(value)))
    parts: list[RenderableType] = [Text(f"{preset['name']}: {preset['summary']}"), Text()]
    parts += [settings] if preset["settings"] else [Text("It changes no setting.")]
    parts += [Text(), Text(f"All settings: eureka-agent config show {preset['name']}")]
    for key, title in (("reproduces", "Reproduces"), ("differs", "Does otherwise")):
        if preset[key]:
            lines = [Padding(Text(f"- {line}"), (0, 0, 0, 2)) for line in preset[key]]
            parts += [Text(), Text(title), *lines]
    return Group(*parts)


def settings_table(settings: Sequence[Entry], name: str) -> RenderableType:
    """All settings: their values in a preset, run or file, and what they mean."""
    table = Table("setting", name, "meaning", box=None, padding=(0, 2, 0, 0))
    for setting in settings:
        style = "bold" if setting["changed"] else ""
        mark = f" (default {_value(setting['default'])})" if setting["changed"] else ""
        value = Text(_value(setting["value"]) + mark, style)
        table.add_row(Text(setting["name"], style), value, Text(setting["meaning"]))
    return Group(table, Text(), Text("Change one with: eureka-agent search ENV --set NAME=VALUE"))


def _value(value: object) -> str:
    """A value as `--set` takes it, or in words where nothing stands."""
    return "by environment" if value is None else setting_text(value) or "none"


def difference_table(
    found: Mapping[str, tuple[Any, Any]], first: str, second: str
) -> RenderableType:
    """Settings in which two configurations differ."""
    if not found:
        return Text(f"{first} and {second} set the same.")
    table = Table("setting", first, second, box=None, padding=(0, 2, 0, 0))
    for name, values in found.items():
        table.add_row(name, *(Text("not set" if v is None else setting_text(v)) for v in values))
    return table


def setting_text(value: object) -> str:
    """A setting's value as `--set` takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def environments_table(entries: Sequence[Entry]) -> RenderableType:
    """All environments: task, actions, time limit, and what rewards reached there before."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("environment", no_wrap=True)
    table.add_column("task", ratio=1)
    for heading in ("actions", "time limit", "random", "human"):
        table.add_column(heading, justify="right", no_wrap=True)
    for entry in entries:
        if "failure" in entry:
            broken = Text(terminal_text(f"broken: {entry['failure']}"))
            table.add_row(foreign(entry["name"]), broken, "", "", "", "")
            continue
        reached = entry["published_baselines"] or {}
        table.add_row(
            foreign(entry["name"]),
            Text(terminal_text(entry["task"])),
            str(len(entry["actuators"])),
            f"{entry['episode_steps'] * entry['control_step']:.3g} s",
            *(number(reached[key]) if key in reached else NOTHING for key in ("random", "human")),
        )
    closing = (
        "random, human: mean fitness of random actions and of the human reward, where measured. "
        "eureka-agent envs NAME describes one."
    )
    return Group(table, Text(), Text(closing))


def environment_view(entry: Entry) -> RenderableType:
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
            facts.add_row(name, Text(terminal_text(value)))
    signals = Table("signal", "shape", "unit", "meaning", box=None, padding=(0, 2, 0, 0))
    for signal in entry["signals"]:
        columns = f"; columns: {'; '.join(signal['axes'])}" if signal["axes"] else ""
        meaning = Text(terminal_text(f"{signal['meaning']}{columns}"))
        signals.add_row(signal["name"], Text(signal["shape"]), foreign(signal["unit"]), meaning)
    actions = [Padding(Text(terminal_text(action)), (0, 0, 0, 2)) for action in entry["actions"]]
    title = Text(terminal_text(f"{entry['name']}: {entry['task']}"))
    heading = Text("actions, in [-1, 1] each")
    return Group(title, Text(), facts, Text(), signals, Text(), heading, *actions, Text())


def _reached(baselines: Entry | None) -> str:
    """Mean fitness of the baselines in a sentence; empty if none was measured."""
    if baselines is None:
        return ""
    known = [(key, name) for key, name in reversed(PUBLISHED.items()) if key in baselines]
    means = (f"{name} {number(baselines[key])}" for key, name in known)
    return f"after {count(baselines['steps'])} steps: {', '.join(means)}"


def played_view(played: Document) -> RenderableType:
    """Facts of policies as rows, and where the film is: the document of `play --json`."""
    policies, film = played["policies"], played["video"]
    table = Table(box=None, padding=(0, 3, 0, 0))
    table.add_column("", style="dim")
    for policy in policies:
        table.add_column(Text(terminal_line(policy["policy"])), overflow="fold")
    facts = [_facts(policy) for policy in policies]
    for label in dict.fromkeys(label for column in facts for label in column):
        table.add_row(
            Text(label), *(Text(terminal_text(column.get(label, ""))) for column in facts)
        )
    said = [Text(terminal_text(f"Film: {film}"))] if film else []
    return Group(table, *said)


def _facts(policy: Document) -> dict[str, str]:
    """Label and value of each row of one policy."""
    episodes = policy["episodes"]
    values = [episode["fitness"] for episode in episodes if episode["fitness"] is not None]
    lengths = [episode["seconds"] for episode in episodes]
    early = sum(episode["ended_early"] for episode in episodes)
    facts = {"environment": policy["environment"]}
    if values:
        facts["fitness"] = f"{number(policy['fitness'])}, mean of {len(values)} reporting episodes"
        facts["lowest, highest"] = f"{number(min(values))}, {number(max(values))}"
    of_all = f"of {len(episodes)}"
    facts["length"] = f"{number(statistics.mean(lengths))} s; {early} {of_all} ended early"
    diverged = sum(episode["diverged"] for episode in episodes)
    if diverged:
        facts["physics failed"] = f"in {diverged} {of_all}, which count as the worst"
    for name in episodes[0]["components"]:
        paid = [episode["components"][name] for episode in episodes]
        known = [value for value in paid if value is not None]
        facts[f"paid: {terminal_line(name)}"] = (
            f"{number(statistics.mean(known))} per episode" if known else "not a finite number"
        )
    if policy["components_missing"]:
        facts["paid"] = f"unknown: {terminal_line(policy['components_missing'])}"
    return facts


def carry_out(plan: Plan) -> dict[Path, str]:
    """Do what the plan says; by run, why something stays after all."""
    stays: dict[Path, str] = {}
    for removal in plan.removals:
        try:
            remove(removal)
        except UsageError as error:
            stays[removal.run] = error.message
    return stays


def cleaning_document(plan: Plan, stays: Mapping[Path, str] | None) -> Document:
    """The plan; `done` says whether it was carried out, `stays` is None if it was not tried."""
    return {
        "done": stays is not None,
        "size": sum(removal.size for removal in plan.removals),
        "removals": [
            {
                "run": removal.run.name,
                "path": str(removal.run),
                "whole": not removal.files,
                "files": [str(path.relative_to(removal.run)) for path in removal.files],
                "reason": removal.reason,
                "best": removal.best,
                "size": removal.size,
                "updated": removal.updated,
                "failure": (stays or {}).get(removal.run),
            }
            for removal in plan.removals
        ],
        "kept": plan.kept,
        "unreadable": [str(path) for path in plan.unreadable],
    }


def plan_view(plan: Plan) -> RenderableType:
    """What would go, and what stays."""
    stay = f"{plural(plan.kept, 'run')} would stay as {'it is' if plan.kept == 1 else 'they are'}."
    lines = [Text(stay)]
    lines += [
        Text(f"{terminal_line(path.name)} cannot be read, and stays.") for path in plan.unreadable
    ]
    if not plan.removals:
        return Group(Text("There is nothing to remove."), *lines)
    total = filesize.decimal(sum(removal.size for removal in plan.removals))
    entries = [part for removal in plan.removals for part in _removal(removal)]
    return Group(*entries, Text(), Text(f"This would free {total}."), *lines)


def _removal(removal: Removal) -> list[RenderableType]:
    """One step on two lines, as names of runs are long."""
    facts = [
        removal.reason,
        filesize.decimal(removal.size),
        f"written {duration(time.time() - removal.updated)} ago",
    ]
    facts += [] if removal.best is None else [f"best ranking fitness {number(removal.best)}"]
    name = Text(terminal_line(removal.run.name), "bold")
    return [name, Padding(Text(", ".join(facts)), (0, 0, 0, 2))]


def outcome_view(plan: Plan, stays: Mapping[Path, str]) -> RenderableType:
    """What went."""
    gone = [removal for removal in plan.removals if removal.run not in stays]
    total = filesize.decimal(sum(removal.size for removal in gone))
    lines = [Text(f"Removed: {total} of {plural(len(gone), 'run')}.")]
    return Group(*lines, *(Text(reason, "yellow") for reason in stays.values()))
