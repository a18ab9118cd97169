"""Odd environments are read where possible; other faults are named with a cure."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple
from support import command, run

from eureka_agent.common.errors import EnvironmentFailed, EurekaError, MissingError, UsageError
from eureka_agent.config import SearchConfig
from eureka_agent.environment import Worlds, find_environment, make_worlds
from eureka_agent.workers.protocol import JobFailed
from eureka_agent.workers.trainer_client import TrainerClient

FILE = Path(__file__).name


class Drift(gymnasium.Env[Any, Any]):
    """A point that drifts; each subclass does one odd thing."""

    def __init__(self, **spaces: Any) -> None:
        self.observation_space = spaces.get("seen", Box(-9.0, 9.0, (2,)))
        self.action_space = spaces.get("done", Box(-1.0, 1.0, (1,)))

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.place = self.np_random.uniform(-1, 1, 2)
        return self.place, {}

    def step(self, action: np.ndarray) -> Any:
        self.place = self.place + 0.1 * action[0]
        return self.place, -1.0, False, False, {}


class OldReset(Drift):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return super().reset(seed=seed)[0].tolist()


class OldStep(Drift):
    def step(self, action: np.ndarray) -> Any:
        return self.place, -1.0, np.array([True]), {"TimeLimit.truncated": False}


class ArrayReward(Drift):
    def step(self, action: np.ndarray) -> Any:
        print("a word on stdout")
        return self.place, np.array([[-1.0]]), np.bool_(False), 0, None


class Unending(Drift):
    def close(self) -> None:
        raise RuntimeError("It does not close.")


class ManyRewards(Drift):
    def step(self, action: np.ndarray) -> Any:
        return self.place, np.zeros(3), False, False, {}


class NoReward(Drift):
    def step(self, action: np.ndarray) -> Any:
        return self.place, None, False, False, {}


class Texts(Drift):
    def step(self, action: np.ndarray) -> Any:
        return np.array(["a", "b"]), -1.0, False, False, {}


class Listed(Drift):
    def step(self, action: np.ndarray) -> Any:
        return list(super().step(action))


class Untold(Drift):
    def step(self, action: np.ndarray) -> Any:
        class Mute(Exception):
            def __str__(self) -> str:
                raise RuntimeError

        raise Mute


class Foreign:
    """Of old Gym: of no class that Gymnasium knows."""


class Grows(Drift):
    def step(self, action: np.ndarray) -> Any:
        return np.zeros(3), -1.0, False, False, {}


class ThreeValues(Drift):
    def step(self, action: np.ndarray) -> Any:
        return self.place, -1.0, False


class ManyEnds(Drift):
    def step(self, action: np.ndarray) -> Any:
        return self.place, -1.0, np.array([False, True]), False, {}


class NoNumber(Drift):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return np.array([np.nan, 0.0]), {}


class NoSeed(Drift):
    def reset(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return np.zeros(2), {}


class Leaves(Drift):
    def step(self, action: np.ndarray) -> Any:
        sys.exit(3)


class Bare(Drift):
    def __init__(self) -> None:
        pass


class Needy(Drift):
    def __init__(self, size: int) -> None:
        super().__init__()


class Unmade(Drift):
    def __init__(self) -> None:
        raise RuntimeError("No floor.")


class Lacking(Drift):
    def __init__(self) -> None:
        import no_such_package  # noqa: F401  # pyright: ignore[reportMissingImports]


HABITS: tuple[type[Drift], ...] = (
    *(OldReset, OldStep, ArrayReward, Unending, ManyRewards, NoReward, Grows, ThreeValues),
    *(Texts, Listed, Untold),
    *(ManyEnds, NoNumber, NoSeed, Leaves, Bare, Needy, Unmade, Lacking),
)
KINDS: dict[str, tuple[type[Drift], dict[str, Any]]] = {
    **{kind.__name__: (kind, {}) for kind in HABITS},
    "Foreign": (cast(Any, Foreign), {}),
    "SeenDict": (Drift, {"seen": Dict({"a": Box(0, 1, (2,))})}),
    "SeenTuple": (Drift, {"seen": Tuple((Discrete(2),))}),
    "SeenNumber": (Drift, {"seen": Discrete(3)}),
    "DoneBits": (Drift, {"done": MultiBinary(3)}),
    "DoneChoices": (Drift, {"done": MultiDiscrete([2, 3])}),
}


@pytest.fixture(autouse=True, scope="module")
def registered() -> Iterator[None]:
    """All of them, as Gymnasium knows them."""
    for name, (kind, spaces) in KINDS.items():
        gymnasium.register(f"habits/{name}-v0", kind, max_episode_steps=10, kwargs=spaces)
    yield
    for name in KINDS:
        del gymnasium.registry[f"habits/{name}-v0"]


def worlds_of(name: str) -> Worlds:
    worlds = make_worlds(find_environment(f"gymnasium:habits/{name}-v0"), 2)
    worlds.try_out()
    return worlds


@pytest.mark.parametrize("name", ["OldReset", "OldStep", "ArrayReward", "Unending"])
def test_odd_return_values_are_read(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    worlds = worlds_of(name)
    step = worlds.step(torch.zeros(2, 1))
    assert worlds.layout.read(step.after, "own_score").tolist() == [-1.0, -1.0]
    assert step.terminated.tolist() == [name == "OldStep"] * 2
    assert capsys.readouterr().out == ""  # what it prints is no part of what this program says


@pytest.mark.parametrize(
    ("name", "said", "cure"),
    [
        ("ManyRewards", r"step of its class ManyRewards .*a reward of shape \(3,\)", "one number"),
        ("NoReward", r"a reward of type NoneType", "one number"),
        ("Texts", r"step of its class Texts .*an observation of texts", "2 numbers"),
        ("Listed", r"step of its class Listed .*a list, not a tuple of five", "terminated"),
        ("Untold", r"Mute: \(a text that cannot be made: RuntimeError\)", "fix it"),
        ("Foreign", r"must inherit from the gymnasium.Env class", "Derive its class"),
        ("Grows", r"step of its class Grows .*an observation of shape \(3,\)", "2 numbers"),
        ("ThreeValues", r"3 values, not a tuple of five", "terminated, truncated, info"),
        ("ManyEnds", r"a value of shape \(2,\) as terminated", "True or False"),
        ("NoNumber", r"reset of its class NoNumber .*not finite", "numbers"),
        ("NoSeed", "unexpected keyword argument 'seed'", "seed=None, options=None"),
        ("Leaves", rf"step: SystemExit: 3. That is .*{FILE}, line \d+, in Leaves.step", "fix it"),
        ("Bare", "has no attribute 'observation_space'", "fix it"),
        ("Unmade", rf"cannot be made: RuntimeError: No floor. That is .*{FILE}, line", "fix it"),
    ],
)
def test_faults_are_named_with_class_and_file(name: str, said: str, cure: str) -> None:
    with pytest.raises(EnvironmentFailed, match=rf"(?s)habits/{name}-v0.*{said}") as raised:
        worlds_of(name)
    assert cure in raised.value.remedy
    assert "eureka_agent" not in raised.value.message


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("SeenDict", UsageError, "observations .* are Dict.*FlattenObservation"),
        ("SeenTuple", UsageError, "observations .* are Tuple"),
        ("SeenNumber", UsageError, "observations .* are Discrete"),
        ("DoneBits", UsageError, "actions .* are MultiBinary"),
        ("DoneChoices", UsageError, "actions .* are MultiDiscrete"),
        ("Needy", UsageError, r"'size'.*\[arguments\] of a task file"),
        ("Lacking", MissingError, "pip install no_such_package"),
    ],
)
def test_unsupported_spaces_and_arguments_are_refused(
    name: str, kind: type[EurekaError], said: str
) -> None:
    with pytest.raises(kind, match=rf"(?s){said}"):
        worlds_of(name)


MODULE = """
import os, pathlib
import gymnasium, numpy as np
from gymnasium.spaces import Box

