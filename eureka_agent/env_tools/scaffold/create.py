"""Write the folder of a new environment."""

import keyword
import math
import re
import shlex
import shutil
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import mujoco
import numpy as np

from eureka_agent.common.errors import UsageError
from eureka_agent.common.paths import expanded
from eureka_agent.common.text import terminal_line
from eureka_agent.env_tools.scaffold.inspection import ModelInspection
from eureka_agent.env_tools.scaffold.model import ImportedModel, import_model
from eureka_agent.env_tools.scaffold.quoting import (
    code_span,
    display_name,
    docstring,
    literal,
    markdown,
)
from eureka_agent.env_tools.scaffold.sensors import SignalSource
from eureka_agent.env_tools.scaffold.signals import (
    PlaceholderTask,
    end_effectors,
    make_signals,
    observation_of,
    placeholder_task,
)
from eureka_agent.env_tools.scaffold.start_pose import StartPose, safe_noise
from eureka_agent.environment import list_environments, load_environment
from eureka_agent.environment.model_facts import controls

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
    brought = import_model(expanded(model) if model is not None else STARTER)
    survey = ModelInspection(brought.model)
    outline = make_signals(survey)
    first = placeholder_task(survey, brought.start.pose, outline)
    if task is not None and terminal_line(task):
        first = replace(first, sentence=terminal_line(task), given=True)
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


def _write(folder: Path, brought: ImportedModel, files: Mapping[str, str]) -> None:
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


WIDTH = 100
CONTROL_STEP_S = 0.02
EPISODE_S = 8.0
NOISE = 0.02
OF_RANGE, LEAST = 0.04, 0.002
"""Share of the narrowest joint range that the noise of a reset takes, but no less than this."""

_HEAD = '''"""{title}

Change whatever you like: `eureka-agent check-env` says what breaks. Tell what things are and never
what is good: this file may be shown to whoever designs for the task.
"""

import torch
from torch import Tensor

from eureka_agent.environment import Environment, ResetNoise, State, TrainingSettings, signal


class {cls}(Environment):
    """The physics are those of scene.xml. CHANGE: say what else a reader should know."""

    task = ({ask}
        {task}
    )
    robot = (  # CHANGE: a sentence or two: its body, its size, which way is forward
{robot}
    )
    start = "{start}"{keyframe}
    substeps = {substeps}  # physics steps of {timestep:g} s per action, so {control:.6g} s
    episode_steps = {steps}  # actions until the time limit: {seconds:g} s
    training = TrainingSettings(initial_log_std=-0.5, target_kl=0.02, budget={budget})

'''
_ASK = "  # CHANGE: the task in one sentence, as you would put it to a colleague"
_REST = '''
    # What the policy sees: nothing that grows without bound, such as how far the robot has come.
    def observation(self, state: State) -> Tensor:
        """Positions and velocities, `[N, D]`."""
        return torch.cat(
            [
{parts}
            ],
            dim=1,
        )

    # An episode may end early, as when a robot has fallen. Then say it in words as well, and let
    # AFTER_END in the file beside this one be worth less than going on:
    #
    # termination = {termination}
    #
    # def terminated(self, state: State) -> Tensor:
    #     """The robot is too low, `[N]`."""
    #     return state.body_position({body})[:, 2] < {height:.2g}

    # All randomness comes from `noise`: uniform(columns, low, high) and normal(columns, spread).
    def reset(self, noise: ResetNoise) -> tuple[Tensor, Tensor]:
        """{reset}, with a little noise on all of it, within limits."""
        pose = self.rest_pose(noise) + noise.uniform({nq}, -{noise:.2g}, {noise:.2g})
        return self.within_limits(pose), self.rest_velocity(noise) + noise.normal({nv}, {noise:.2g})
'''


@dataclass(frozen=True)
class Timing:
    """Physics steps per action, seconds per action, and actions per episode."""

    substeps: int
    control_step: float
    episode_steps: int


def timing(model: mujoco.MjModel) -> Timing:
    """What suits a robot of any kind: about 50 actions a second, for 8 seconds."""
    step = float(model.opt.timestep)
    substeps = max(1, round(CONTROL_STEP_S / step))
    return Timing(substeps, substeps * step, round(EPISODE_S / (substeps * step)))


