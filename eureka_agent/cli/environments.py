"""Commands about what there is: environments, presets, this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eureka_agent.cli.options import (
    RUNS,
    AsJson,
    RunsFolder,
    app,
    config_app,
    print_json,
    typed_path,
)
from eureka_agent.common.environments import environment_folder, require_environment
from eureka_agent.common.errors import EurekaError
from eureka_agent.common.paths import expanded

if TYPE_CHECKING:
    from rich.console import RenderableType


@app.command(name="envs")
def envs(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[ENV...]", help="Tell all about these.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the environments, or tell all about some: robot, signals, actions, baselines."""
    for name in names or []:
        require_environment(name)

    from eureka_agent.cli.catalogue import environments_document  # loads torch and MuJoCo
    from eureka_agent.views.terminal.parts import open_console
    from eureka_agent.views.terminal.tables import environment_view, environments_table

    document = environments_document(names or [])
    if as_json:
        print_json(document)
    elif names:
        for entry in document:
            open_console().print(environment_view(entry))
    else:
        open_console().print(environments_table(document))


@app.command()
def presets(
    name: Annotated[str | None, typer.Argument(help="One of them, or a TOML file.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the presets, or tell what one of them sets, reproduces and does otherwise."""
    from eureka_agent.search.presets import all_presets, find_preset
    from eureka_agent.views.terminal.parts import open_console
    from eureka_agent.views.terminal.tables import preset_view, presets_table

    chosen = [find_preset(name)] if name is not None else list(all_presets().values())
    documents = [preset.as_dict() for preset in chosen]
    if as_json:
        print_json(documents)
    elif name is not None:
        open_console().print(preset_view(documents[0]))
    else:
        open_console().print(presets_table(documents))


@config_app.command(name="show")
def config_show(
    name: Annotated[
        str, typer.Argument(metavar="[P]", help="A preset, a run or a TOML file.")
    ] = "default",
    runs: RunsFolder = RUNS,
    as_json: AsJson = False,
) -> None:
    """List all settings that --set takes: their values in a preset, run or file, and meanings."""
    from eureka_agent.search.presets import all_settings, settings_of
    from eureka_agent.views.terminal.parts import open_console
    from eureka_agent.views.terminal.tables import settings_table

    settings = all_settings(settings_of(name, runs))
    if as_json:
        print_json(settings)
    else:
        open_console().print(settings_table(settings, name))


@config_app.command(name="diff")
def config_diff(
    first: Annotated[str, typer.Argument(metavar="A", help="A preset, a run or a TOML file.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    runs: RunsFolder = RUNS,
    as_json: AsJson = False,
) -> None:
    """Tell in which settings two presets, runs or files differ."""
    from eureka_agent.search.presets import difference, settings_of
    from eureka_agent.views.terminal.parts import open_console
    from eureka_agent.views.terminal.tables import difference_table

    found = difference(settings_of(first, runs), settings_of(second, runs))
    if as_json:
        print_json({name: {"a": a, "b": b} for name, (a, b) in found.items()})
    else:
        open_console().print(difference_table(found, first, second))


@app.command(name="new-env")
def new_environment(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the environment: my_robot.")],
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", parser=typed_path, help="A MJCF file; without one, a small robot."
        ),
    ] = None,
    folder: Annotated[
        Path, typer.Option(metavar="DIR", parser=typed_path, help="Where the new folder is made.")
    ] = Path(),
    task: Annotated[str | None, typer.Option(help="The task in one sentence.")] = None,
) -> None:
    """Write a folder with an environment of your own, which trains, to start from."""
    from eureka_agent.cli.check_env import created, is_interactive
    from eureka_agent.env_tools.scaffold.create import new_environment as create
    from eureka_agent.views.terminal.parts import open_console

    if is_interactive():
        if model is None:
            asked = typer.prompt("A MJCF file of your robot (empty for a small one)", default="")
            model = expanded(asked) if asked else None
        if task is None:
            task = typer.prompt("Its task in one sentence (empty for later)", default="") or None
    open_console().print(created(create(name, folder, model, task)))


@app.command(name="check-env")
def check_environments(
    environments: Annotated[
        list[str] | None, typer.Argument(metavar="ENV...", help="Names, or paths of folders.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that can be found.")] = False,
    steps: Annotated[int, typer.Option(help="Random steps of 32 worlds to look at.")] = 1000,
    warp: Annotated[bool, typer.Option("--warp", help="Compare with MuJoCo Warp.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check an environment of your own: what is wrong with it, and what to write."""
    for name in environments or []:
        environment_folder(name)

    from eureka_agent.cli.check_env import check_all  # loads torch and MuJoCo
    from eureka_agent.views.terminal.parts import open_console

    console = None if as_json else open_console()
    document = check_all(environments or [], everything, steps, warp, console)
    if as_json:
        print_json(document)
    if not all(entry["passed"] for entry in document):
        raise typer.Exit(EurekaError.exit_code)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Tell what this machine offers: versions, processors, isolation, language model."""
    from eureka_agent.cli.doctor import machine_document
    from eureka_agent.views.terminal.parts import open_console

    document = machine_document()
    if as_json:
        print_json(document)
    else:
        open_console().print(_machine_table(document))


def _machine_table(document: dict[str, Any]) -> "RenderableType":
    from rich.table import Table
    from rich.text import Text

    from eureka_agent.common.text import terminal_text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in document.items():
        rows = value.items() if isinstance(value, dict) else [("", value)]
        for i, (part, said) in enumerate(rows):
            what = terminal_text(str(said))
            table.add_row(name.replace("_", " ") if i == 0 else "", Text(part), Text(what))
    return table
