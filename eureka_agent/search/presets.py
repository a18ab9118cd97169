"""Presets: named configurations of the one search loop, and what each of them stands for."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from eureka_agent.errors import UsageError
from eureka_agent.paths import expanded
from eureka_agent.search.config import KINDS, SearchConfig, unknown_setting
from eureka_agent.store import RunReader, find_run

SUFFIX = ".toml"


@dataclass(frozen=True)
class Preset:
    """A named configuration.

    Attributes:
        name: what people call it.
        summary: what it is for, in a sentence.
        settings: what it changes; everything else is as the environment asks for.
        reproduces: what of a published method it keeps to.
        differs: where it departs from that method, and why.
    """

    name: str
    summary: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    reproduces: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The entry of `presets --json`."""
        return {
            "name": self.name,
            "summary": self.summary,
            "settings": dict(self.settings),
            "reproduces": list(self.reproduces),
            "differs": list(self.differs),
        }


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("default", "The settings that the environment asks for, and the search as it is."),
        Preset(
            "quick",
            "A first look at a task in a few minutes: short trainings, two generations.",
            {
                "generations": 2,
                "candidates": 4,
                "steps": 100_000,
                "checkpoints": 5,
                "retrainings": 1,
            },
        ),
        Preset(
            "eureka",
            "The search of Eureka (Ma et al., 2023) on this program's trainer.",
            {
                "generations": 5,
                "candidates": 16,
                "repairs": 0,
                "context": "source",
                "memory": "generation",
                "history": 0,
                "strategies": False,
                "equivalents": False,
                "analyzer": False,
                "lens": False,
                "retrainings": 5,
            },
            reproduces=(
                "16 programs in each of 5 generations, all asked for with the same words.",
                "The designer sees the environment's source, and of earlier programs only the best "
                "one of the last generation that had any, with its reflection.",
                "No program goes back to its author; a broken one is lost.",
                "The winner is trained again on 5 fresh seeds.",
            ),
            differs=(
                "The paper restarts each search 5 times: run it with 5 seeds.",
                "A candidate ranks by held-out episodes of the checkpoint that its own reward "
                "prefers, not by the highest fitness of a noisy training curve.",
                "A generation in which everything failed is not spent: the next one still builds "
                "on the last that had a result.",
                "The source shown is the environment's definition, without fitness and rewards; "
                "the reflection's table is this program's.",
                "The trainer is PPO on MuJoCo, not on Isaac Gym, with the environment's budget.",
            ),
        ),
        Preset(
            "auto-mc-reward",
            "The three roles of Auto MC-Reward (Li et al., 2024): designer, critic and analyst.",
            {
                "designer": "openai",
                "parts": "signs",
                "review_rounds": 3,
                "analyst": True,
                "frames": False,
                "lens": False,
                "memory": "generation",
                "history": 0,
                "strategies": False,
                "equivalents": False,
            },
            reproduces=(
                "A program begins with its design thought and has a sparse and a dense part, of "
                "which only the signs are paid: 1.0 and 0.1. With --set parts=dense-sparse both "
                "kinds keep their sizes.",
                "The critic looks at form first; then a language model asks whether code and "
                "thought agree, and an objection goes back to the author, at most three times.",
                "A trajectory analyst reads episodes that failed, and names causes and changes; "
                "the next programs are written knowing them.",
            ),
            differs=(
                "The paper refines one reward for Minecraft with GPT-4; here each generation "
                "trains several on MuJoCo and goes on from the best one of the last.",
                "An objection that remains after three rounds rejects nobody: the program trains "
                "all the same, unless more are written than train, and how often the reviewer was "
                "right is measured.",
                "The reviewer is shown what a program pays untrained policies and those of its "
                "parents; failures are typed by rules before a model reads them.",
                "Memory is what the reward language offers (the values before, at the start, and "
                "the extremes since then), not a dictionary of the author's own.",
                "The paper's prompts, and how many episodes its analyst reads, are not published "
                "in a form that could be followed: these are this program's.",
            ),
        ),
        Preset(
            "best-of-n",
            "The control: as many programs as the default, none of which knows of another.",
            {"reflection": False, "strategies": False, "equivalents": False},
        ),
    )
}


def find_preset(name: str) -> Preset:
    """A preset by name, or a TOML file with settings, such as a run's `config.toml`.

    Raises:
        UsageError: there is none, or it has a setting that does not exist.
    """
    if name in PRESETS:
        return PRESETS[name]
    path = expanded(name)
    if path.suffix != SUFFIX:
        close = get_close_matches(name.strip().lower(), PRESETS, n=1)
        guess = f"Did you mean {close[0]}? " if close else ""
        raise UsageError(
            f"There is no preset {name!r}.",
            f"{guess}Use {', '.join(PRESETS)}, or the path of a TOML file with settings.",
        )
    return Preset(name, f"The settings of {path}.", _read(path))


def settings_of(name: str, runs: Path) -> Mapping[str, Any]:
    """What a preset, a TOML file or a run sets.

    Args:
        name: a preset's or run's name, or a path.
        runs: where runs are kept.

    Raises:
        UsageError: there is nothing of that name.
    """
    if name in PRESETS or name.endswith(SUFFIX):
        return find_preset(name).settings
    with RunReader.open(find_run(name, runs)) as run:
        return run.row().config


def difference(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> dict[str, tuple[Any | None, Any | None]]:
    """Settings in which two configurations differ; None where one leaves it as it is."""
    names = [f.name for f in fields(SearchConfig) if f.name != "preset"]
    both = {name: (first.get(name), second.get(name)) for name in names}
    return {name: values for name, values in both.items() if values[0] != values[1]}


def _read(path: Path) -> dict[str, Any]:
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{path} cannot be read: {reason}.", "Give a TOML file.") from error
    types = {f.name: type(f.default) for f in fields(SearchConfig)}
    for name, value in settings.items():
        if name not in types:
            raise unknown_setting(name, f"{path}: ")
        whole = types[name] is float and type(value) is int
        if type(value) is not types[name] and not whole:
            raise UsageError(
                f"{path}: {name} must be {KINDS[types[name]]}, not {value!r:.40}.", "Fix the file."
            )
    return settings
