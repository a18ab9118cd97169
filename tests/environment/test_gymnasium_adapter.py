"""Gymnasium environments behave as in Gymnasium, and as environments of this program."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from support import command

from eureka_agent.cli.catalogue import environments_document
from eureka_agent.common.errors import MissingError, UsageError
from eureka_agent.config import SearchConfig
from eureka_agent.environment import (
    Environment,
    Episodes,
    Worlds,
    find_environment,
    load_fitness,
    make_worlds,
    mix,
    pools,
)
from eureka_agent.environment.gymnasium_task import FOLDER, read_task
from eureka_agent.reward import RewardRejected, parse
from eureka_agent.store import RunReader, find_run
from eureka_agent.workers.trainer_client import TrainerClient

WALK = "tests/Walk-v0"
LIMIT = 6


class Walk(gymnasium.Env[np.ndarray, np.ndarray]):
    """A walk along a line that ends beyond 2; its info says the place, and nothing that is bad."""

    def __init__(
        self,
        observation: gymnasium.Space[Any] | None = None,
        action: gymnasium.Space[Any] | None = None,
        trouble: str = "",
    ) -> None:
        self.observation_space = observation or Box(-np.inf, np.inf, (2,))
        self.action_space = action or Box(-1.0, 3.0, (1,))
        self.trouble = trouble

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.place = self.np_random.uniform(-0.1, 0.1)
        self.steps = 0
        return self._seen(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.place += float(action[0])
        self.steps += 1
        if self.trouble == "nan" and self.steps == 2:
            self.place = np.nan
        cut = self.trouble == "cut" and self.steps == 2
        return self._seen(), -0.5, self.place > 2.0, cut, {"place": self.place, "who": "me"}

    def _seen(self) -> np.ndarray:
        return np.array([self.place, self.steps], dtype=np.float32)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Kinds of walks that Gymnasium knows for the time of a test."""
    kinds: dict[str, dict[str, Any]] = {
        WALK: {},
        "tests/Nan-v0": {"trouble": "nan"},
        "tests/Cut-v0": {"trouble": "cut"},
        "tests/Image-v0": {"observation": Box(0, 255, (8, 8, 3), np.uint8)},
        "tests/Unbounded-v0": {"action": Box(-np.inf, np.inf, (1,))},
    }
    for name, arguments in kinds.items():
        gymnasium.register(name, Walk, max_episode_steps=LIMIT, kwargs=arguments)
    gymnasium.register("tests/Endless-v0", Walk)
    yield
    for name in (*kinds, "tests/Endless-v0"):
        del gymnasium.registry[name]


def started(environment: Environment, n: int, seed: int = 0, age: int = 0) -> Worlds:
    worlds = make_worlds(environment, n)
    ages = torch.full((n,), age)
    worlds.start(slice(0, n), pools.streams(pools.TRAINING, seed, n), ages)
    return worlds


def write(folder: Path, text: str) -> str:
    path = folder / "walk.toml"
    path.write_text(f'id = "{WALK}"\n{text}')
    return f"gymnasium:{path}"


def test_its_steps_are_gymnasiums() -> None:
    environment = find_environment("gymnasium:Pendulum-v1")
    worlds, stream = started(environment, 1), pools.streams(pools.TRAINING, 0, 1)
    peer = gymnasium.make("Pendulum-v1")
    seen, _ = peer.reset(seed=int(mix(stream, 0)) & 0x7FFFFFFF)
    generator = torch.Generator().manual_seed(0)
    for t in range(environment.episode_steps):
        assert worlds.observation[0].numpy() == pytest.approx(seen)
        action = torch.rand(1, 1, generator=generator) * 2 - 1
        step = worlds.step(action)
        seen, paid, _, truncated, _ = peer.step(2.0 * action[0].numpy())
        assert step.final_observation[0].numpy() == pytest.approx(seen)
        assert worlds.layout.read(step.after, "own_score").item() == pytest.approx(float(paid))
        assert bool(step.truncated) == truncated == (t == environment.episode_steps - 1)


