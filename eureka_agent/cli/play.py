"""The command `play`: from what a person typed to a document of what was played."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eureka_agent.common.errors import EurekaError
from eureka_agent.environment import Episodes
from eureka_agent.store.trust import Agrees
from eureka_agent.video.film import Film, film_path, record_film
from eureka_agent.video.play import ComputeComponents, play_policy
from eureka_agent.video.policies import Policy, find_policy
from eureka_agent.workers.probe_client import ProbeClient


def payer(stack: ExitStack) -> ComputeComponents:
    """What asks what a policy's program pays, `[C, L, E]`: only a worker may call it.

    Args:
        stack: the workers end with it; each environment has one.
    """
    probers: dict[tuple[str, str], ProbeClient] = {}

    def pay(policy: Policy, episodes: Episodes) -> np.ndarray:
        key = (policy.environment.source, policy.sandbox)
        if key not in probers:
            prober = ProbeClient(policy.environment, sandbox=policy.sandbox)
            probers[key] = stack.enter_context(prober)
        (paid,) = probers[key].score([policy.program or ""], episodes)
        if isinstance(paid, str):
            raise EurekaError(paid)
        return paid.components

    return pay


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
        policy: as `find_policy` takes it.
        candidate: likewise.
        beside: the other one: number of a candidate of the same run, a run, or a policy's zip.
        environment: as `find_policy` takes it.
        runs: likewise.
        agrees: likewise.

    Raises:
        UsageError: one of them is not there.
    """
    first = find_policy(policy, runs, candidate, environment, agrees)
    if beside is None:
        return [first]
    number = beside.removeprefix("#")
    if number.isdigit():
        return [first, find_policy(policy, runs, int(number), environment, agrees)]
    return [first, find_policy(beside, runs, None, environment, agrees)]


@dataclass(frozen=True)
class Shot:
    """A film that is wanted.

    Attributes:
        path: the file.
        episode: which is filmed, counted from 0.
        seconds: how much of it; all when None.
        camera: name of a camera of the model; what shows the robot well when None.
    """

    path: Path
    episode: int = 0
    seconds: float | None = None
    camera: str | None = None


def filmed(
    policies: Sequence[Policy], pay: ComputeComponents, shot: Shot, done: Callable[[float], None]
) -> Film:
    """Film one episode of policies; nothing else is played for it.

    Args:
        policies: who, side by side.
        pay: how to learn what their programs pay.
        shot: what is wanted.
        done: gets the share of the film that is done, from time to time.

    Raises:
        UsageError: the film cannot have this name, or see `perform` and `record`.
        MissingError: the machine lacks something for it.
    """
    film_path(shot.path)
    performances = [play_policy(policy, pay, shot.episode) for policy in policies]
    return record_film(performances, shot.path, shot.seconds, camera=shot.camera, done=done)


def played(policies: Sequence[Policy], pay: ComputeComponents, film: Film | None) -> dict[str, Any]:
    """Play all episodes of policies: the document of `play --json`.

    Raises:
        UsageError: see `perform`.
    """
    documents = [play_policy(policy, pay).as_dict() for policy in policies]
    return {"policies": documents, "video": str(film.path) if film else None}
