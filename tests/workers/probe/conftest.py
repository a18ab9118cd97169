"""Real transitions of cartpole, sampled once, and programs that are tried on them."""

from collections.abc import Callable

import pytest

from eureka_agent.environment import Environment, SignalLayout, Transitions, find_environment
from eureka_agent.reward import Finding, RewardProgram, parse
from eureka_agent.workers.probe.dry_run import dry_run
from eureka_agent.workers.probe.samples import sample_transitions, sampled_batch

Try = Callable[..., list[Finding]]


@pytest.fixture(scope="session")
def cartpole() -> Environment:
    return find_environment("cartpole")


@pytest.fixture(scope="session")
def transitions(cartpole: Environment) -> Transitions:
    return sample_transitions(cartpole, seed=0)


@pytest.fixture
def tried(cartpole: Environment, transitions: Transitions) -> Try:
    """Findings of the dry run of `compute_reward`'s body, after any helpers."""
    signals = cartpole.signals_described

    def run(
        body: str,
        *,
        weights: str = '{"a": 1.0}',
        helpers: str = "",
        rows: int | None = None,
        program_type: Callable[[RewardProgram], RewardProgram] = lambda program: program,
    ) -> list[Finding]:
        parameters = [s.name for s in signals if s.name in body] or ["pole_up"]
        parameters += [name for name in ("action", "terminated", "time_left") if name in body]
        lines = "".join(f"    {line}\n" for line in body.split("\n"))
        text = f'"""Idea."""\nWEIGHTS = {weights}\n{helpers}\n'
        text += f"def compute_reward({', '.join(parameters)}):\n{lines}"
        program = program_type(parse(text, signals))
        batch = sampled_batch(transitions, SignalLayout(signals), program.parameters)
        return dry_run(program, [batch], rows)

    return run
