"""Checks of what an environment says about itself, before anything moves."""

import re
from collections.abc import Iterator

import mujoco
import torch

from eureka_agent.common.errors import EurekaError
from eureka_agent.env_tools.checks.environment import Subject
from eureka_agent.env_tools.checks.findings import Said, failed, note, ok
from eureka_agent.environment import TrainingSettings
from eureka_agent.environment.placeholder import MARK, marked_lines
from eureka_agent.reward import KINDS, PREFIXES, Signal
from eureka_agent.reward.signals import PLAIN_NAMES

LONGEST_SENTENCE = 300
SHORTEST_S, LONGEST_S = 0.2, 300.0
"""Of an episode."""
FINEST_S, COARSEST_S = 0.001, 0.25
"""Of a control step."""
UNITS = ("rad", "kg", "m", "s", "N", "J", "W", "Pa", "Hz", "K", "A", "V", "1")

_FACTOR = rf"(?:{'|'.join(UNITS)})(?:\^-?\d|[²³])?"
_UNIT = re.compile(rf"{_FACTOR}(?:[ /·*]{_FACTOR})*")
_KIND_UNITS = {
    "position": ("m", "1"),
    "velocity": ("m/s", "1"),
    "angle": ("rad", "1"),
    "angular_velocity": ("rad/s", "1"),
    "orientation": ("1", "rad"),
    "force": ("N", "N m"),
}
_SECRET_WORDS = ("fitness", "reward")


def check_loading(subject: Subject) -> Iterator[Said]:
    """The folder is an environment whose model compiles."""
    environment = subject.environment
    model = environment.model
    counts = ((model.nq, "position"), (model.nu, "control"))
    said = ", ".join(f"{count} {word}{'s' * (count != 1)}" for count, word in counts)
    yield ok(f"{type(environment).__name__}: {said}.")


def check_words(subject: Subject) -> Iterator[Said]:
    """What a designer is told is there, and gives nothing away."""
    environment = subject.environment
    task = environment.task.strip() if isinstance(environment.task, str) else ""
    if not task:
        yield failed("`task` is empty.", 'Write task = "...": the task in one sentence.')
    elif len(task) > LONGEST_SENTENCE:
        yield note(f"`task` has {len(task)} characters.", "Say it in one sentence.")
    for name in ("robot", "start"):
        if not getattr(environment, name):
            yield note(f"`{name}` is empty.", f"Write {name} = ...: it helps whoever designs.")
    yield from _marks(subject)
    text = subject.source.read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        for word in _SECRET_WORDS:
            if word in line.lower():
                yield note(
                    f"env.py, line {number}, says {word!r}; designers may be shown that file.",
                    "Say there what things are, and what is good in fitness.py alone.",
                )
    if not isinstance(environment.training, TrainingSettings):
        yield failed(
            "`training` is no TrainingSettings.", "Write training = TrainingSettings(...)."
        )
    yield ok(task)


def _marks(subject: Subject) -> Iterator[Said]:
    """Where a folder that `new_environment` wrote still waits for its author."""
    for path in sorted(subject.source.parent.iterdir()):
        if path.suffix not in (".py", ".md"):
            continue
        marked = marked_lines(path)
        if marked:
            where = f"line{'s' if len(marked) > 1 else ''} {', '.join(map(str, marked))}"
            yield note(
                f"{path.name} still says {MARK}, in {where}: not written for this task yet.",
                f"Write what is meant there, and remove the word {MARK}.",
            )


def check_times(subject: Subject) -> Iterator[Said]:
    """Control step and time limit are such that something can happen."""
    environment = subject.environment
    substeps, steps = environment.substeps, environment.episode_steps
    for name, value in (("substeps", substeps), ("episode_steps", steps)):
        if not isinstance(value, int) or value < 1:
            yield failed(f"`{name}` is {value!r}.", f"Write {name} = ..., a whole number above 0.")
            return
    control, seconds = environment.control_step, environment.control_step * steps
    said = f"{steps} steps of {control:.4g} s: {seconds:.4g} s per episode."
    if steps == 1:
        yield failed("The time limit is one step.", "Raise episode_steps: actions need time.")
    elif not SHORTEST_S <= seconds <= LONGEST_S:
        yield note(said, "See whether episode_steps is what you meant.")
    elif not FINEST_S <= control <= COARSEST_S:
        yield note(said, "See whether substeps is what you meant: 20 to 100 actions a second suit.")
    else:
        yield ok(said)


