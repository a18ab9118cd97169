"""Find the policy that a user names, with everything that playing it takes."""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from eureka_agent.common.errors import UsageError
from eureka_agent.common.paths import expanded
from eureka_agent.environment import Environment, find_environment
from eureka_agent.store import RunReader, find_run
from eureka_agent.store.folder import DATABASE, is_plain, open_plain, read_plain
from eureka_agent.store.trust import OWN_FITNESS, Agrees, by_name

EPISODES = 16
"""Reporting episodes of a policy that belongs to no run."""
MOST_BYTES = 256 << 20
"""Bytes of a policy's weights."""
MOST_NUMBERS = MOST_BYTES // 4
MOST_PICKLE = 1 << 20
"""Bytes of the pickle that lists the names of the weights."""
MOST_EPISODES, MOST_LANES = 10_000, 1_024
LARGEST_CONTROL = 1 << 20
"""Bytes of the file beside a zip."""
NEEDED = ("log_std", "action_net.weight", "mlp_extractor.policy_net.0.weight", "value_net.weight")


@dataclass(frozen=True)
class Policy:
    """A trained policy with all that playing it takes.

    Attributes:
        title: its name for people.
        path: its zip.
        environment: the task that it was trained on.
        fitness: the file that measures the task; None where none does.
        program: text of the reward program that trained it; None if unknown.
        seed: of the reporting episodes.
        episodes: number of reporting episodes.
        lanes: policies that its run's judge plays side by side; results depend on it bit for bit.
        sandbox: the least isolation that the program needs.
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
    text: str,
    runs: Path,
    candidate: int | None = None,
    environment: str | None = None,
    agrees: Agrees | None = None,
) -> Policy:
    """Find the policy that `text` names: a run's best one, a candidate's, or the one in a zip.

    Args:
        text: as `find_run` takes it, or the path of a zip.
        runs: where runs are kept.
        candidate: number of a candidate of the run; its best one when None.
        environment: name or folder of the environment; from the run or beside the zip when None.
        agrees: asks the user about a run that was not made here; None where asking is impossible.

    Raises:
        UsageError: there is no such policy, its environment is not here, or its run was not made
            here and the user does not agree to running its code.
    """
    path = expanded(text)
    if path.suffix != ".zip":
        return _of_run(find_run(text, runs), candidate, environment, agrees)
    if candidate is not None:
        raise UsageError(f"{path} is one policy and has no candidates.", "Leave --candidate out.")
    if not path.is_file():
        raise UsageError(f"There is no file {path}.", "Give a run, or the zip of a policy.")
    owner = next((p for p in path.resolve().parents if (p / DATABASE).is_file()), None)
    if owner is not None:
        folder = path.resolve().parent
        if folder == owner / "best":
            return _of_run(owner, None, environment, agrees)
        if folder.parent == owner / "candidates" and folder.name.isdigit():
            return _of_run(owner, int(folder.name), environment, agrees)
    found = _environment([environment] if environment else [_environment_beside(path)])
    return Policy(path.name, path, found, found.fitness_path)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dict in a stable-baselines3 zip; nothing else in it is read or run.

    Raises:
        UsageError: the file holds no policy of this kind, or more bytes than any policy.
    """
    try:
        with open_plain(path) as file, zipfile.ZipFile(file) as archive:
            packed = _unpacked(archive)
        with zipfile.ZipFile(io.BytesIO(packed)) as inner:
            _require_small(inner)
        weights: Mapping[str, Any] = torch.load(
            io.BytesIO(packed), map_location="cpu", weights_only=True
        )
        found = {
            name: value
            for name, value in weights.items()
            if isinstance(name, str) and isinstance(value, Tensor)
        }
    except zipfile.BadZipFile as error:
        raise _no_policy(path, str(error)) from error
    except Exception as error:  # a foreign file makes torch raise anything
        raise _no_policy(path, (str(error).splitlines() or [type(error).__name__])[0]) from error
    missing = [name for name in NEEDED if name not in found]
    if missing:
        raise _no_policy(path, f"it has no {missing[0]}")
    for name, value in found.items():
        dense = value.layout == torch.strided and value.dtype.is_floating_point
        if not dense or value.numel() > MOST_NUMBERS or value.ndim not in (1, 2):
            raise _no_policy(path, f"its {name} is not a matrix of a policy")
        if not value.isfinite().all():
            raise _no_policy(path, f"its {name} holds numbers that are not finite")
    odd = _odd_layer(found)
    if odd:
        raise _no_policy(path, f"its {odd} does not fit the rest")
    return {name: value.float() for name, value in found.items()}


