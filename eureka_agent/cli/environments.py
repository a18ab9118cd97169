"""Commands about environments: `envs`, `new-env`, `check-env`."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from eureka_agent.cli.options import (
    AsJson,
    app,
    file_option,
    is_interactive,
    output,
    print_json,
    typed_path,
)
from eureka_agent.common.environments import environment_folder, require_environment
from eureka_agent.common.errors import EurekaError
from eureka_agent.common.paths import expanded


@app.command()
def envs(
    names: Annotated[
        list[str] | None, Argument(metavar="[ENV...]", help="Show these in full.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the environments, or show some in full: robot, signals, actions, baselines."""
    for name in names or []:
        require_environment(name)

    from rich.console import Group

    from eureka_agent.cli.catalogue import environments_document  # loads torch and MuJoCo
    from eureka_agent.views.terminal.tables import environment_view, environments_table

    document = environments_document(names or [])
    view = (lambda found: Group(*map(environment_view, found))) if names else environments_table
    output(document, view, as_json)


@app.command(name="new-env")
def new_environment(
    name: Annotated[str, Argument(metavar="NAME", help="Its name, such as my_robot.")],
    model: Annotated[Path | None, file_option("A MJCF file; without one, a small robot.")] = None,
    folder: Annotated[
        Path, Option(metavar="DIR", parser=typed_path, help="Folder in which the new one is made.")
    ] = Path(),
    task: Annotated[str | None, Option(help="The task in one sentence.")] = None,
) -> None:
    """Write the folder of a new environment that trains, to start from."""
    from eureka_agent.cli.check_env import created
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
        list[str] | None, Argument(metavar="ENV...", help="Names, or paths of folders.")
    ] = None,
    everything: Annotated[bool, Option("--all", help="All environments.")] = False,
    steps: Annotated[int, Option(help="Random steps to take in 32 worlds.")] = 1000,
    warp: Annotated[bool, Option("--warp", help="Compare with MuJoCo Warp.")] = False,
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