def check_model(subject: Subject) -> Iterator[Said]:
    """The model's options suit both backends."""
    option = subject.environment.model.opt
    if option.integrator == mujoco.mjtIntegrator.mjINT_RK4:
        yield note(
            "The integrator is RK4, which takes four times as long as a step of the others.",
            'Write <option integrator="implicitfast"/> in the model unless you need RK4.',
        )
    if option.solver == mujoco.mjtSolver.mjSOL_PGS:
        yield note(
            "The solver is PGS, which a GPU cannot run.",
            'Write <option solver="Newton"/> in the model.',
        )
    yield ok(f"Physics steps of {option.timestep:g} s.")


def check_actions(subject: Subject) -> Iterator[Said]:
    """There is something to act with, and its range is known."""
    environment = subject.environment
    if not environment.action_size:
        yield failed(
            "The model has no actuator: nothing can be driven.",
            'Add some, such as <actuator><motor joint="NAME" ctrlrange="-1 1"/></actuator>.',
        )
        return
    low, high = environment.action_range()
    for name, is_bad in zip(environment.actuators, ~(low < high), strict=True):
        if is_bad:
            yield failed(
                f"The control range of {name!r} is empty.",
                "Give it a ctrlrange from a lower to a higher number.",
            )
    yield ok(f"{len(low)}: {', '.join(environment.actuators)}.")


def check_signals(subject: Subject) -> Iterator[Said]:
    """Each signal has a usable name, a unit, a kind, its stated shape and type."""
    environment = subject.environment
    worlds = 3
    broken: EurekaError | None = None
    with subject.glimpse() as seen:
        try:
            subject.worlds(worlds)
        except EurekaError as error:
            broken = error
    if broken is not None and not seen.signals:
        yield failed(broken.message, broken.remedy)  # one of them raises
        return
    # Worlds whose signals do not fit together cannot be made: what was given out says why.
    for signal in environment.signals_described:
        yield from _check_declared(signal)
        value = seen.signals.get(signal.name)
        expected = [worlds] if signal.size is None else [worlds, signal.size]
        if value is None:
            yield failed(
                f"{signal.name} gives None.", "Return the tensor at the end of the method."
            )
        elif not isinstance(value, torch.Tensor) or list(value.shape) != expected:
            shape = list(getattr(value, "shape", [])) if isinstance(value, torch.Tensor) else value
            yield failed(
                f"{signal.name} is declared {signal.shape} and gives {shape} for N = {worlds}.",
                "Say size=... in its decorator as it is, or choose columns: x[:, 0] is [N].",
            )
        elif value.dtype != torch.float32:
            yield failed(
                f"{signal.name} is {str(value.dtype).removeprefix('torch.')}, not float32.",
                "Write .float() at its end.",
            )
    yield ok(f"{len(environment.signals_described)}, as declared.")


def _check_declared(signal: Signal) -> Iterator[Said]:
    name = signal.name
    prefix = name.partition("_")[0]
    if name in PLAIN_NAMES or prefix in PREFIXES:
        yield failed(
            f"{name} cannot be the name of a signal: a program would get something else by it.",
            f"Take a name that is none of {', '.join(PLAIN_NAMES)} and does not begin with "
            f"{', '.join(f'{p}_' for p in PREFIXES)}.",
        )
    if signal.kind not in KINDS:
        yield failed(f"{name} has the kind {signal.kind!r}.", f"Use one of {', '.join(KINDS)}.")
    if not _UNIT.fullmatch(signal.unit):
        yield failed(
            f"{name} has the unit {signal.unit!r}.",
            'Write it in SI, such as "m", "m/s", "rad", "rad/s", "N m", or "1" for a pure number.',
        )
    elif signal.unit not in _KIND_UNITS.get(signal.kind, (signal.unit,)):
        yield note(
            f"{name} is of the kind {signal.kind} and has the unit {signal.unit}.",
            "See which of the two is right.",
        )
