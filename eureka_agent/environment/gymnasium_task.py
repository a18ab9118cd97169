"""Task files: what a reward designer must know of a Gymnasium environment that Gymnasium omits."""

import keyword
import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

import pydantic

from eureka_agent.common.environments import OLD_SETTINGS
from eureka_agent.common.errors import UsageError
from eureka_agent.environment.base import TrainingSettings, renamed_settings
from eureka_agent.reward import Signal, split_prefix
from eureka_agent.reward.language import NAME_PATTERN
from eureka_agent.reward.signals import STANDARD_PARAMETERS, SignalKind

FOLDER = Path(__file__).parent / "gymnasium_tasks"
"""Task files of well-known environments, `<id>.toml`, and the fitnesses of all."""
OWN_SCORE = "own_score"
"""Name of the signal that only a fitness may read: the environment's own reward."""
DEFAULTS: dict[str, Any] = {"worlds": 16, "n_steps": 64, "budget": 100_000}
"""Where a task file says nothing: small, as Python steps these environments one by one."""


class _Table(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class SignalEntry(_Table):
    """One signal: the next `size` entries of the observation, a plain `[N]` one without a size."""

    name: str
    meaning: str
    size: pydantic.PositiveInt | None = None
    unit: str = "1"
    kind: SignalKind = "other"
    axes: tuple[str, ...] = ()


class TaskFile(_Table):
    """A task file; only `id` is required. docs/gymnasium.md explains each entry."""

    id: str
    task: str = ""
    robot: str = ""
    start: str = ""
    termination: str = ""
    actions: tuple[str, ...] = ()
    control_step: pydantic.PositiveFloat | None = None
    episode_steps: pydantic.PositiveInt | None = None
    info: str = ""
    reduce: Literal["sum", "last"] = "sum"
    arguments: dict[str, Any] = {}
    training: dict[str, Any] = {}
    signals: tuple[SignalEntry, ...] = ()

    def settings(self) -> TrainingSettings:
        """How to train, checked when the file was read."""
        return pydantic.TypeAdapter(TrainingSettings).validate_python(
            DEFAULTS | renamed_settings(self.training)
        )

    def fitness_path(self) -> Path:
        """The file that measures by the environment's own score."""
        return FOLDER / f"{OWN_SCORE}_{self.reduce}.py"


def task_of(name: str) -> TaskFile:
    """The task file of an environment: the packaged one where there is one, else an empty one.

    Args:
        name: Gymnasium's id.
    """
    path = FOLDER / f"{name}.toml"
    return read_task(path) if "/" not in name and path.is_file() else TaskFile(id=name)


def read_task(path: Path) -> TaskFile:
    """Read a task file.

    Raises:
        UsageError: it cannot be read, is no TOML, or has an entry that does not fit.
    """
    try:
        task = TaskFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        task.settings()
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"{path}: {where}: {first['msg']}.", "docs/gymnasium.md lists what may be there."
        ) from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}.", "Give a TOML file.") from error
    known = {field.name for field in fields(TrainingSettings)}
    for name in task.training:
        if name not in known | OLD_SETTINGS.keys():
            raise UsageError(
                f"{path}: training has no setting {name!r}.", f"Known: {', '.join(sorted(known))}."
            )
    return task


def signals_of(task: TaskFile, low: list[float], high: list[float]) -> tuple[Signal, ...]:
    """The entries of an observation as signals, named ones first.

    Args:
        task: the names.
        low: the least that each of the `D` entries can be.
        high: the most.

    Raises:
        UsageError: the names do not fit the observation, or are not names.
    """
    named = [Signal(s.name, s.size, s.unit, s.meaning, s.kind, s.axes) for s in task.signals]
    covered = sum(signal.size or 1 for signal in named)
    if covered > len(low):
        raise UsageError(
            f"The signals of {task.id} have {covered} columns, its observation {len(low)}.",
            "Give them sizes that add up to no more.",
        )
    rest = [
        Signal(f"observation_{i}", None, "1", _entry(task.id, i, low[i], high[i]), "other")
        for i in range(covered, len(low))
    ]
    signals = (*named, *rest)
    _check_names(task.id, signals)
    return signals


def _entry(name: str, index: int, low: float, high: float) -> str:
    """The meaning of an entry without a name."""
    said = f"Entry {index} of the observation of Gymnasium's {name}"
    bounded = abs(low) < 1e6 and abs(high) < 1e6
    return f"{said}, between {low:.3g} and {high:.3g}" if bounded else said


def _check_names(name: str, signals: tuple[Signal, ...]) -> None:
    taken = {*STANDARD_PARAMETERS, OWN_SCORE}
    reserved = ", ".join((*STANDARD_PARAMETERS, OWN_SCORE))
    for signal in signals:
        sound = re.fullmatch(NAME_PATTERN, signal.name) and not keyword.iskeyword(signal.name)
        if not sound or signal.name in taken or split_prefix(signal.name)[0]:
            raise UsageError(
                f"{name}: {signal.name!r} cannot be the name of a signal.",
                "Use a Python name that no other signal has, that is none of "
                f"{reserved}, and that begins with no prev_, start_, max_ or min_.",
            )
        if signal.axes and len(signal.axes) != signal.size:
            raise UsageError(
                f"{name}: signal {signal.name!r} names {len(signal.axes)} axes.",
                f"Name all of its {signal.size or 1} columns, or none.",
            )
        taken.add(signal.name)
