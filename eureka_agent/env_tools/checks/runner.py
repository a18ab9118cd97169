"""All checks of an environment, in order."""

from collections.abc import Callable, Iterator
from pathlib import Path

from eureka_agent.common.errors import EurekaError
from eureka_agent.env_tools.checks.definition import (
    check_actions,
    check_ends,
    check_loading,
    check_model,
    check_observation,
    check_physics,
    check_resets,
    check_signals,
    check_times,
    check_values,
    check_words,
)
from eureka_agent.env_tools.checks.determinism import (
    check_checkpoints,
    check_neighbours,
    check_repeatable,
    check_side_effects,
    check_speed,
    check_task_changes,
    check_warp,
)
from eureka_agent.env_tools.checks.fitness import check_early_end, check_fitness, check_human_reward
from eureka_agent.env_tools.checks.under_test import CheckFinding, EnvironmentUnderTest, Said

STEPS = 1_000

Check = Callable[[EnvironmentUnderTest], Iterator[Said]]

CHECKS: dict[str, Check] = {
    "loading": check_loading,
    "words": check_words,
    "times": check_times,
    "model": check_model,
    "actions": check_actions,
    "signals": check_signals,
    "resets": check_resets,
    "early ends": check_ends,
    "observation": check_observation,
    "physics": check_physics,
    "signal values": check_values,
    "fitness": check_fitness,
    "pay for ends": check_early_end,
    "human reward": check_human_reward,
    "repeatable": check_repeatable,
    "neighbours": check_neighbours,
    "checkpoints": check_checkpoints,
    "task changes": check_task_changes,
    "side effects": check_side_effects,
    "speed": check_speed,
    "warp": check_warp,
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
        found: called with each finding as soon as it is known.

    Returns:
        Findings in the order of `CHECKS`. A property that holds has one `ok`; what breaks several
        checks is said once, and what cannot be loaded is not checked further.
    """
    running = ""

    def watch(done: int, of: int) -> None:
        progress(running, f"step {done:,} of {of:,}")

    subject = EnvironmentUnderTest(folder, steps, warp, watch)
    findings: list[CheckFinding] = []
    said: set[str] = set()
    for running, check in CHECKS.items():
        progress(running, "")
        news = run_check(running, check, subject)
        for finding in news:
            if finding.message not in said:
                findings.append(finding)
                found(finding)
        broken = {finding.message for finding in news if finding.outcome == "failed"}
        said |= broken
        if running == "loading" and broken:
            break
    return findings


def run_check(name: str, check: Check, subject: EnvironmentUnderTest) -> list[CheckFinding]:
    """What one check says: what is wrong, or if nothing is, what holds."""
    found: list[Said] = []
    try:
        with subject.running():
            found.extend(check(subject))
    except EurekaError as error:
        found.append(Said("failed", error.message, error.remedy))
    wrong = [said for said in found if said.outcome != "ok"]
    return [CheckFinding(name, s.outcome, s.message, s.hint) for s in wrong or found]
