"""Write the folder of a new environment."""

import keyword
import math
import re
import shutil
import tempfile
import textwrap
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import mujoco

from eureka_agent.common.errors import UsageError
from eureka_agent.common.paths import expanded
from eureka_agent.common.text import plural, terminal_line
from eureka_agent.env_tools.scaffold.inspection import ModelInspection
from eureka_agent.env_tools.scaffold.model import ImportedModel, import_model
from eureka_agent.env_tools.scaffold.quoting import display_name, render
from eureka_agent.env_tools.scaffold.signals import make_signals, observation_of, placeholder_task
from eureka_agent.env_tools.scaffold.start_pose import safe_noise
from eureka_agent.environment import list_environments, load_environment
from eureka_agent.environment.model_facts import controls

STARTER = Path(__file__).parent / "templates" / "starter.xml"
WIDTH = 100
CONTROL_STEP_S, EPISODE_S = 0.02, 8.0
"""What suits a robot of any kind: about 50 actions a second, for 8 seconds."""
NOISE = 0.02
OF_RANGE, LEAST = 0.04, 0.002
"""Fraction of the narrowest joint range that the noise of a reset takes, but no less than this."""
LISTED = 12
"""Controls that the description of the robot lists."""

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
    imported = import_model(expanded(model) if model is not None else STARTER)
    inspection = ModelInspection(imported.model)
    signals = make_signals(inspection)
    first = placeholder_task(inspection, imported.start.pose, signals)
    if task is not None and terminal_line(task):
        first = replace(first, sentence=terminal_line(task), given=True)
    timestep = float(imported.model.opt.timestep)
    substeps = max(1, round(CONTROL_STEP_S / timestep))
    new = NewEnvironment(
        folder,
        len(signals.signals),
        first.sentence,
        tuple(imported.changes),
        (*inspection.unactuated_parts(), *signals.notes),
    )
    values = {
        "name": name,
        "task": first,
        "timestep": timestep,
        "substeps": substeps,
        "control_step": substeps * timestep,
        "episode_steps": round(EPISODE_S / (substeps * timestep)),
    }
    files = {
        "env.py": render(
            "env.py.j2",
            **values,
            **_environment_values(inspection, imported),
            class_name="".join(word.capitalize() for word in name.split("_")),
            signals=signals.signals,
        ),
        "fitness.py": render(
            "fitness.py.j2", **values, worst=-math.ceil(imported.model.stat.extent)
        ),
        "human_reward.py": render("human_reward.py.j2", **values),
        "README.md": render(
            "README.md.j2",
            **values,
            folder=str(folder),
            source=model.name if model is not None else "",
            changes=new.changes,
            notes=new.notes,
        ),
    }
    _write(folder, imported, files)
    return new


def _environment_values(inspection: ModelInspection, imported: ImportedModel) -> dict[str, object]:
    """What env.py says about the robot, its start and its end."""
    model = imported.model
    names = [display_name(control.name) for control in controls(model)]
    listed = ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
    driving = f"by {plural(model.nu, 'control')}"
    root = display_name(inspection.root)
    lines = textwrap.wrap(
        f"The body {root} {inspection.mobility}, {driving}: {listed}.", WIDTH - 14
    )
    ranges = [j.limits[1] - j.limits[0] for j in inspection.joints if j.limits is not None]
    noise = max(LEAST, min(NOISE, OF_RANGE * min(ranges, default=1.0)))
    body = inspection.root if inspection.travels else inspection.end_bodies[0]
    data = mujoco.MjData(model)
    data.qpos[:] = imported.start.pose
    mujoco.mj_kinematics(model, data)
    height = 0.5 * float(data.body(body).xpos[2])
    return {
        "robot": [*(f"{line} " for line in lines[:-1]), lines[-1]],
        "keyframe": imported.keyframe,
        "budget": 200_000 if model.nv < 12 else 500_000,
        "observation": observation_of(inspection),
        "body": body,
        "height": height,
        "termination": f"The body {display_name(body)} is lower than {height:.2g} m.",
        "nq": model.nq,
        "nv": model.nv,
        "noise": safe_noise(model, imported.start, noise),
    }


def _write(folder: Path, imported: ImportedModel, files: Mapping[str, str]) -> None:
    """Write all files beside their place, try them out, and move them there: all or nothing."""
    made = [path for path in (folder.parent, *folder.parent.parents) if not path.exists()]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            draft = Path(scratch) / folder.name
            draft.mkdir()
            imported.write(draft)
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
            f"{name!r} cannot name an environment.",
            "Use small letters, digits and _, beginning with a letter, such as my_robot.",
        )
    if name in list_environments():
        raise UsageError(f"There is an environment called {name!r} already.", "Take another name.")
