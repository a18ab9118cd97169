"""All checks of an environment, in order."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from eureka_agent.common.errors import EurekaError
from eureka_agent.env_tools.checks import definition, determinism, fitness
from eureka_agent.env_tools.checks.under_test import (
    CheckFinding,
    EnvironmentUnderTest,
    Findings,
    failed,
)
from eureka_agent.environment import foreign_code

STEPS = 1_000

Check = Callable[[EnvironmentUnderTest], Findings]

CHECKS: dict[str, Check] = {
    "loading": definition.check_loading,
    "words": definition.check_words,
    "times": definition.check_times,
    "model": definition.check_model,
    "actions": definition.check_actions,
    "signals": definition.check_signals,
    "resets": definition.check_resets,
    "early ends": definition.check_ends,
    "observation": definition.check_observation,
    "physics": definition.check_physics,
    "signal values": definition.check_values,
    "fitness": fitness.check_fitness,
    "pay for ends": fitness.check_early_end,
    "human reward": fitness.check_human_reward,
    "repeatable": determinism.check_repeatable,
    "neighbours": determinism.check_neighbours,
    "checkpoints": determinism.check_checkpoints,
    "task changes": determinism.check_task_changes,
    "side effects": determinism.check_side_effects,
    "speed": determinism.check_speed,
    "warp": determinism.check_warp,
}
"""Each checks one property; its docstring says which."""


def check_environment(
    folder: Path,
    steps: int = STEPS,
    *,
    warp: bool = False,
    progress: Callable[[str, str], None] = lambda check, detail: None,
    found: Callable[[CheckFinding], None] = lambda finding: None,
) -> list[CheckFinding]:
    """Check an environment.

    Args:
        folder: of the environment.
        steps: control steps of 32 worlds under random and extreme actions; an episode at least.
        warp: whether to compare with MuJoCo Warp, too.
        progress: called with the name of each check as it begins, and with how far it is.
        found: called with each finding at once.

    Returns:
        Findings in the order of `CHECKS`. A property that holds has one `ok`; what breaks several
        checks is reported once, and what cannot be loaded is not checked further.
    """
    running = ""

    def watch(done: int, of: int) -> None:
        progress(running, f"step {done:,} of {of:,}")

    subject = EnvironmentUnderTest(folder, steps, warp, watch)
    findings: list[CheckFinding] = []
    reported: set[str] = set()
    for running, check in CHECKS.items():
        progress(running, "")
        news = run_check(running, check, subject)
        for finding in news:
            if finding.message not in reported:
                findings.append(finding)
                found(finding)
        broken = {finding.message for finding in news if finding.outcome == "failed"}
        reported |= broken
        if running == "loading" and broken:
            break
    return findings


def run_check(name: str, check: Check, subject: EnvironmentUnderTest) -> list[CheckFinding]:
    """What one check finds wrong, or if nothing is, what holds.

    Whatever the environment's code raises is such a finding, with its line in env.py.
    """
    found: list[CheckFinding] = []
    try:
        with foreign_code(subject.source):
            found.extend(check(subject))
    except EurekaError as error:
        found.append(failed(error.message, error.remedy))
    wrong = [finding for finding in found if finding.outcome != "ok"]
    return [replace(finding, check=name) for finding in wrong or found]