def environment_source(
    name: str,
    survey: ModelInspection,
    signals: Sequence[SignalSource],
    task: PlaceholderTask,
    begun: StartPose,
    keyframe: str,
) -> str:
    """The text of `env.py`.

    Args:
        name: of the environment.
        survey: of its model.
        signals: what it offers.
        task: its task.
        begun: where episodes begin.
        keyframe: that holds it; empty for the model's own pose.
    """
    model = survey.model
    times = timing(model)
    head = _HEAD.format(
        title=f"{name}: written by `eureka-agent new-env`, for you to change.",
        cls="".join(word.capitalize() for word in name.split("_")),
        ask="" if task.given else _ASK,
        task=literal(task.sentence),
        robot=textwrap.indent(_paragraph(_robot(survey)), " " * 8),
        start=f"In the pose of {'a keyframe of the model' if keyframe else 'the model'}, at rest.",
        keyframe=f"\n    keyframe = {literal(keyframe)}" if keyframe else "",
        substeps=times.substeps,
        timestep=model.opt.timestep,
        control=times.control_step,
        steps=times.episode_steps,
        seconds=times.episode_steps * times.control_step,
        budget=f"{200_000 if model.nv < 12 else 500_000:_}",
    )
    parts = observation_of(survey)
    body = survey.root if survey.travels else end_effectors(survey)[0]
    height = 0.5 * _height(survey, body, begun.pose)
    rest = _REST.format(
        parts=textwrap.indent("\n".join(f"{part}," for part in parts), " " * 16),
        body=literal(body),
        termination=literal(f"The body {display_name(body)} is lower than {height:.2g} m."),
        height=height,
        reset="The pose of the keyframe" if keyframe else "The model's own pose",
        nq=model.nq,
        nv=model.nv,
        noise=safe_noise(model, begun, _noise(survey)),
    )
    return head + "\n".join(_signal(text) for text in signals) + rest


def _signal(text: SignalSource) -> str:
    """One signal as a method."""
    axes = _tuple(text.axes)
    size = f", size={text.size}" if text.size is not None else ""
    head = (
        f'@signal(unit="{text.unit}", kind="{text.kind}"{size}{f", axes={axes}" if axes else ""})'
    )
    if len(head) > WIDTH - 4:
        named = "\n".join(f"        {literal(axis)}," for axis in text.axes)
        head = (
            f'@signal(\n    unit="{text.unit}",\n    kind="{text.kind}",\n    size={text.size},\n'
            f"    axes=(\n{named}\n    ),\n)"
        )
    meaning = textwrap.indent(docstring(text.meaning, WIDTH - 8), "    ")
    value = f"    return {text.value}"
    if len(value) > WIDTH - 4 and len(text.terms) > 1:
        listed = "\n".join(f"            {term}," for term in text.terms)
        value = f"    return torch.cat(\n        [\n{listed}\n        ],\n        dim=1,\n    )"
    body = f"{head}\ndef {text.name}(self, state: State) -> Tensor:\n{meaning}\n{value}\n"
    return textwrap.indent(body, "    ")


def _robot(survey: ModelInspection) -> str:
    model = survey.model
    names = [display_name(control.name) for control in controls(model)]
    driven = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    driving = f"by {model.nu} control{'s' * (model.nu != 1)}"
    return f"The body {display_name(survey.root)} {survey.mobility}, {driving}: {driven}."


def _noise(survey: ModelInspection) -> float:
    ranges = [j.limits[1] - j.limits[0] for j in survey.joints if j.limits is not None]
    return max(LEAST, min(NOISE, OF_RANGE * min(ranges, default=1.0)))


def _height(survey: ModelInspection, body: str, pose: np.ndarray) -> float:
    data = mujoco.MjData(survey.model)
    data.qpos[:] = pose
    mujoco.mj_kinematics(survey.model, data)
    return float(data.body(body).xpos[2])


def _paragraph(text: str) -> str:
    """A long string as several literals, one a line."""
    lines = textwrap.wrap(text, WIDTH - 14)
    spaced = [line + " " if i < len(lines) - 1 else line for i, line in enumerate(lines)]
    return "\n".join(literal(line) for line in spaced)


def _tuple(words: Sequence[str]) -> str:
    listed = ", ".join(literal(word) for word in words)
    return f"({listed}{',' * (len(words) == 1)})" if words else ""