def test_a_world_does_not_depend_on_its_neighbours() -> None:
    environment = find_environment("gymnasium:Pendulum-v1")
    alone, among = started(environment, 1), started(environment, 3)
    among.stop(slice(1, 2))
    for t in range(3):
        action = torch.full((3, 1), 0.3 * t)
        assert torch.equal(alone.step(action[:1]).after, among.step(action).after[:1])


def test_the_actions_minus_one_and_one_are_the_bounds() -> None:
    worlds = started(find_environment(f"gymnasium:{WALK}"), 2)
    before = worlds.observation[:, 0]
    after = worlds.step(torch.tensor([[-1.0], [1.0]])).final_observation[:, 0]
    assert (after - before).tolist() == pytest.approx([-1.0, 3.0])


def test_episodes_end_where_it_says_and_begin_anew_differently() -> None:
    worlds = started(find_environment(f"gymnasium:{WALK}"), 2)
    first = worlds.observation.clone()
    step = worlds.step(torch.tensor([[1.0], [-0.5]]))
    assert step.terminated.tolist() == [True, False]
    assert not step.truncated.any()
    assert worlds.observation[0, 1] == 0
    assert worlds.observation[0, 0] != first[0, 0]
    assert worlds.step(torch.zeros(2, 1)).fresh.tolist() == [True, False]


def test_the_time_limit_counts_the_age_that_an_episode_began_with() -> None:
    worlds = started(find_environment(f"gymnasium:{WALK}"), 1, age=LIMIT - 2)
    rest = torch.full((1, 1), -0.5)
    assert [worlds.step(rest).truncated.item() for _ in range(3)] == [False, True, False]


def test_stopped_worlds_stand_still() -> None:
    worlds = started(find_environment(f"gymnasium:{WALK}"), 2)
    worlds.stop(slice(1, 2))
    before = worlds.signals
    after = worlds.step(torch.zeros(2, 1)).after
    assert not torch.equal(after[0], before[0])
    assert torch.equal(after[1], before[1])


def test_an_episode_cut_before_the_time_limit_counts_as_terminated() -> None:
    worlds = started(find_environment("gymnasium:tests/Cut-v0"), 1)
    rest = torch.full((1, 1), -0.5)
    steps = [worlds.step(rest) for _ in range(2)]
    assert [step.terminated.item() for step in steps] == [False, True]


def test_numbers_that_are_not_finite_are_a_divergence() -> None:
    worlds = started(find_environment("gymnasium:tests/Nan-v0"), 1)
    rest = torch.full((1, 1), -0.5)
    good, bad = (worlds.step(rest) for _ in range(2))
    assert (bad.diverged.item(), bad.terminated.item()) == (True, True)
    assert torch.equal(bad.after, good.after)
    assert worlds.signals.isfinite().all()


def test_neither_programs_nor_prompts_see_its_own_reward() -> None:
    environment = find_environment("gymnasium:Pendulum-v1")
    program = (
        '"""Peek."""\nWEIGHTS = {"a": 1.0}\n\ndef compute_reward(own_score):\n'
        '    return {"a": own_score}\n'
    )
    with pytest.raises(RewardRejected, match="own_score"):
        parse(program, environment.signals_described)
    assert "own_score" not in str(environment.describe())
    assert environment.describe().source == ""
    assert environment.human_reward_path is None


def measured(environment: Environment, action: float) -> tuple[float, list[float]]:
    """The fitness of an episode, and the scores of its steps."""
    worlds, fitness = started(environment, 1), load_fitness(environment.fitness_path)
    states = [worlds.signals]
    step = worlds.step(torch.full((1, 1), action))
    while not (step.terminated | step.truncated):
        states.append(step.after)
        step = worlds.step(torch.full((1, 1), action))
    states.append(step.after)
    length = len(states) - 1
    states += [torch.full_like(states[0], 99.0)] * (LIMIT + 1 - len(states))
    episodes = Episodes(
        torch.stack(states),
        torch.zeros(LIMIT, 1, 1),
        torch.tensor([length]),
        step.terminated,
    )
    arguments = episodes.arguments(worlds.layout, fitness.parameters)
    steps = fitness(arguments).total.view(LIMIT, 1)
    scores = worlds.layout.read(episodes.states[1 : length + 1, 0], "own_score").tolist()
    return fitness.episode(steps, episodes.lengths).item(), scores