class Drift(gymnasium.Env):
    limit = 1_000_000
    late = False
    def __init__(self):
        print("made")
        self.observation_space, self.action_space = Box(-9, 9, (2,)), Box(-1, 1, (1,))
        self.steps = 0
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if self.late:
            pathlib.Path(__file__).read_text()
        self.place = self.np_random.uniform(-1, 1, 2)
        return self.place, {}
    def step(self, action):
        self.steps += 1
        if self.steps > self.limit:
            os._exit(7)
        self.place = np.clip(self.place + 0.1 * action[0], -9, 9)
        return self.place, -float(abs(self.place).sum()), False, False, {}

class Ends(Drift):
    limit = 150  # more than a sample of transitions takes, less than a training run

class Late(Drift):
    late = True

for kind in (Drift, Ends, Late):
    gymnasium.register(f"{kind.__name__}-v0", kind, max_episode_steps=20)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder, with modules that register environments, or fail to."""
    (tmp_path / "my_drifts.py").write_text(MODULE)
    (tmp_path / "broken_drifts.py").write_text("import no_such_package\n")
    (tmp_path / "unfinished_drifts.py").write_text("x = (\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("my_drifts", None)


def test_a_module_in_the_working_folder_is_found_and_its_prints_break_no_document(
    home: Path,
) -> None:
    done = run("envs", "gymnasium:my_drifts:Drift-v0", "--json", cwd=home)
    assert done.returncode == 0, done.stderr
    (entry,) = json.loads(done.stdout)
    assert entry["name"] == "gymnasium:my_drifts:Drift-v0"


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("no_drifts:Drift-v0", UsageError, "(?s)no module 'no_drifts'.*PYTHONPATH"),
        ("broken_drifts:Drift-v0", MissingError, "(?s)needs the package no_such.*pip install no_s"),
        ("unfinished_drifts:Drift-v0", EnvironmentFailed, "SyntaxError.*unfinished_drifts.py, li"),
        ("my:drifts:Drift-v0", UsageError, "two colons"),
        ("no name!", UsageError, "Malformed"),
    ],
)
def test_a_module_that_registers_nothing_is_named_with_the_reason(
    home: Path, name: str, kind: type[EurekaError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        find_environment(f"gymnasium:{name}")


@pytest.mark.slow
def test_a_failure_under_the_lock_down_is_reported_before_training(home: Path) -> None:
    environment = find_environment("gymnasium:my_drifts:Late-v0")
    config = SearchConfig(candidates=1, worlds=2, steps=64, threads=1)
    said = r"my_drifts.py, line \d+, in Drift.reset. The process that trains is locked.*__init__"
    with pytest.raises(JobFailed, match=said), TrainerClient(environment, config, None):
        pass


@pytest.mark.long
def test_a_search_stops_where_the_environment_ends_every_worker(home: Path) -> None:
    words = ["search", "gymnasium:my_drifts:Ends-v0", "--candidates", "1", "--generations", "1"]
    words = command(*words, "--steps", "512", "--set", "worlds=2", "--plain")
    done = subprocess.run(words, capture_output=True, text=True, cwd=home)
    assert done.returncode == 1
    said = "my_drifts:Ends-v0 ended 2 workers in a row, and no reward program was running"
    assert said in done.stderr
    assert "exit status 7" in done.stderr
    assert "Traceback" not in done.stderr
