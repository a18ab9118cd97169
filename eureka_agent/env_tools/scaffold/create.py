"""Write the folder of a new environment."""

import keyword
import math
import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from eureka_agent.common.errors import UsageError
from eureka_agent.common.paths import expanded
from eureka_agent.common.text import one_line
from eureka_agent.env_tools.scaffold.inspection import Survey
from eureka_agent.env_tools.scaffold.model import Brought, bring
from eureka_agent.env_tools.scaffold.signals import first_task, outline_of
from eureka_agent.env_tools.scaffold.source import environment_source, timing
from eureka_agent.env_tools.scaffold.texts import fitness_source, readme, reward_source
from eureka_agent.environment import list_environments, load_environment

STARTER = Path(__file__).with_name("starter.xml")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True)
class NewEnvironment:
    """What was written.

    Attributes:
        folder: where.
        signals: how many signals the environment has.
        task: its task in one sentence.
        changes: what was added to the model, a sentence each.
        notes: what no action moves, and which parts have signals of another name or none, a
            sentence each.
    """

    folder: Path
    signals: int
    task: str
    changes: tuple[str, ...]
    notes: tuple[str, ...]


def new_environment(
    name: str, parent: Path, model: Path | None = None, task: str | None = None
) -> NewEnvironment:
    """Write `parent/name`, an environment that passes the check and trains.

    Args:
        name: of the environment and its folder.
        parent: the folder in which its folder is made.
        model: a MJCF file; a small robot with four legs if None.
        task: the task in one sentence; what the placeholder fitness is about if None.

    Raises:
        UsageError: the name or the model cannot be used, or the folder is there already. Then
            nothing was written.
    """
    folder = expanded(parent) / name
    _require_name(name)
    if folder.exists():
        raise UsageError(
            f"{folder} is there already.", "Take another name, or move that folder away."
        )
    brought = bring(expanded(model) if model is not None else STARTER)
    survey = Survey(brought.model)
    outline = outline_of(survey)
    first = first_task(survey, brought.start.pose, outline)
    if task is not None and one_line(task):
        first = replace(first, sentence=one_line(task), given=True)
    notes = (*survey.unmoved, *outline.notes)
    control_step = timing(brought.model).control_step
    files = {
        "env.py": environment_source(
            name, survey, outline.signals, first, brought.start, brought.keyframe
        ),
        "fitness.py": fitness_source(first, control_step, -math.ceil(brought.model.stat.extent)),
        "human_reward.py": reward_source(first, control_step),
        "README.md": readme(
            name,
            folder,
            first.sentence,
            model.name if model is not None else "",
            brought.changes,
            notes,
        ),
    }
    _write(folder, brought, files)
    changes = tuple(brought.changes)
    return NewEnvironment(folder, len(outline.signals), first.sentence, changes, notes)


def _write(folder: Path, brought: Brought, files: Mapping[str, str]) -> None:
    """Write all files beside their place, try them out, and move them there: all or nothing."""
    made = [path for path in (folder.parent, *folder.parent.parents) if not path.exists()]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            draft = Path(scratch) / folder.name
            draft.mkdir()
            brought.write(draft)
            for name, text in files.items():
                (draft / name).write_text(text, encoding="utf-8")
            load_environment(draft)
            shutil.rmtree(draft / "__pycache__", ignore_errors=True)
            draft.rename(folder)
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written: {error.strerror or error}.",
            "Give a folder that can be, with --folder DIR.",
        ) from error
    finally:
        if not folder.exists():
            for path in made:
                with suppress(OSError):
                    path.rmdir()


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise UsageError(
            f"{name!r} is no name for an environment.",
            "Use small letters, digits and _, beginning with a letter, such as my_robot.",
        )
    if name in list_environments():
        raise UsageError(f"There is an environment called {name!r} already.", "Take another name.")
