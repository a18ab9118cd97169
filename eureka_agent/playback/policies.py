"""Which policy is meant, and all that playing it takes: found by what a person types."""

import io
import json
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from eureka_agent.environment import Environment, find_environment
from eureka_agent.errors import UsageError
from eureka_agent.paths import expanded
from eureka_agent.store import RunReader, find_run
from eureka_agent.store.folder import DATABASE
from eureka_agent.ui.published import OWN_FITNESS

EPISODES = 16
"""Reporting episodes of a policy that belongs to no run."""
NEEDED = ("log_std", "action_net.weight", "mlp_extractor.policy_net.0.weight", "value_net.weight")


@dataclass(frozen=True)
class Policy:
    """A trained policy with all that playing it takes.

    Attributes:
        title: what people call it.
        path: its zip.
        environment: the task that it was trained on.
        fitness: the file that measures the task; None where nothing does.
        program: text of the reward program that trained it; None where nobody knows.
        seed: whose reporting episodes are played.
        episodes: how many of them.
        lanes: how many policies its run's judge plays side by side, on which the last bit depends.
        sandbox: how well the program must be kept in.
    """

    title: str
    path: Path
    environment: Environment
    fitness: Path | None
    program: str | None = None
    seed: int = 0
    episodes: int = EPISODES
    lanes: int = 1
    sandbox: str = "auto"


def find_policy(
    text: str, runs: Path, candidate: int | None = None, environment: str | None = None
) -> Policy:
    """The policy that `text` means: a run's best one, a candidate's, or that of a zip.

    Args:
        text: as `find_run` takes it, or the path of a zip.
        runs: where runs are kept.
        candidate: number of a candidate of the run; its best one when None.
        environment: name or folder of the environment; where the run or the zip says it when None.

    Raises:
        UsageError: there is no such policy, or its environment is not here.
    """
    path = expanded(text)
    if path.suffix != ".zip":
        return _of_run(find_run(text, runs), candidate, environment)
    if candidate is not None:
        raise UsageError(f"{path} is one policy and has no candidates.", "Leave --candidate out.")
    if not path.is_file():
        raise UsageError(f"There is no file {path}.", "Give a run, or the zip of a policy.")
    owner = next((p for p in path.resolve().parents if (p / DATABASE).is_file()), None)
    if owner is not None:
        folder = path.resolve().parent
        if folder == owner / "best":
            return _of_run(owner, None, environment)
        if folder.parent == owner / "candidates" and folder.name.isdigit():
            return _of_run(owner, int(folder.name), environment)
    found = _environment([environment] if environment else [_environment_beside(path)])
    return Policy(path.name, path, found, found.fitness_path)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dict in a zip of stable-baselines3; nothing else of it is read or run.

    Raises:
        UsageError: the file holds no policy of this kind.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            packed = io.BytesIO(archive.read("policy.pth"))
        weights: Mapping[str, Any] = torch.load(packed, map_location="cpu", weights_only=True)
        missing = [name for name in NEEDED if not isinstance(weights.get(name), Tensor)]
    except (OSError, KeyError, EOFError, ValueError, AttributeError, RuntimeError) as error:
        raise _no_policy(path, str(error)) from error
    except (zipfile.BadZipFile, pickle.UnpicklingError) as error:
        raise _no_policy(path, str(error).splitlines()[0]) from error
    if missing:
        raise _no_policy(path, f"it has no {missing[0]}")
    return {name: value.float() for name, value in weights.items()}


def _no_policy(path: Path, reason: str) -> UsageError:
    return UsageError(
        f"{path} holds no policy that can be played: {reason}.",
        "Give a zip that a search or a training of this program wrote.",
    )


def _of_run(path: Path, candidate: int | None, environment: str | None) -> Policy:
    with RunReader.open(path) as run:
        row = run.row()
        number = candidate if candidate is not None else row.best_candidate
        if number is None:
            raise UsageError(
                f"Run {run.name} has no best candidate yet.", "Name one with --candidate N."
            )
        program = run.candidate(number).text
        folder = run.path / "best" if candidate is None else run.candidate_folder(number)
        title = f"{run.name} #{number}"
    zipped = folder / "policy.zip"
    if not zipped.is_file():
        raise UsageError(
            f"{title} has no policy: there is no file {zipped}.",
            "Only candidates that trained to the end have one: eureka-agent show tells which.",
        )
    found = _environment(
        [environment] if environment else [row.environment_source, row.environment]
    )
    own = run.path / OWN_FITNESS
    config = row.config
    return Policy(
        title,
        zipped,
        found,
        (own if own.is_file() else found.fitness_path) if run.measured else None,
        program,
        int(config.get("seed", row.seed)),
        int(config.get("reporting_episodes", EPISODES)),
        int(config.get("candidates", 1)),
        # A run may come from elsewhere: it can ask for more care here, never for less.
        "required" if config.get("sandbox") == "required" else "auto",
    )


def _environment(sources: list[str]) -> Environment:
    """The first of these that is here: of a run from another machine only the name may be."""
    for source in sources[:-1]:
        try:
            return find_environment(source)
        except UsageError:
            continue
    try:
        return find_environment(sources[-1])
    except UsageError as error:
        remedy = f"{error.remedy} Or say where the environment is, with --env.".strip()
        raise UsageError(error.message, remedy) from error


def _environment_beside(path: Path) -> str:
    """What the JSON file beside a zip says."""
    beside = path.with_suffix(".json")
    try:
        return str(json.loads(beside.read_text(encoding="utf-8"))["environment"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"Nothing says which environment {path} was trained in: {beside} is not there, or "
            "does not tell.",
            "Name it with --env ENV.",
        ) from error
