"""Checks of what an environment defines: words, times, model, signals, resets, observation, ends.

The first checks read the definition, the others run worlds and examine what they give.
"""

import re

import mujoco
import numpy as np
import torch

from eureka_agent.common.text import plural
from eureka_agent.env_tools.checks.under_test import (
    KEEP_FINITE,
    RECORDING_S,
    STYLES,
    WORLDS,
    EnvironmentUnderTest,
    Findings,
    failed,
    note,
    ok,
    wrong_type,
)
from eureka_agent.env_tools.scaffold.start_pose import (
    CONSTRAINT_REMEDY,
    MAX_OVERLAP,
    broken_constraint,
    deepest_contact,
)
from eureka_agent.environment import (
    PLACEHOLDER,
    ResetNoise,
    TrainingSettings,
    mix,
    placeholder_lines,
)
from eureka_agent.reward import SIGNAL_KINDS, SIGNAL_PREFIXES, Signal
from eureka_agent.reward.signals import STANDARD_PARAMETERS

LONGEST_SENTENCE = 300
SHORTEST_S, LONGEST_S = 0.2, 300.0
"""Plausible lengths of an episode."""
FINEST_S, COARSEST_S = 0.001, 0.25
"""Plausible lengths of a control step."""
RESETS = 64
"""First states that are checked."""
CONTACT_RESETS = 8
"""First states of these that are checked for contacts."""
OUTSIDE = 0.05
"""Fraction of a joint's range by which a first state may lie outside it."""
DIVERGED_FRACTION = 1e-3
"""Fraction of all steps from which broken physics are an error."""
HUGE = 1e4
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
_SCALAR_JOINTS = (2, 3)  # slides and hinges
_QUATERNIONS = {0: 3, 1: 0}  # free and ball joints: where in their positions it begins


def check_loading(subject: EnvironmentUnderTest) -> Findings:
    """The folder is an environment whose model compiles."""
    model = subject.environment.model
    counts = f"{plural(model.nq, 'position')}, {plural(model.nu, 'control')}"
    yield ok(f"{type(subject.environment).__name__}: {counts}.")


def check_words(subject: EnvironmentUnderTest) -> Findings:
    """The texts for a designer exist, and do not give the fitness away."""
    environment = subject.environment
    task = environment.task.strip() if isinstance(environment.task, str) else ""
    if not task:
        yield failed("`task` is empty.", 'Write task = "...": the task in one sentence.')
    elif len(task) > LONGEST_SENTENCE:
        yield note(f"`task` has {len(task)} characters.", "Say it in one sentence.")
    for name in ("robot", "start"):
        if not getattr(environment, name):
            yield note(f"`{name}` is empty.", f"Write {name} = ...: it helps a designer.")
    for path in sorted(subject.folder.iterdir()):
        marked = placeholder_lines(path) if path.suffix in (".py", ".md") else []
        if marked:
            where = f"line{'s' if len(marked) > 1 else ''} {', '.join(map(str, marked))}"
            yield note(
                f"{path.name} still says {PLACEHOLDER}, in {where}: not written for this task yet.",
                f"Write what is meant there, and remove the word {PLACEHOLDER}.",
            )
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


def check_times(subject: EnvironmentUnderTest) -> Findings:
    """Control step and time limit have plausible lengths."""
    environment = subject.environment
    substeps, steps = environment.substeps, environment.episode_steps
    for name, value in (("substeps", substeps), ("episode_steps", steps)):
        if not isinstance(value, int) or value < 1:
            yield failed(f"`{name}` is {value!r}.", f"Write {name} = ..., a whole number above 0.")
            return
    control, seconds = environment.control_step, environment.control_step * steps
    summary = f"{steps} steps of {control:.4g} s: {seconds:.4g} s per episode."
    if steps == 1:
        yield failed("The time limit is one step.", "Raise episode_steps: actions need time.")
    elif not SHORTEST_S <= seconds <= LONGEST_S:
        yield note(summary, "See whether episode_steps is what you meant.")
    elif not FINEST_S <= control <= COARSEST_S:
        hint = "See whether substeps is what you meant: 20 to 100 actions a second suit."
        yield note(summary, hint)
    else:
        yield ok(summary)


def check_model(subject: EnvironmentUnderTest) -> Findings:
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


def check_actions(subject: EnvironmentUnderTest) -> Findings:
    """There are actuators, and their ranges are known."""
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


