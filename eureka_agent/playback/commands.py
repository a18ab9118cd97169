"""The command `play`: from what a person typed to a document of what was played."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eureka_agent.errors import MissingError
from eureka_agent.playback.film import require_film_name
from eureka_agent.playback.performing import Pay, perform
from eureka_agent.playback.policies import Policy, find_policy
from eureka_agent.playback.recording import record
from eureka_agent.store.trust import Agrees


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


def played(
    policies: Sequence[Policy], pay: Pay, video: Path | None, episode: int, seconds: float | None
) -> tuple[dict[str, Any], MissingError | None]:
    """Play policies, and film one episode of them if there is to be a `video`.

    Returns:
        the document of `play --json`, and what the machine lacks for the film that was asked for:
        the numbers are there all the same.

    Raises:
        UsageError: the film cannot have this name, or see `perform`.
    """
    if video is not None:
        require_film_name(video)
    filmed = None if video is None else episode
    performances = [perform(policy, pay, filmed) for policy in policies]
    film, missing = None, None
    if video is not None:
        try:
            film = record(performances, video, seconds)
        except MissingError as error:
            missing = error
    documents = [performance.as_dict() for performance in performances]
    return {"policies": documents, "video": str(film) if film else None}, missing
