"""Commands about settings: `presets`, `config show`, `config diff`."""

from typing import Annotated

from typer import Argument

from eureka_agent.cli.options import RUNS, AsJson, RunsFolder, app, config_app, output


@app.command()
def presets(
    name: Annotated[str | None, Argument(help="One of them, or a TOML file.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the presets, or show what one of them sets, what it reproduces and how it differs."""
    from eureka_agent.search.presets import all_presets, find_preset
    from eureka_agent.views.terminal.tables import preset_view, presets_table

    chosen = [find_preset(name)] if name is not None else list(all_presets().values())
    documents = [preset.as_dict() for preset in chosen]
    view = presets_table if name is None else lambda documents: preset_view(documents[0])
    output(documents, view, as_json)


@config_app.command(name="show")
def config_show(
    name: Annotated[
        str, Argument(metavar="[P]", help="A preset, a run or a TOML file.")
    ] = "default",
    runs: RunsFolder = RUNS,
    as_json: AsJson = False,
) -> None:
    """List all settings that --set takes: their values in a preset, run or file, and meanings."""
    from eureka_agent.search.presets import all_settings, settings_of
    from eureka_agent.views.terminal.tables import settings_table

    settings = all_settings(settings_of(name, runs))
    output(settings, lambda settings: settings_table(settings, name), as_json)


@config_app.command(name="diff")
def config_diff(
    first: Annotated[str, Argument(metavar="A", help="A preset, a run or a TOML file.")],
    second: Annotated[str, Argument(metavar="B", help="Another one.")],
    runs: RunsFolder = RUNS,
    as_json: AsJson = False,
) -> None:
    """Show in which settings two presets, runs or files differ."""
    from eureka_agent.search.presets import difference, settings_of
    from eureka_agent.views.terminal.tables import difference_table

    found = difference(settings_of(first, runs), settings_of(second, runs))
    document = {name: {"a": a, "b": b} for name, (a, b) in found.items()}
    output(document, lambda document: difference_table(found, first, second), as_json)