def check_signals(subject: EnvironmentUnderTest) -> Findings:
    """Each signal has a usable name, a unit, a kind, its stated shape and type."""
    environment = subject.environment
    worlds = 3
    seen = subject.first_outputs(worlds, partial=True)
    if seen.error is not None and not seen.signals:
        yield failed(seen.error.message, seen.error.remedy)  # one of them raises
        return
    # Worlds whose signals do not fit together cannot be made: their outputs show why.
    for signal in environment.signals_described:
        yield from _check_declared(signal)
        value = seen.signals.get(signal.name)
        expected = [worlds] if signal.size is None else [worlds, signal.size]
        if value is None:
            yield failed(
                f"{signal.name} gives None.", "Return the tensor at the end of the method."
            )
        elif not isinstance(value, torch.Tensor) or list(value.shape) != expected:
            shape = list(value.shape) if isinstance(value, torch.Tensor) else value
            yield failed(
                f"{signal.name} is declared {signal.shape} and gives {shape} for N = {worlds}.",
                "Correct size=... in its decorator, or choose columns: x[:, 0] is [N].",
            )
        else:
            yield from wrong_type(signal.name, value, torch.float32, "Write .float() at its end.")
    yield ok(f"{len(environment.signals_described)}, as declared.")


def _check_declared(signal: Signal) -> Findings:
    name = signal.name
    prefix = name.partition("_")[0]
    if name in STANDARD_PARAMETERS or prefix in SIGNAL_PREFIXES:
        yield failed(
            f"{name} cannot be the name of a signal: programs use it for something else.",
            f"Take a name that is none of {', '.join(STANDARD_PARAMETERS)} and does not begin with "
            f"{', '.join(f'{p}_' for p in SIGNAL_PREFIXES)}.",
        )
    if signal.kind not in SIGNAL_KINDS:
        yield failed(
            f"{name} has the kind {signal.kind!r}.", f"Use one of {', '.join(SIGNAL_KINDS)}."
        )
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


def check_resets(subject: EnvironmentUnderTest) -> Findings:
    """First states are random and possible, and no episode is over there."""
    environment, model = subject.environment, subject.environment.model
    qpos, qvel = environment.reset(ResetNoise(mix(1, torch.arange(RESETS))))
    again, _ = environment.reset(ResetNoise(mix(1, torch.arange(RESETS))))
    for name, value, size in (("positions", qpos, model.nq), ("velocities", qvel, model.nv)):
        if list(value.shape) != [RESETS, size]:
            yield failed(
                f"reset gives {name} {list(value.shape)} for {RESETS} worlds.",
                f"Give [m, {size}], m = len(noise): one row per world.",
            )
            return
        if not torch.isfinite(value).all():
            yield failed(f"reset gives {name} that are not finite.", "Correct the numbers there.")
            return
    if not torch.equal(qpos, again):
        yield failed(
            "reset gives other states for the same noise.",
            "Draw from `noise` alone: noise.uniform(...), noise.normal(...); no torch.rand.",
        )
    elif not bool((torch.cat([qpos, qvel], 1).std(0) > 0).any()):
        yield failed(
            "Every episode begins in the same state.",
            "Add noise, such as self.rest_pose(noise) + noise.uniform(nq, -0.01, 0.01).",
        )
    yield from _check_possible(subject, qpos.numpy().astype(float))
    ended = environment.terminated(subject.first_outputs(RESETS).state)
    if ended.shape == (RESETS,) and bool(ended.any()):
        yield failed(
            f"{int(ended.sum())} of {RESETS} episodes are over as they begin.",
            "Begin further away from the limits of `terminated`, or move those.",
        )
    yield ok(f"{RESETS} first states: random, possible, and none is an end.")


def _check_possible(subject: EnvironmentUnderTest, qpos: np.ndarray) -> Findings:
    """Joint limits, quaternions and contacts of first states `[m, nq]`."""
    model = subject.environment.model
    for joint in range(model.njnt):
        name, kind = repr(model.joint(joint).name or joint), int(model.jnt_type[joint])
        address = int(model.jnt_qposadr[joint])
        if kind in _QUATERNIONS:
            first = address + _QUATERNIONS[kind]
            if (np.linalg.norm(qpos[:, first : first + 4], axis=1) < 0.1).any():
                yield failed(
                    f"The joint {name} begins with a quaternion of zeros.",
                    "Begin with self.rest_pose(noise), or with (1, 0, 0, 0) there.",
                )
        elif kind in _SCALAR_JOINTS and model.jnt_limited[joint]:
            low, high = model.jnt_range[joint]
            value, slack = qpos[:, address], OUTSIDE * (high - low)
            if ((value < low - slack) | (value > high + slack)).any():
                # Where the model's own pose is outside as well, its author may mean it.
                outcome = failed if low <= model.qpos0[address] <= high else note
                yield outcome(
                    f"The joint {name} begins at {value.min():.3g} to {value.max():.3g}, outside "
                    f"its limits {low:.3g} to {high:.3g}.",
                    f"Begin inside them: put column {address} of the positions there in reset.",
                )
    key = subject.environment.keyframe_number
    worst, names = max(deepest_contact(model, pose, key) for pose in qpos[:CONTACT_RESETS])
    if worst > MAX_OVERLAP:
        yield failed(
            f"{names} overlap at the start, by {worst:.2f} of the smaller one's size.",
            "Begin higher or further apart, or keep these geoms from colliding.",
        )
    gap, constraint = max(broken_constraint(model, pose, key) for pose in qpos[:CONTACT_RESETS])
    if constraint:
        write = 'Write keyframe = "NAME" in env.py to begin with the mocap poses of a keyframe; or '
        yield failed(
            f"At the start {constraint} is broken by {gap:.2g}: it tears at what it holds.",
            CONSTRAINT_REMEDY if key >= 0 else f"{write}begin in a pose in which it holds.",
        )


