"""The texts of a new environment's other files: fitness, human reward, README."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from eureka_agent.env_tools.scaffold.quoting import code_span, markdown
from eureka_agent.env_tools.scaffold.signals import FirstTask

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


def fitness_source(task: FirstTask, control_step: float, worst: float) -> str:
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


def reward_source(task: FirstTask, control_step: float) -> str:
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
