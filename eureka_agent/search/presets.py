"""Presets, which are named configurations of the search, and the list of all settings.

The presets that come with the program are the TOML files of the folder `presets`.
"""

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydantic

from eureka_agent.common.errors import UsageError
from eureka_agent.common.paths import data_folder, expanded
from eureka_agent.common.text import did_you_mean
from eureka_agent.config import (
    BY_ENVIRONMENT,
    DEFAULTS,
    SearchConfig,
    unknown_setting,
    wrong_kind,
)
from eureka_agent.store import RunReader, find_run

SUFFIX = ".toml"


class Preset(pydantic.BaseModel):
    """A named configuration, as a file of the folder `presets` holds it.

    Attributes:
        name: the file's.
        summary: its purpose, in a sentence.
        settings: its changes; everything else is as the environment asks for.
        reproduces: the parts of a published method that it keeps.
        differs: its departures from that method, with reasons.
        order: its place in the list of presets; the lowest comes first.
    """

    model_config = pydantic.ConfigDict(strict=True, extra="forbid", frozen=True)

    name: str
    summary: str
    settings: dict[str, Any] = {}
    reproduces: list[str] = []
    differs: list[str] = []
    order: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The entry of `presets --json`."""
        return self.model_dump(exclude={"order"})


@functools.cache
def all_presets() -> Mapping[str, Preset]:
    """The presets that come with the program by name, in their order.

    Raises:
        MissingError: the installation has no folder of them.
        UsageError: a file there is broken.
    """
    files = sorted(data_folder("presets").glob(f"*{SUFFIX}"))
    found = sorted((_preset(path.stem, path) for path in files), key=lambda preset: preset.order)
    return {preset.name: preset for preset in found}


def find_preset(name: str) -> Preset:
    """A preset by name, or a TOML file: a preset's, or plain settings as in a run's `config.toml`.

    Raises:
        UsageError: there is none, or it has a setting that does not exist.
    """
    if name in all_presets():
        return all_presets()[name]
    path = expanded(name)
    if path.suffix != SUFFIX:
        guess = did_you_mean(name.strip().lower(), all_presets(), quote="")
        listed = f"Use {', '.join(all_presets())}, or the path of a TOML file with settings."
        raise UsageError(f"There is no preset {name!r}.", f"{guess} {listed}".lstrip())
    return _preset(name, path)


def settings_of(name: str, runs: Path) -> Mapping[str, Any]:
    """The settings of a preset, a TOML file or a run.

    Args:
        name: a preset's or run's name, or a path.
        runs: the folder of runs.

    Raises:
        UsageError: there is nothing of that name.
    """
    if name in all_presets() or name.endswith(SUFFIX):
        return find_preset(name).settings
    try:
        path = find_run(name, runs)
    except UsageError as error:
        raise UsageError(
            f"There is no preset {name!r}. {error.message}",
            f"{error.remedy} Presets: {', '.join(all_presets())}.",
        ) from None
    with RunReader.open(path) as run:
        return run.row().config


def difference(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> dict[str, tuple[Any | None, Any | None]]:
    """Settings in which two configurations differ; None where one leaves it as it is."""
    both = {name: (first.get(name), second.get(name)) for name in DEFAULTS if name != "preset"}
    return {name: values for name, values in both.items() if values[0] != values[1]}


def all_settings(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All settings that `--set` and a TOML file take, as `config show --json` lists them.

    Args:
        given: the settings of a preset, a file or a run.

    Returns:
        For each setting its `name`, `type`, `default` (None where the environment says), `value`,
        `meaning` in a sentence or two, and whether it is `changed`.
    """
    defaults = DEFAULTS | {"device": "auto"} | dict.fromkeys(BY_ENVIRONMENT)
    described = pydantic.TypeAdapter(SearchConfig).json_schema()["properties"]
    return [
        {
            "name": name,
            "type": type(DEFAULTS[name]).__name__,
            "default": default,
            "value": given.get(name, default),
            "meaning": " ".join(described[name]["description"].split()),
            "changed": given.get(name, default) != default,
        }
        for name, default in defaults.items()
        if name != "preset"
    ]


def _preset(name: str, path: Path) -> Preset:
    """The preset that a file holds: settings beside a description, or settings alone."""
    content = _read(path)
    if not content.keys() & Preset.model_fields.keys() - {"name"}:
        content = {"settings": content}
    try:
        summary = {"summary": f"The settings of {path}."}
        preset = Preset.model_validate(summary | content | {"name": name})
    except pydantic.ValidationError as error:
        raise _refusal(error, path) from None
    for setting, value in preset.settings.items():
        if setting not in DEFAULTS:
            raise unknown_setting(setting, f"{path}: ")
        kind = type(DEFAULTS[setting])
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise wrong_kind(setting, kind.__name__, value, f"{path}: ")
    return preset


def _refusal(error: pydantic.ValidationError, path: Path) -> UsageError:
    """The first error in a preset's file, in words."""
    first = error.errors(include_url=False)[0]
    key, *line = (str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return UsageError(
            f"{path}: {key!r} stands outside the table [settings].",
            "Write settings below [settings], and above it only summary, order, reproduces and "
            "differs.",
        )
    kind = first["type"].removesuffix("_type").replace("string", "str")
    name = f"a line of {key}" if line else key
    return wrong_kind(name, kind, first["input"], f"{path}: ")


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(
            f"There is no file {path}.",
            "Give the path of a TOML file with settings, or a name: eureka-agent presets",
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{path} cannot be read: {reason}.", "Give a TOML file.") from error
