"""All settings of a search with what they mean: the fields of its configuration, as documented."""

import ast
import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from eureka_agent.config import BY_ENVIRONMENT, SearchConfig

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
    for field in fields(SearchConfig):
        if field.name in HIDDEN:
            continue
        default = None if field.name in BY_ENVIRONMENT else field.default
        default = "auto" if field.name == "device" else default
        value = given.get(field.name, default)
        kind = type(field.default).__name__
        found.append(Setting(field.name, kind, default, value, meanings.get(field.name, "")))
    return found


def _meanings() -> dict[str, str]:
    """What stands below each field in the source of the configuration: its only description."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(SearchConfig))).body
    assert isinstance(tree, ast.ClassDef)
    meanings: dict[str, str] = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                meanings[name] = " ".join(text.split())
    return meanings