def check_physics(subject: EnvironmentUnderTest) -> Findings:
    """The physics last under all kinds of actions."""
    diverged = subject.recording.diverged
    count, steps = int(diverged.sum()), len(diverged)
    if steps < subject.recorded_steps:
        yield note(
            f"Stopped after {steps:,} of {subject.recorded_steps:,} steps of {WORLDS} worlds, as "
            f"these took {RECORDING_S:g} s; the checks that follow saw no more.",
            "A larger timestep, fewer contacts and simpler collision geoms make it faster.",
        )
    if not count:
        yield ok(f"{diverged.numel():,} steps, none broke.")
        return
    which = [style for style, part in STYLES.items() if diverged[:, part].any()]
    message = f"The physics broke in {count} of {diverged.numel():,} steps, under {which[0]}."
    hint = "Take a smaller timestep, more joint damping or armature, or weaker actuators."
    yield (failed if count > DIVERGED_FRACTION * diverged.numel() else note)(message, hint)


def check_values(subject: EnvironmentUnderTest) -> Findings:
    """Signals are finite, and move."""
    recording, layout = subject.recording, subject.recording.layout
    values = recording.transitions.after[~recording.diverged]
    flat: list[str] = []
    for signal in layout.signals:
        value = layout.read(values, signal.name)
        bad = ~torch.isfinite(value)
        if bad.any():
            yield failed(
                f"{signal.name} is not finite in {int(bad.sum()):,} of {bad.numel():,} values.",
                KEEP_FINITE,
            )
        elif bool((value.amax(0) - value.amin(0) == 0).all()):
            flat.append(signal.name)
    if flat:
        yield note(
            f"Never changed: {', '.join(flat)}.",
            "That is right for what no random action moves; else see what it reads.",
        )
    yield ok(f"Finite in {len(values):,} states.")


def check_observation(subject: EnvironmentUnderTest) -> Findings:
    """What the policy sees is a finite float32 `[N, D]`."""
    worlds = 3
    value = subject.first_outputs(worlds).observation
    if value.dim() != 2 or len(value) != worlds or not value.shape[1]:
        yield failed(
            f"observation gives {list(value.shape)} for N = {worlds}.",
            "Give [N, D]: torch.cat([...], dim=1) of [N, d] parts; x[:, None] makes [N, 1] of [N].",
        )
        return
    yield from wrong_type("observation", value, torch.float32, "Write .float() at its end.")
    seen = subject.recording.observations[~subject.recording.diverged]
    if not torch.isfinite(seen).all():
        columns = (~torch.isfinite(seen)).any(0).nonzero()[:, 0].tolist()
        yield failed(f"Columns {columns} of the observation are not always finite.", KEEP_FINITE)
        return
    large = (seen.abs().amax(0) > HUGE).nonzero()[:, 0].tolist()
    if large:
        yield note(
            f"Columns {large} of the observation went beyond {HUGE:g}.",
            "Leave out what grows without bound, or clamp it.",
        )
    yield ok(f"{value.shape[1]} numbers, finite in {len(seen):,} states.")


def check_ends(subject: EnvironmentUnderTest) -> Findings:
    """Early ends are described in words, can be reached, and do not come at once."""
    environment = subject.environment
    worlds = 3
    ended = environment.terminated(subject.first_outputs(worlds).state)
    if not isinstance(ended, torch.Tensor) or list(ended.shape) != [worlds]:
        yield failed(
            f"terminated gives {list(getattr(ended, 'shape', []))} for N = {worlds}.",
            "Give one True or False per world, [N]: x[:, 2] < 0.3.",
        )
        return
    yield from wrong_type("terminated", ended, torch.bool, "Compare: x[:, 2] < 0.3.")
    early = subject.recording.early.any(0)
    lengths = subject.recording.first_ends()
    if early.any() and not environment.termination:
        yield failed(
            "Episodes end early, and `termination` does not say when.",
            'Write termination = "...": when an episode ends early, in words.',
        )
    elif early.all() and bool((lengths == 1).all()):
        yield failed(
            "Every episode ends at its first step.",
            "See which way round the comparison in `terminated` is.",
        )
    elif environment.termination and not early.any():
        yield note(
            "Nothing that was tried ended an episode early, though `termination` says when.",
            "See whether `terminated` is written and its limit is within reach.",
        )
    elif early.any():
        fraction, median = float(early.float().mean()), int(lengths[early].float().median())
        yield ok(f"{fraction:.0%} of the worlds ended early, half of these within {median} steps.")
    else:
        yield ok("Episodes last to their time limit.")
