"""Settings, presets and differences between configurations, for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

Document = Mapping[str, Any]


def presets_table(presets: Sequence[Document]) -> Table:
    """All presets: what each is for and what it sets."""
    table = Table("preset", "what for", "sets", box=None, padding=(0, 2, 1, 0))
    for preset in presets:
        settings = ", ".join(f"{k}={shown(v)}" for k, v in preset["settings"].items())
        table.add_row(preset["name"], Text(preset["summary"]), Text(settings or "nothing"))
    return table


def preset_view(preset: Document) -> RenderableType:
    """One preset with all that is to be known of it."""
    settings = Table("setting", "value", box=None, padding=(0, 2, 0, 0))
    for name, value in preset["settings"].items():
        settings.add_row(name, Text(shown(value)))
    parts: list[RenderableType] = [Text(f"{preset['name']}: {preset['summary']}"), Text()]
    parts += [settings] if preset["settings"] else [Text("It changes no setting.")]
    parts += [Text(), Text(f"All settings: eureka-agent config show {preset['name']}")]
    for key, title in (("reproduces", "Reproduces"), ("differs", "Does otherwise")):
        if preset[key]:
            lines = [Padding(Text(f"- {line}"), (0, 0, 0, 2)) for line in preset[key]]
            parts += [Text(), Text(title), *lines]
    return Group(*parts)


def settings_table(settings: Sequence[Document], name: str) -> RenderableType:
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
    return "by environment" if value is None else shown(value) or "none"


def difference_table(
    found: Mapping[str, tuple[Any, Any]], first: str, second: str
) -> RenderableType:
    """Settings in which two configurations differ."""
    if not found:
        return Text(f"{first} and {second} set the same.")
    table = Table("setting", first, second, box=None, padding=(0, 2, 0, 0))
    for name, values in found.items():
        table.add_row(name, *(Text("not set" if v is None else shown(v)) for v in values))
    return table


def shown(value: object) -> str:
    """A setting's value as `--set` takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
