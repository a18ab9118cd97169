"""The text of a new environment's `env.py`."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from eureka_agent.env_tools.scaffold.inspection import Survey
from eureka_agent.env_tools.scaffold.quoting import docstring, literal, shown
from eureka_agent.env_tools.scaffold.sensors import SignalText
from eureka_agent.env_tools.scaffold.signals import FirstTask, ends_of, observation_of
from eureka_agent.env_tools.scaffold.start import StartPose, calm_noise
from eureka_agent.environment.model_facts import controls

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
    training = TrainingSettings(initial_log_std=-0.5, kl_target=0.02, budget={budget})

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
    survey: Survey,
    signals: Sequence[SignalText],
    task: FirstTask,
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
    body = survey.root if survey.travels else ends_of(survey)[0]
    height = 0.5 * _height(survey, body, begun.pose)
    rest = _REST.format(
        parts=textwrap.indent("\n".join(f"{part}," for part in parts), " " * 16),
        body=literal(body),
        termination=literal(f"The body {shown(body)} is lower than {height:.2g} m."),
        height=height,
        reset="The pose of the keyframe" if keyframe else "The model's own pose",
        nq=model.nq,
        nv=model.nv,
        noise=calm_noise(model, begun, _noise(survey)),
    )
    return head + "\n".join(_signal(text) for text in signals) + rest


def _signal(text: SignalText) -> str:
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


def _robot(survey: Survey) -> str:
    model = survey.model
    names = [shown(control.name) for control in controls(model)]
    driven = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    driving = f"by {model.nu} control{'s' * (model.nu != 1)}"
    return f"The body {shown(survey.root)} {survey.mobility}, {driving}: {driven}."


def _noise(survey: Survey) -> float:
    ranges = [j.limits[1] - j.limits[0] for j in survey.joints if j.limits is not None]
    return max(LEAST, min(NOISE, OF_RANGE * min(ranges, default=1.0)))


def _height(survey: Survey, body: str, pose: np.ndarray) -> float:
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