def _odd_layer(weights: Mapping[str, Tensor]) -> str:
    """The first layer that is missing or does not take what the one before gives; else empty."""
    depth = sum(name.startswith("mlp_extractor.policy_net.") for name in weights) // 2
    nothing = torch.empty(0)
    for hidden, last in (("policy_net", "action_net"), ("value_net", "value_net")):
        width = weights[NEEDED[2]].shape[-1]
        for name in (*(f"mlp_extractor.{hidden}.{2 * i}" for i in range(depth)), last):
            weight = weights.get(f"{name}.weight", nothing)
            bias = weights.get(f"{name}.bias", nothing)
            if weight.ndim != 2 or weight.shape[1] != width or bias.shape != weight.shape[:1]:
                return name
            width = len(weight)
    return "" if weights["log_std"].shape == weights["action_net.bias"].shape else "log_std"


def _unpacked(archive: zipfile.ZipFile) -> bytes:
    """The weights of an archive, unpacked only if they are small enough."""
    size = archive.getinfo("policy.pth").file_size  # more than this is never unpacked
    if size > MOST_BYTES:
        raise ValueError(f"its policy.pth unpacks to {size:,} bytes")
    return archive.read("policy.pth")


def _require_small(archive: zipfile.ZipFile) -> None:
    """Refuse weights that unpack to more bytes than any policy has."""
    entries = archive.infolist()
    pickles = sum(entry.file_size for entry in entries if entry.filename.endswith(".pkl"))
    if sum(entry.file_size for entry in entries) > MOST_BYTES or pickles > MOST_PICKLE:
        raise ValueError("its weights unpack to more bytes than any policy has")


def _no_policy(path: Path, reason: str) -> UsageError:
    return UsageError(
        f"{path} holds no policy that can be played: {reason}.",
        "Give a zip that `search` or `train` of this program wrote.",
    )


def _of_run(
    path: Path, candidate: int | None, environment: str | None, agrees: Agrees | None
) -> Policy:
    with RunReader.open(path) as run:
        run.require_trust(agrees, environment=environment is None)
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
    if not is_plain(zipped, path):
        raise UsageError(
            f"{title} has no policy: there is no file {zipped}.",
            "Only candidates that trained to the end have one: eureka-agent show lists them.",
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
        _whole(config, "seed", row.seed, 2**63 - 1),
        _whole(config, "reporting_episodes", EPISODES, MOST_EPISODES),
        _whole(config, "candidates", 1, MOST_LANES),
        # A run may come from elsewhere: it can ask for more care here, never for less.
        "required" if config.get("sandbox") == "required" else "auto",
    )


def _whole(config: Mapping[str, Any], name: str, default: int, most: int) -> int:
    """A whole number of a run's configuration.

    Raises:
        UsageError: it is not a whole number, or out of bounds.
    """
    value = config.get(name, default)
    if type(value) is not int or not 0 <= value <= most:
        raise UsageError(
            f"The run's setting {name} is {value!r:.40}.", f"It must be from 0 to {most}."
        )
    return value


def _environment(sources: list[str]) -> Environment:
    """The first of these that is found: the path in a run from another machine may not exist."""
    for source in sources[:-1]:
        try:
            return find_environment(source)
        except UsageError:
            continue
    try:
        return find_environment(sources[-1])
    except UsageError as error:
        remedy = f"{error.remedy} Or name the environment with --env.".strip()
        raise UsageError(error.message, remedy) from error


def _environment_beside(path: Path) -> str:
    """The environment that the JSON file beside a zip names."""
    beside = path.with_suffix(".json")
    try:
        said = json.loads(read_plain(beside, LARGEST_CONTROL))["environment"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(
            f"The environment of {path} is unknown: {beside} is missing, or does not name it.",
            "Name it with --env ENV.",
        ) from error
    if not isinstance(said, str) or not by_name(said):
        raise UsageError(
            f"{beside} says that {path.name} was trained in {said!r:.100}, which may be code from "
            "elsewhere.",
            "Read it; if you want it to run, name it with --env ENV.",
        )
    return said
