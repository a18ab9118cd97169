"""Checks of what an environment does: its resets, its physics, and what is seen of them."""

from collections.abc import Iterator

import numpy as np
import torch

from eureka_agent.env_tools.checks.environment import RECORDING_S, STYLES, WORLDS, Subject
from eureka_agent.env_tools.checks.findings import Said, failed, note, ok
from eureka_agent.env_tools.scaffold.start import TOO_DEEP, WHOLE, deepest_contact, torn_constraint
from eureka_agent.environment import ResetNoise, mix

RESETS = 64
"""First states that are looked at."""
LOOKED_INTO = 8
"""Of those, for contacts."""
OUTSIDE = 0.05
"""Of a joint's range, by which a first state may lie outside it."""
DIVERGED_SHARE = 1e-3
"""Of all steps, from which broken physics are an error."""
HUGE = 1e4

_SCALAR_JOINTS = (2, 3)  # slides and hinges
_QUATERNIONS = {0: 3, 1: 0}  # free and ball joints: where in their positions it begins


def check_resets(subject: Subject) -> Iterator[Said]:
    """First states are random, possible, and no ends."""
    environment, model = subject.environment, subject.environment.model
    with subject.running():
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
    with subject.glimpse() as seen:
        worlds = subject.worlds(RESETS)
    with subject.running():
        assert seen.state is not None
        ended = environment.terminated(seen.state)
    if ended.shape == (worlds.n,) and bool(ended.any()):
        yield failed(
            f"{int(ended.sum())} of {RESETS} episodes are over as they begin.",
            "Begin further away from the limits of `terminated`, or move those.",
        )
    yield ok(f"{RESETS} looked at: random, possible, and none is an end.")


def _check_possible(subject: Subject, qpos: np.ndarray) -> Iterator[Said]:
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
                said = (
                    f"The joint {name} begins at {value.min():.3g} to {value.max():.3g}, outside "
                    f"its limits {low:.3g} to {high:.3g}."
                )
                hint = f"Begin inside them: put column {address} of the positions there in reset."
                rest = model.qpos0[address]
                own = rest < low or rest > high
                yield note(said, hint) if own else failed(said, hint)
    key = subject.environment.keyframe_number
    worst, names = max(deepest_contact(model, pose, key) for pose in qpos[:LOOKED_INTO])
    if worst > TOO_DEEP:
        yield failed(
            f"{names} overlap at the start, by {worst:.2f} of the smaller one's size.",
            "Begin higher or further apart, or keep these geoms from colliding.",
        )
    gap, constraint = max(torn_constraint(model, pose, key) for pose in qpos[:LOOKED_INTO])
    if constraint:
        write = 'Write keyframe = "NAME" in env.py to begin with the mocap poses of a keyframe; or '
        yield failed(
            f"At the start {constraint} is broken by {gap:.2g}: it tears at what it holds.",
            WHOLE if key >= 0 else f"{write}begin in a pose in which it holds.",
        )


def check_physics(subject: Subject) -> Iterator[Said]:
    """The physics last under all kinds of actions."""
    diverged = subject.recording.diverged
    count, steps = int(diverged.sum()), len(diverged)
    if steps < subject.recorded_steps:
        yield note(
            f"Stopped after {steps:,} of {subject.recorded_steps:,} steps of {WORLDS} worlds, as "
            f"these took {RECORDING_S:g} s; all that follows saw no more.",
            "A larger timestep, fewer contacts and simpler collision geoms make it faster.",
        )
    if not count:
        yield ok(f"{diverged.numel():,} steps, none broke.")
        return
    which = [style for style, part in STYLES.items() if diverged[:, part].any()]
    said = f"The physics broke in {count} of {diverged.numel():,} steps, under {which[0]}."
    hint = "Take a smaller timestep, more joint damping or armature, or weaker actuators."
    yield (failed if count > DIVERGED_SHARE * diverged.numel() else note)(said, hint)


def check_values(subject: Subject) -> Iterator[Said]:
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
                "Keep roots, logarithms and divisors away from what they cannot take.",
            )
        elif bool((value.amax(0) - value.amin(0) == 0).all()):
            flat.append(signal.name)
    if flat:
        yield note(
            f"Never changed: {', '.join(flat)}.",
            "That is right for what no random action moves; else see what it reads.",
        )
    yield ok(f"Finite in {len(values):,} states.")


def check_observation(subject: Subject) -> Iterator[Said]:
    """What the policy sees is a finite float32 `[N, D]`."""
    with subject.glimpse() as seen:
        worlds = subject.worlds(3)
    value = seen.observation
    assert value is not None
    if value.dim() != 2 or len(value) != worlds.n or not value.shape[1]:
        yield failed(
            f"observation gives {list(value.shape)} for N = {worlds.n}.",
            "Give [N, D]: torch.cat([...], dim=1) of [N, d] parts; x[:, None] makes [N, 1] of [N].",
        )
        return
    if value.dtype != torch.float32:
        kind = str(value.dtype).removeprefix("torch.")
        yield failed(f"observation is {kind}, not float32.", "Write .float() at its end.")
    seen_all = subject.recording.observations[~subject.recording.diverged]
    if not torch.isfinite(seen_all).all():
        columns = (~torch.isfinite(seen_all)).any(0).nonzero()[:, 0].tolist()
        yield failed(
            f"Columns {columns} of the observation are not always finite.",
            "Keep roots, logarithms and divisors away from what they cannot take.",
        )
        return
    large = (seen_all.abs().amax(0) > HUGE).nonzero()[:, 0].tolist()
    if large:
        yield note(
            f"Columns {large} of the observation went beyond {HUGE:g}.",
            "Leave out what grows without bound, or clamp it.",
        )
    yield ok(f"{value.shape[1]} numbers, finite in {len(seen_all):,} states.")


def check_ends(subject: Subject) -> Iterator[Said]:
    """Early ends are said in words, can be reached, and are not the rule at once."""
    environment = subject.environment
    with subject.glimpse() as seen:
        worlds = subject.worlds(3)
    with subject.running():
        assert seen.state is not None
        ended = environment.terminated(seen.state)
    if not isinstance(ended, torch.Tensor) or list(ended.shape) != [worlds.n]:
        yield failed(
            f"terminated gives {list(getattr(ended, 'shape', []))} for N = {worlds.n}.",
            "Give one True or False per world, [N]: x[:, 2] < 0.3.",
        )
        return
    if ended.dtype != torch.bool:
        kind = str(ended.dtype).removeprefix("torch.")
        yield failed(f"terminated is {kind}, not bool.", "Compare: x[:, 2] < 0.3.")
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
        share, middle = float(early.float().mean()), int(lengths[early].float().median())
        yield ok(f"{share:.0%} of the worlds ended early, half of these within {middle} steps.")
    else:
        yield ok("Episodes last to their time limit.")
