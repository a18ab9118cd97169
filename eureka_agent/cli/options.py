"""The app, options that several commands share, and helpers that read and print."""

import json
import shutil
import sys
import textwrap
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer import Argument, Option

from eureka_agent.common.choices import whole_number
from eureka_agent.common.errors import UsageError
from eureka_agent.common.paths import expanded
from eureka_agent.common.text import terminal_text

if TYPE_CHECKING:
    from rich.console import RenderableType

RUNS = Path("runs")
LONGEST_FILE = 1_000_000
"""Characters of the longest file that is read; a reward program has far fewer."""
T = TypeVar("T")

app = typer.Typer(
    name="eureka-agent",
    help="Find a reward function that trains a simulated robot to do a task.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

config_app = typer.Typer(no_args_is_help=True, help="List settings, compare configurations.")
app.add_typer(config_app, name="config")

runs_app = typer.Typer()
app.add_typer(runs_app, name="runs")


def typed_path(text: str | Path) -> Path:
    """A typed path; an empty one, as from a variable that is not set, is refused."""
    if not str(text).strip():
        raise typer.BadParameter("the path is empty.")
    return expanded(text)


def typed_folder(text: str | Path) -> Path:
    """A typed path of a folder, which need not exist yet."""
    folder = typed_path(text)
    if folder.exists() and not folder.is_dir():
        raise typer.BadParameter(f"{folder} is a file, not a folder.")
    return folder


def count(text: str | int) -> int:
    """A typed whole number, such as 300000 or 3e5."""
    try:
        return whole_number(str(text))
    except ValueError:
        raise typer.BadParameter(f"{text!r:.40} is not a whole number.") from None


def file_option(help: str) -> Any:
    """An option that takes the path of a file."""
    return Option(metavar="FILE", parser=typed_path, help=help)


EnvironmentName = Annotated[
    str,
    Argument(
        metavar="ENV", help="Name of an environment, the path of its folder, or gymnasium:ID."
    ),
]
RunName = Annotated[
    str, Argument(metavar="RUN", help="Path of a run, start of its name, or 'latest'.")
]
RunsFolder = Annotated[
    Path, Option("--runs", metavar="DIR", parser=typed_folder, help="Where runs are kept.")
]
AsJson = Annotated[bool, Option("--json", help="A stable JSON document on stdout.")]
Plain = Annotated[bool, Option("--plain", help="Progress as lines, not as a live view.")]
Seed = Annotated[int | None, Option(help="Source of all randomness.")]
Steps = Annotated[
    int | None, Option(metavar="N", parser=count, help="Environment steps per training run.")
]
Device = Annotated[
    str | None, Option(help="Where to train: cpu, cuda, or auto for a GPU that works.")
]
Trust = Annotated[
    bool, Option("--trust", help="Trust a run from elsewhere: run its code, use its server.")
]
Sandbox = Annotated[
    str | None,
    Option(
        metavar="POLICY",
        help="How well reward programs must be isolated: required, auto, weak or off.",
    ),
]


def print_json(document: object) -> None:
    """Print a document on stdout, where a script reads it."""
    print(json.dumps(document, indent=2, allow_nan=False))


def output(document: T, view: "Callable[[T], RenderableType]", as_json: bool) -> None:
    """Print a document on stdout: as JSON for a script, else as a view of it for people."""
    if as_json:
        print_json(document)
        return
    from eureka_agent.views.terminal.parts import open_console

    open_console().print(view(document))


def note(text: str) -> None:
    """Print a text for people on stderr; an indented line is a command, and stays whole."""
    for line in terminal_text(text).splitlines():
        if sys.stderr.isatty() and not line.startswith(" "):
            width = shutil.get_terminal_size().columns
            line = textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
        with suppress(OSError):  # a full or closed stream stops no command
            print(line, file=sys.stderr)


def is_interactive() -> bool:
    """Whether a person at a terminal can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def agreement(trust: bool) -> Callable[[str], bool]:
    """A function that asks whether code from elsewhere may run: --trust answers, or a person."""

    def agrees(said: str) -> bool:
        if trust or not (sys.stdin.isatty() and sys.stderr.isatty()):
            return trust
        note(said)
        return typer.confirm("Continue?", err=True)

    return agrees


def print_path(path: Path) -> None:
    """Print a path on stdout, unchanged for a script and made safe for a terminal."""
    print(terminal_text(str(path)) if sys.stdout.isatty() else path)


def read_text(path: Path) -> str:
    """The text of a program's file.

    Raises:
        UsageError: it cannot be read, or is far too long.
    """
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LONGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(
            f"{path} cannot be read: {reason}.", "Give the path of a reward program, a text file."
        ) from error
    if len(text) > LONGEST_FILE:
        raise UsageError(
            f"{path} is longer than {LONGEST_FILE:,} characters.",
            "Give the path of a reward program; a good one fits on a screen.",
        )
    return text
