"""Helpers of the command `play`: find policies, and ask workers what their programs pay."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from eureka_agent.common.errors import EurekaError
from eureka_agent.environment import Episodes
from eureka_agent.store.trust import Agrees
from eureka_agent.video.play import ComputeComponents
from eureka_agent.video.policies import Policy, find_policy
from eureka_agent.workers.probe_client import ProbeClient


def component_scorer(stack: ExitStack) -> ComputeComponents:
    """A function that asks a worker what a policy's program pays, `[C, L, E]`.

    Args:
        stack: the workers end with it; each environment has one.
    """
    probers: dict[tuple[str, str], ProbeClient] = {}

    def score(policy: Policy, episodes: Episodes) -> np.ndarray:
        key = (policy.environment.source, policy.sandbox)
        if key not in probers:
            prober = ProbeClient(policy.environment, sandbox=policy.sandbox)
            probers[key] = stack.enter_context(prober)
        (paid,) = probers[key].score([policy.program or ""], episodes)
        if isinstance(paid, str):
            raise EurekaError(paid)
        return paid.components

    return score


def find_policies(
    policy: str,
    candidate: int | None,
    beside: str | None,
    environment: str | None,
    runs: Path,
    agrees: Agrees | None = None,
) -> list[Policy]:
    """One policy, or two to be played side by side.

    Args:
        policy: a run or a policy's zip, see `find_policy`.
        candidate: number of the run's candidate; None for its best.
        beside: the other one: number of a candidate of the same run, a run, or a policy's zip.
        environment: the environment of a zip that does not name it.
        runs: the folder of runs.
        agrees: asks whether code from elsewhere may run.

    Raises:
        UsageError: one of them does not exist.
    """
    first = find_policy(policy, runs, candidate, environment, agrees)
    if beside is None:
        return [first]
    number = beside.removeprefix("#")
    source, other = (policy, int(number)) if number.isdigit() else (beside, None)
    return [first, find_policy(source, runs, other, environment, agrees)]