@pytest.mark.parametrize("action", [-0.5, 0.25])
def test_the_fitness_is_the_sum_of_its_own_rewards_until_the_end(action: float) -> None:
    value, scores = measured(find_environment(f"gymnasium:{WALK}"), action)
    assert value == pytest.approx(-0.5 * len(scores))
    assert len(scores) == (LIMIT if action == -0.5 else 2)


@pytest.mark.parametrize("action", [-0.5, 0.25])
def test_the_fitness_can_be_the_last_value_of_an_entry_of_info(
    tmp_path: Path, action: float
) -> None:
    environment = find_environment(write(tmp_path, 'info = "place"\nreduce = "last"'))
    value, scores = measured(environment, action)
    assert value == pytest.approx(scores[-1], abs=1e-5)


def test_a_missing_entry_of_info_is_named(tmp_path: Path) -> None:
    worlds = started(find_environment(write(tmp_path, 'info = "distance"')), 1)
    with pytest.raises(UsageError, match="distance") as raised:
        worlds.step(torch.zeros(1, 1))
    assert "place" in raised.value.remedy


def test_a_task_file_names_signals_and_leaves_the_rest_numbered(tmp_path: Path) -> None:
    signals = '[[signals]]\nname = "place"\nunit = "m"\nkind = "position"\nmeaning = "The place"\n'
    source = write(tmp_path, f'task = "Go."\nepisode_steps = 3\n[training]\nworlds = 2\n{signals}')
    environment = find_environment(source)
    place, rest = environment.signals_described
    assert (place.name, place.unit, place.kind) == ("place", "m", "position")
    assert rest.name == "observation_1"
    assert (environment.task, environment.episode_steps, environment.open_goal) == ("Go.", 3, False)
    assert environment.training.worlds == 2
    assert find_environment(environment.source).describe() == environment.describe()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("goal = 1", "goal"),
        ("[training]\nworld = 2", "world"),
        ('[training]\nworlds = "many"', "worlds"),
        ('[[signals]]\nname = "own_score"\nmeaning = "x"', "own_score"),
        ('[[signals]]\nname = "max_place"\nmeaning = "x"', "max_place"),
        ('[[signals]]\nname = "a"\nmeaning = "x"\nsize = 3', "3 columns"),
        ('[[signals]]\nname = "a"\nmeaning = "x"\nkind = "colour"', "kind"),
        ('[[signals]]\nname = "a"\nmeaning = "x"\nsize = 2\naxes = ["one"]', "axes"),
        ('actions = ["left", "right"]', "actions"),
        ("not toml", "cannot be read"),
    ],
)
def test_errors_of_a_task_file_are_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        find_environment(write(tmp_path, text))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tests/Image-v0", r"observations .* shape \(8, 8, 3\)"),
        ("tests/Unbounded-v0", "no bounds"),
        ("tests/Endless-v0", "no time limit.*episode_steps"),
        ("NoSuchThing-v0", "does not know 'NoSuchThing-v0'"),
    ],
)
def test_unusable_environments_are_refused_with_the_reason(name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        find_environment(f"gymnasium:{name}")


@pytest.mark.parametrize(
    ("name", "said", "cure"),
    [
        ("Taxi-v3", "deprecated", "version"),
        ("../x-v0", "Malformed", "gymnasium:ID"),
        ("no_such.py:Thing-v0", "no module", "gymnasium:no_such:Thing-v0"),
        ("Ant-v2", "gymnasium-robotics", "newer version"),
    ],
)
def test_gymnasiums_refusals_come_with_a_cure(name: str, said: str, cure: str) -> None:
    with pytest.raises((UsageError, MissingError), match=said) as raised:
        find_environment(f"gymnasium:{name}")
    assert cure in raised.value.remedy


@pytest.mark.parametrize("limit", [0, -5, 1.5])
def test_a_time_limit_that_is_not_a_number_of_steps_is_refused(limit: Any) -> None:
    gymnasium.register(
        "tests/Limited-v0", "gymnasium.envs.classic_control:PendulumEnv", max_episode_steps=limit
    )
    try:
        with pytest.raises(UsageError, match=rf"time limit {limit}"):
            find_environment("gymnasium:tests/Limited-v0")
    finally:
        del gymnasium.registry["tests/Limited-v0"]


def test_envs_describes_a_gymnasium_environment() -> None:
    (entry,) = environments_document(["gymnasium:Pendulum-v1"])
    assert entry["path"] == "gymnasium:Pendulum-v1"
    assert entry["published_baselines"] is None
    assert entry["episode_steps"] == 200


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = [name for name in sys.modules if name.startswith("gymnasium.envs.box2d")]
    for name in ("Box2D", *loaded):
        monkeypatch.setitem(sys.modules, name, None)
    for name in loaded:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingError) as raised:
        find_environment("gymnasium:LunarLanderContinuous-v3")
    assert 'pip install "gymnasium[box2d]"' in raised.value.remedy


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_the_packaged_task_files_fit(path: Path) -> None:
    task = read_task(path)
    assert task.id == path.stem
    assert task.task and task.control_step and task.actions
    try:
        environment = find_environment(f"gymnasium:{task.id}")
    except MissingError as error:
        pytest.skip(error.message)
    assert not any(s.name.startswith("observation_") for s in environment.signals_described)


