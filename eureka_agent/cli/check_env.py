"""The output of the commands `new-env` and `check-env`."""

import shlex
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from eureka_agent.common.environments import environment_folder, list_environments
from eureka_agent.common.errors import UsageError
from eureka_agent.common.text import terminal_line, terminal_text
from eureka_agent.env_tools.checks.runner import CHECKS, check_environment
from eureka_agent.env_tools.checks.under_test import CheckFinding
from eureka_agent.env_tools.scaffold.create import NewEnvironment
from eureka_agent.environment import placeholders

SYMBOLS = {"ok": ("✓", "green"), "note": ("·", "yellow"), "failed": ("✗", "red")}


def check_all(
    names: Sequence[str], everything: bool, steps: int, warp: bool, console: Console | None
) -> list[dict[str, Any]]:
    """Check environments, and print each finding at once.

    Args:
        names: environments, or the paths of their folders.
        everything: whether to check all that can be found instead.
        steps: length of each environment's recording.
        warp: whether to compare with MuJoCo Warp.
        console: prints the findings; None prints nothing.

    Returns:
        The document of `check-env --json`: `[{name, path, passed, placeholders, findings}]`.

    Raises:
        UsageError: a name is unknown, or there are no names, or both names and `everything`.
    """
    if everything == bool(names):
        raise UsageError("check-env takes names of environments, or --all.", "Give one of the two.")
    if steps < 1:
        raise UsageError(f"--steps {steps} would try nothing.", "Give a number above 0.")
    chosen = {name: environment_folder(name) for name in names or list_environments()}
    document = []
    for folder in chosen.values():
        in_full = console is not None and (console.is_terminal or len(chosen) == 1)
        document.append(_checked(folder, steps, warp, console, in_full))
    if console is not None:
        console.print(_verdict(document))
    return document


def created(new: NewEnvironment) -> RenderableType:
    """A summary of a new environment, and the next commands."""
    folder = str(new.folder) if new.folder.is_absolute() else f"./{new.folder}"
    lines = Text(terminal_text(f"Wrote {folder}: {new.signals} signals. {new.task}\n"))
    for sentence in (*new.changes, *new.notes):
        lines.append(f"  {terminal_text(sentence)}\n")
    folder = shlex.quote(terminal_text(folder))
    lines.append(
        "Its fitness is a placeholder: every CHANGE in the folder marks what to write.\n\n"
    )
    for command, does in (
        (f"check-env {folder}", "what is wrong with it"),
        (f"train {folder} --reward {folder}/human_reward.py", "one policy"),
        (f"search {folder}", "a search for a better reward"),
    ):
        lines.append(f"  eureka-agent {command}")
        lines.append(f"    # {does}\n", "dim")
    return lines


def _checked(
    folder: Path, steps: int, warp: bool, console: Console | None, in_full: bool
) -> dict[str, Any]:
    """Check one environment; findings that are ok are printed only if `in_full`."""
    name = terminal_line(folder.name)
    shown = console is not None and console.is_terminal
    status = console.status(Text(name)) if console is not None and shown else None

    def progress(check: str, detail: str) -> None:
        if status is not None:
            number = list(CHECKS).index(check) + 1
            far = f", {detail}" if detail else ""
            status.update(Text(f"{name}: {check} ({number} of {len(CHECKS)}{far})"))

    def found(finding: CheckFinding) -> None:
        if console is not None and (in_full or finding.outcome != "ok"):
            console.print(_row(finding))

    if console is not None:
        console.print(Text(terminal_line(f"{folder.name}  {folder}"), "bold"))
    with status or nullcontext():
        findings = check_environment(folder, steps, warp=warp, progress=progress, found=found)
    return {
        "name": folder.name,
        "path": str(folder),
        "passed": all(finding.outcome != "failed" for finding in findings),
        "placeholders": placeholders(folder),
        "findings": [finding.as_dict() for finding in findings],
    }


def _row(finding: CheckFinding) -> RenderableType:
    """One finding as a table of fixed widths, so that rows printed one by one line up."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    symbols = max(len(f"{symbol} {outcome}") for outcome, (symbol, _) in SYMBOLS.items())
    table.add_column(width=symbols)
    table.add_column(width=max(map(len, CHECKS)))
    table.add_column()
    symbol, style = SYMBOLS[finding.outcome]
    said = Text(terminal_text(finding.message))
    if finding.hint:
        said.append(f"\n{terminal_text(finding.hint)}", "dim" if style == "green" else style)
    table.add_row(Text(f"{symbol} {finding.outcome}", style), finding.check, said)
    return table


def _verdict(document: Sequence[dict[str, Any]]) -> RenderableType:
    failures = {
        terminal_line(entry["name"]): sum(
            finding["outcome"] == "failed" for finding in entry["findings"]
        )
        for entry in document
    }
    broken = [f"{name} ({count} to fix)" for name, count in failures.items() if count]
    if broken:
        return Text(f"\nDoes not pass: {', '.join(broken)}.", "red")
    waiting = [
        f"the {', '.join(entry['placeholders'])} of {terminal_line(entry['name'])}"
        for entry in document
        if entry["placeholders"]
    ]
    if not waiting:
        return Text(f"\nPassed: {', '.join(failures)}.", "green")
    return Text(
        f"\nPassed, but the task is a placeholder: write {'; '.join(waiting)} at each CHANGE.",
        "yellow",
    )
