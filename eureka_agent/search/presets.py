"""Presets: named configurations of the one search loop, and what each of them stands for.

Those that come with the program are the TOML files of the folder `presets`.
"""

import ast
import functools
import inspect
import textwrap
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from eureka_agent.common.errors import UsageError
from eureka_agent.common.paths import data_folder, expanded
from eureka_agent.config import BY_ENVIRONMENT, KINDS, SearchConfig, unknown_setting
from eureka_agent.store import RunReader, find_run

SUFFIX = ".toml"
TABLE = "settings"
_ABOUT = {"summary": str, "order": int, "reproduces": list, "differs": list}
"""What a file says of itself, beside its table of settings."""


@dataclass(frozen=True)
class Preset:
    """A named configuration.

    Attributes:
        name: what people call it.
        summary: what it is for, in a sentence.
        settings: what it changes; everything else is as the environment asks for.
        reproduces: what of a published method it keeps to.
        differs: where it departs from that method, and why.
        order: where it stands in the list of presets; the lowest comes first.
    """

    name: str
    summary: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    reproduces: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    order: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The entry of `presets --json`."""
        return {
            "name": self.name,
            "summary": self.summary,
            "settings": dict(self.settings),
            "reproduces": list(self.reproduces),
            "differs": list(self.differs),
        }


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
        close = get_close_matches(name.strip().lower(), all_presets(), n=1)
        guess = f"Did you mean {close[0]}? " if close else ""
        raise UsageError(
            f"There is no preset {name!r}.",
            f"{guess}Use {', '.join(all_presets())}, or the path of a TOML file with settings.",
        )
    return _preset(name, path)


def settings_of(name: str, runs: Path) -> Mapping[str, Any]:
    """What a preset, a TOML file or a run sets.

    Args:
        name: a preset's or run's name, or a path.
        runs: where runs are kept.

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
            f"Presets are {', '.join(all_presets())}. {error.remedy}",
        ) from None
    with RunReader.open(path) as run:
        return run.row().config


def difference(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> dict[str, tuple[Any | None, Any | None]]:
    """Settings in which two configurations differ; None where one leaves it as it is."""
    names = [f.name for f in fields(SearchConfig) if f.name != "preset"]
    both = {name: (first.get(name), second.get(name)) for name in names}
    return {name: values for name, values in both.items() if values[0] != values[1]}


def _preset(name: str, path: Path) -> Preset:
    """The preset that a file holds: settings beside what it says of itself, or settings alone."""
    content = _read(path)
    summary = f"The settings of {path}."
    if not content.keys() & {TABLE, *_ABOUT}:
        return Preset(name, summary, _checked(content, path))
    for key, value in content.items():
        if key not in (TABLE, *_ABOUT):
            raise UsageError(
                f"{path}: {key!r} stands outside the table [{TABLE}].",
                f"Write settings below [{TABLE}], and above it only {', '.join(_ABOUT)}.",
            )
        _require(key, value, _ABOUT.get(key, dict), path)
    for key in ("reproduces", "differs"):
        for line in content.get(key, ()):
            _require(f"a line of {key}", line, str, path)
    return Preset(
        name,
        content.get("summary", summary),
        _checked(content.get(TABLE, {}), path),
        reproduces=tuple(content.get("reproduces", ())),
        differs=tuple(content.get("differs", ())),
        order=content.get("order", 0),
    )


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


def _checked(settings: dict[str, Any], path: Path) -> dict[str, Any]:
    """Settings of a file, all of which exist and have a value of their type."""
    types = {f.name: type(f.default) for f in fields(SearchConfig)}
    for name, value in settings.items():
        if name not in types:
            raise unknown_setting(name, f"{path}: ")
        _require(name, value, types[name], path)
    return settings


def _require(name: str, value: object, kind: type, path: Path) -> None:
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise UsageError(
            f"{path}: {name} must be {KINDS[kind]}, not {value!r:.60}.",
            "Correct it in the file. All settings and their values: eureka-agent config show",
        )


HIDDEN = ("preset",)
"""What a configuration keeps beside its settings."""


@dataclass(frozen=True)
class Setting:
    """A setting that `--set` and a TOML file take.

    Attributes:
        name: of the setting.
        kind: of its value: int, float, bool or str.
        default: its value in a new run that does not give it; None where the environment says.
        value: what it is set to; as `default` where nothing sets it.
        meaning: what it is, in a sentence or two.
    """

    name: str
    kind: str
    default: Any
    value: Any
    meaning: str

    @property
    def changed(self) -> bool:
        """Whether it is set to something else than its default."""
        return self.value != self.default

    def as_dict(self) -> dict[str, Any]:
        """The entry of `config show --json`."""
        return {
            "name": self.name,
            "type": self.kind,
            "default": self.default,
            "value": self.value,
            "meaning": self.meaning,
        }


def all_settings(given: Mapping[str, Any]) -> list[Setting]:
    """All settings, in the order of the configuration.

    Args:
        given: what a preset, a file or a run sets.
    """
    meanings = _meanings()
    found = []
    for setting in fields(SearchConfig):
        if setting.name in HIDDEN:
            continue
        default = None if setting.name in BY_ENVIRONMENT else setting.default
        default = "auto" if setting.name == "device" else default
        value = given.get(setting.name, default)
        kind = type(setting.default).__name__
        found.append(Setting(setting.name, kind, default, value, meanings.get(setting.name, "")))
    return found


def _meanings() -> dict[str, str]:
    """What stands below each field in the source of the configuration: its only description."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(SearchConfig))).body
    assert isinstance(tree, ast.ClassDef)
    meanings: dict[str, str] = {}
    for node, below in zip(tree.body, tree.body[1:], strict=False):
        match node, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                meanings[name] = " ".join(text.split())
    return meanings