def test_reading_the_state_of_its_worlds_is_refused() -> None:
    worlds = started(find_environment(f"gymnasium:{WALK}"), 1)
    with pytest.raises(UsageError, match="cannot be kept"):
        worlds.state()
    with pytest.raises(UsageError, match="cannot be kept"):
        worlds.restore({})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "trainer"), [("Pendulum-v1", "population"), ("HalfCheetah-v5", "sb3")]
)
def test_a_locked_worker_trains_on_it(name: str, trainer: str) -> None:
    if name.startswith("Half"):
        pytest.importorskip("imageio", reason="Gymnasium's MuJoCo environments import it")
    environment = find_environment(f"gymnasium:{name}")
    signal = environment.signals_described[0].name
    column = "[:, 0]" if environment.signals_described[0].size else ""
    program = (
        f'"""Go."""\nWEIGHTS = {{"a": 1.0}}\n\ndef compute_reward({signal}):\n'
        f'    return {{"a": {signal}{column}}}\n'
    )
    lanes = 1 if trainer == "sb3" else 2
    config = SearchConfig(candidates=lanes, worlds=2, steps=256, threads=1, trainer=trainer)
    with TrainerClient(environment, config, None) as worker:
        for lane in range(lanes):
            worker.load(lane, program, seed=1)
        reports = worker.advance(256, lambda done: None)
        assert [report.evicted for report in reports.values()] == [None] * lanes
        assert worker.weights([0])[0]["action_net.weight"].isfinite().all()
    if trainer == "population":
        with TrainerClient(environment, config, environment.fitness_path) as worker:
            worker.load(0, None, seed=1)
            assert worker.advance(128, lambda done: None)[0].evicted is None


@pytest.mark.long
def test_a_search_finishes_and_continues_with_the_users_own_goal(tmp_path: Path) -> None:
    path, runs = tmp_path / "short.toml", tmp_path / "runs"
    path.write_text('id = "Pendulum-v1"\nepisode_steps = 20\n')
    small = {"worlds": 4, "checkpoints": 1, "ranking_episodes": 1, "reporting_episodes": 1}
    words = ["search", f"gymnasium:{path}", "--goal", "Hang still.", "--generations", "1"]
    words += ["--candidates", "2", "--steps", "256", "--plain", "--runs", str(runs)]
    words += [f"--set={name}={value}" for name, value in (small | {"retrainings": 0}).items()]
    for again in (
        words,
        ["resume", "latest", "--generations", "1", "--plain", "--runs", str(runs)],
    ):
        done = subprocess.run(command(*again), capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    with RunReader.open(find_run("latest", runs)) as run:
        assert run.row().goal == "Hang still."
        assert run.row().environment_source == f"gymnasium:{path}"
        assert [row.generation for row in run.candidates()] == [0, 0, 1, 1]
        reflections = [row.reflection or "" for row in run.candidates()]
        assert "observation_2" in reflections[0]
        assert "own_score" not in "".join(reflections)
        assert run.status() == "finished"
        assert (run.path / "best" / "policy.zip").is_file()
