"""Checks of the fitness of an environment, and of the reward that a person wrote for it."""

import torch
from torch import Tensor

from eureka_agent.common.text import did_you_mean
from eureka_agent.env_tools.checks.under_test import (
    KEEP_FINITE,
    CheckFinding,
    EnvironmentUnderTest,
    Findings,
    failed,
    note,
    ok,
)
from eureka_agent.environment import (
    PLACEHOLDER,
    Fitness,
    ProgressMeasure,
    foreign_code,
    placeholder_lines,
)
from eureka_agent.reward import RewardFailed, RewardRejected, parse
from eureka_agent.reward.signals import parameter_names

LAST_STEPS = 5
"""Last steps of an episode that ends early, in which a dive would pay."""
FEW = 0.02
"""An end is the best outcome if a smaller fraction of the steps lived is worth more than it."""
SLACK = 0.1
"""Standard deviations of the fitness per step by which an end may exceed the mean step."""
_SCALES = (0.0, 0.01, 0.1, 1.0, 10.0)
"""Sizes of made-up signals, which show whether anything changes a fitness."""


def check_fitness(subject: EnvironmentUnderTest) -> Findings:
    """The fitness reads signals, is finite in each step, and is not always the same."""
    fitness, recording = subject.fitness, subject.recording
    known = parameter_names(subject.environment.signals_described)
    progress = fitness.progress
    asked = {*fitness.parameters, *(progress.parameters if progress else ())}
    unknown = sorted(asked - set(known))
    for name in unknown:
        signals = ", ".join(signal.name for signal in subject.environment.signals_described)
        yield failed(
            f"fitness.py asks for {name!r}: no signal. {did_you_mean(name, known)}".strip(),
            f"Ask for signals of env.py, or prev_<signal>: {signals}.",
        )
    if unknown:
        return
    arguments = recording.arguments(fitness.parameters)
    rows = recording.ended.numel()
    with foreign_code(subject.environment.fitness_path):
        steps = fitness.function(**arguments)
        again = fitness.function(**{k: v[: rows // 2].clone() for k, v in arguments.items()})
    if not isinstance(steps, Tensor) or list(steps.shape) != [rows]:
        shape = list(steps.shape) if isinstance(steps, Tensor) else repr(steps)
        yield failed(
            f"fitness gives {shape} for {rows:,} transitions.",
            "Give one number per row, [M]: choose a column, x[:, 0], or reduce, x.sum(-1).",
        )
        return
    bad = ~torch.isfinite(steps.float())
    if bad.any():
        yield failed(
            f"fitness is not finite in {int(bad.sum()):,} of {rows:,} steps.",
            KEEP_FINITE,
        )
        return
    if not torch.allclose(again.float(), steps[: rows // 2].float(), rtol=1e-4, atol=1e-5):
        yield failed(
            "fitness of a step changes with the other steps that it is asked about.",
            "Reduce columns only: x.mean(-1), not x.mean().",
        )
    if progress is not None:
        yield from _check_progress(subject, progress, rows)
    if not fitness.meaning:
        yield note(
            "fitness.py has no docstring.", "Begin it with what the number is, and its unit."
        )
    if not bool((steps != steps[0]).any()):
        yield _constant(subject, fitness, float(steps[0]))
        return
    yield ok(f"Finite in {rows:,} steps; an episode counts the {fitness.reduce} of all its steps.")


def check_early_end(subject: EnvironmentUnderTest) -> Findings:
    """Neither a dive nor an early end pays."""
    fitness, recording = subject.fitness, subject.recording
    early = recording.early
    if not early.any():
        yield ok("No episode ended early, so none can be paid for it.")
        return
    with foreign_code(subject.environment.fitness_path):
        total = fitness(recording.arguments(fitness.parameters)).total
    alive = total.view(recording.ended.shape)  # of each step [T, N]
    typical, spread = float(alive.mean()), float(alive.std())
    ends = fitness.after_end
    better = float((alive > ends).float().mean())
    counted = fitness.reduce in ("mean", "sum", "last")
    if counted and ends > typical and better < FEW:
        yield failed(
            f"An early death pays: each step after it counts {ends:g}, and only {better:.0%} of "
            f"the steps lived are worth more; their mean is {typical:.3g}.",
            f"Lower AFTER_END to what the worst step is worth, here {float(alive.min()):.3g}.",
        )
    elif counted and ends > typical + SLACK * spread:
        yield note(
            f"A step after an early end counts {ends:g}, and a step of a random policy is worth "
            f"{typical:.3g} on average: to a bad policy an early death pays.",
            "See whether continuing without success should be worth less; if so, lower AFTER_END.",
        )
    elif fitness.reduce == "max":
        fraction = _best_at_the_end(alive, early)
        if fraction > 0.5:
            yield failed(
                f"A dive pays: REDUCE is 'max', and in {fraction:.0%} of the episodes that ended "
                f"early the best step was among the last {LAST_STEPS}.",
                "Take the mean or the last step, or let a step count only if the robot is well; if "
                'the end is the success, write REDUCE = "any".',
            )
    yield ok(f"A step after an early end counts {ends:g}, a step lived {typical:.3g} on average.")


def check_human_reward(subject: EnvironmentUnderTest) -> Findings:
    """The human reward is a reward program with finite values."""
    path = subject.folder / "human_reward.py"
    if not path.is_file():
        yield note("There is no human_reward.py.", "Write one: searches are compared with it.")
        return
    text = path.read_text(encoding="utf-8")
    try:
        program = parse(text, subject.environment.signals_described)
    except RewardRejected as error:
        for finding in error.findings:
            if finding.severity == "error":
                yield failed(
                    f"human_reward.py, line {finding.line}: {finding.message}", finding.hint
                )
        return
    try:
        paid = program.compile()(subject.recording.arguments(program.parameters)).total
    except RewardFailed as error:
        where = f", line {error.line}" if error.line else ""
        yield failed(f"human_reward.py{where}: {error.message}", "Fix it there.")
        return
    if not bool((paid != paid[0]).any()):
        yield failed(
            f"human_reward.py pays {float(paid[0]):.3g} for every step.",
            "Pay for something that actions change.",
        )
    if placeholder_lines(path):
        yield note(
            f"human_reward.py is a placeholder while it says {PLACEHOLDER}: no search compares "
            "with it.",
            "Write the best reward that you can, or delete the file.",
        )
    yield ok(f"Pays {float(paid.min()):.3g} to {float(paid.max()):.3g} per step.")


def _best_at_the_end(steps: Tensor, early: Tensor) -> float:
    """Fraction of the early-ending first episodes whose best step is one of the last."""
    found = []
    for world in early.any(0).nonzero()[:, 0].tolist():
        length = int(early[:, world].float().argmax()) + 1
        if length > 2 * LAST_STEPS:
            found.append(int(steps[:length, world].argmax()) >= length - LAST_STEPS)
    return sum(found) / len(found) if found else 0.0


def _check_progress(
    subject: EnvironmentUnderTest, progress: ProgressMeasure, rows: int
) -> Findings:
    with foreign_code(subject.environment.fitness_path):
        values = progress.function(**subject.recording.arguments(progress.parameters))
    if not isinstance(values, Tensor) or list(values.shape) != [rows]:
        yield failed(
            f"progress does not give one number for each of {rows:,} transitions.",
            "Give [M]: choose a column, x[:, 0], or reduce, x.sum(-1).",
        )
    elif not torch.isfinite(values).all():
        yield failed("progress is not always finite.", "Fix what it divides by or takes roots of.")


def _constant(subject: EnvironmentUnderTest, fitness: Fitness, value: float) -> CheckFinding:
    """The finding about a fitness that is the same in every recorded step."""
    message = f"fitness is {value:g} in every step that was tried."
    if not _moves(subject, fitness):
        return failed(message, "Let it depend on signals that actions change.")
    if fitness.progress is not None:
        return ok(f"{message} Its `progress` says how near they came.")
    hint = "If success is rare, write progress(<signals>) in fitness.py as well, by degrees."
    return note(message, hint)


def _moves(subject: EnvironmentUnderTest, fitness: Fitness) -> bool:
    """Whether made-up signals of any size change a fitness."""
    generator = torch.Generator().manual_seed(0)
    arguments = subject.recording.arguments(fitness.parameters)
    values = []
    for scale in _SCALES:
        made_up = {
            name: (scale * torch.randn(value[:512].shape, generator=generator)).to(value.dtype)
            for name, value in arguments.items()
        }
        with foreign_code(subject.environment.fitness_path):
            values.append(fitness.function(**made_up).float())
    joined = torch.cat(values)
    return bool((joined != joined[0]).any())