_SPEED_FITNESS = '''"""CHANGE: a placeholder, the mean speed along x over the whole time limit, m/s.

This file says what the task is really about, in one number per episode; higher is better. Designers
of rewards and the processes that train never see it. It may ask for signals of env.py by name, and
for prev_<signal> (one step earlier), start_, max_ and min_<signal> (over the episode so far).
"""

REDUCE = "mean"  # how the steps become one number: mean, sum, last, max, any; over the time limit
AFTER_END = 0.0  # what each step after an early end counts as: no more than going on would

CONTROL_STEP = {control:.6g}  # s


def fitness({signal}, prev_{signal}):
    """Distance covered in the step over its duration, `[M]`."""
    return ({signal}[:, {column}] - prev_{signal}[:, {column}]) / CONTROL_STEP
'''
_PLACE_FITNESS = '''"""CHANGE: a placeholder, the mean position along {axis} over the time limit, m.

This file says what the task is really about, in one number per episode; higher is better. Designers
of rewards and the processes that train never see it. It may ask for signals of env.py by name, and
for prev_<signal> (one step earlier), start_, max_ and min_<signal> (over the episode so far).
"""

REDUCE = "mean"  # how the steps become one number: mean, sum, last, max, any; over the time limit
AFTER_END = {worst:g}  # what each step after an early end counts as: no more than going on would


def fitness({signal}):
    """How far it is along {axis} after the step, `[M]`."""
    return {signal}[:, {column}]
'''
_SPEED_REWARD = '''"""CHANGE: a placeholder. Move forward and waste little effort."""

WEIGHTS = {{"forward": 1.0, "effort": 0.05}}
SCALES = {{"control_step": {control:.6g}}}


def compute_reward({signal}, prev_{signal}, action, control_step):
    forward = ({signal}[:, {column}] - prev_{signal}[:, {column}]) / control_step
    effort = -action.square().mean(-1)
    return {{"forward": forward, "effort": effort}}
'''
_PLACE_REWARD = '''"""CHANGE: a placeholder. Get far along {axis}, and do not jerk."""

WEIGHTS = {{"far": 1.0, "smooth": 0.05}}


def compute_reward({signal}, action, prev_action):
    far = {signal}[:, {column}]
    smooth = -(action - prev_action).square().mean(-1)
    return {{"far": far, "smooth": smooth}}
'''
_README = """# {name}

{task}

CHANGE: this folder was written by `eureka-agent new-env`. Where to look:

| file | holds | change first |
|---|---|---|
| `scene.xml` | the MuJoCo model{source} | |
| `env.py` | task, signals, observation, reset, early end | `task`, `robot`, names of signals |
| `fitness.py` | what the task is really about | all of it: it is a placeholder |
| `human_reward.py` | the best reward that you can write by hand | all of it; or delete it |

```console
$ eureka-agent check-env {folder}
$ eureka-agent train {folder} --reward {folder}/human_reward.py
$ eureka-agent search {folder}
```
{changes}{notes}
## Sources and licence

CHANGE: where the model comes from, and under which licence.
"""
AXES = ("x", "y", "z")


def fitness_source(task: PlaceholderTask, control_step: float, worst: float) -> str:
    """The text of `fitness.py`.

    Args:
        task: what it pays for.
        control_step: seconds.
        worst: a value of the position that going on is never worth less than, m.
    """
    text = _SPEED_FITNESS if task.speed else _PLACE_FITNESS
    return text.format(
        signal=task.signal,
        column=task.column,
        axis=AXES[task.column],
        control=control_step,
        worst=worst,
    )


def reward_source(task: PlaceholderTask, control_step: float) -> str:
    """The text of `human_reward.py`."""
    text = _SPEED_REWARD if task.speed else _PLACE_REWARD
    return text.format(
        signal=task.signal, column=task.column, axis=AXES[task.column], control=control_step
    )


def readme(
    name: str,
    folder: Path,
    task: str,
    source: str,
    changes: Sequence[str],
    notes: Sequence[str],
) -> str:
    """The text of `README.md`."""
    return _README.format(
        name=name,
        folder=shlex.quote(str(folder)),
        task=markdown(task),
        source=f", read from {code_span(source)} with all that it includes" if source else "",
        changes=_listed("Differences from the model's file", changes),
        notes=_listed("Signals", notes),
    )


def _listed(title: str, sentences: Sequence[str]) -> str:
    """A chapter with a list; nothing without sentences."""
    listed = "".join(f"- {markdown(sentence)}\n" for sentence in sentences)
    return f"\n## {title}\n\n{listed}" if listed else ""
