"""The judge's verdict depends on the policy and the fitness, and on nothing else."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from sledge import policy, sledge

from eureka_agent.common.errors import UsageError
from eureka_agent.environment import Environment, pools
from eureka_agent.workers.judge_server import JudgeServer
from eureka_agent.workers.protocol import ActiveLaneReader, ActiveLaneWriter, Message
from eureka_agent.workers.serve import Reporter

LANES, EPISODES = 3, 16
Policy = dict[str, torch.Tensor]


@pytest.fixture
def reporter(tmp_path: Path) -> Reporter:
    path = tmp_path / "blame"
    ActiveLaneReader(path).close()
    return Reporter(io.BytesIO(), ActiveLaneWriter(path))


def opened(environment: Environment, reporter: Reporter) -> JudgeServer:
    judge = JudgeServer()
    fields = {
        "environment": str(environment.folder),
        "fitness": str(environment.fitness_path),
        "lanes": LANES,
        "threads": 1,
    }
    judge.open(Message("open", fields), reporter)
    return judge


def judged(judge: JudgeServer, reporter: Reporter, policies: list[Policy]) -> dict[str, np.ndarray]:
    arrays = {f"{p}/{n}": v.numpy() for p, held in enumerate(policies) for n, v in held.items()}
    fields = {
        "policies": len(policies),
        "episodes": EPISODES,
        "pool": pools.RANKING,
        "seed": 3,
    }
    return judge.judge(Message("judge", fields, arrays), reporter).arrays


def test_a_policy_is_worth_the_same_whatever_is_judged_beside_it(
    tmp_path: Path, reporter: Reporter
) -> None:
    environment = sledge(tmp_path / "sledge")
    judge = opened(environment, reporter)
    one, two, three = (policy(environment, seed, 0.3 * seed) for seed in (1, 0, 2))
    alone = judged(judge, reporter, [one])
    for beside, place in (([one, two], 0), ([two, one], 1), ([two, three, one], 2)):
        together = judged(judge, reporter, beside)
        assert np.array_equal(together["fitness"][place], alone["fitness"][0])
        lengths = alone["0/lengths"]
        assert np.array_equal(together[f"{place}/lengths"], lengths)
        for e, length in enumerate(lengths):
            for name in ("states", "actions"):
                ours, theirs = together[f"{place}/{name}"], alone[f"0/{name}"]
                assert np.array_equal(ours[:length, e], theirs[:length, e])
    assert len(set(alone["0/lengths"])) > 1  # some end early, at different steps


def test_progress_is_measured_beside_the_fitness_and_the_range_is_reported(
    tmp_path: Path, reporter: Reporter
) -> None:
    text = (
        "REDUCE = 'max'\n\ndef fitness(place): return place > 9.0\n\n"
        "def progress(place):\n    'Place, m.'\n    return place\n"
    )
    environment = sledge(tmp_path / "sledge", fitness=text)
    judge = opened(environment, reporter)
    seen = judged(judge, reporter, [policy(environment, 1, -3.0), policy(environment, 1, 3.0)])
    assert not seen["fitness"].any()
    left, right = seen["progress"].mean(axis=1)
    assert left < 0 < right
    fields = {"environment": str(environment.folder), "lanes": LANES, "threads": 1}
    fields["fitness"] = str(environment.fitness_path)
    said = judge.open(Message("open", fields), reporter).fields
    assert (said["range"], said["progress"]) == ([0.0, 1.0], "Place, m.")
    recorded = {
        name.removeprefix("1/"): value for name, value in seen.items() if name.startswith("1/")
    }
    steps = judge.steps(Message("steps", {}, recorded), reporter).arrays["steps"]
    assert steps.shape == recorded["actions"].shape[:2]
    assert not steps.any()


def test_a_broken_progress_is_named_before_anything_trains(
    tmp_path: Path, reporter: Reporter
) -> None:
    text = (
        "def fitness(place): return place\n\ndef progress(place):\n    'm.'\n    return place.x\n"
    )
    environment = sledge(tmp_path / "sledge", fitness=text)
    with pytest.raises(UsageError, match=r"fitness\.py, line 5, .*AttributeError"):
        opened(environment, reporter)


def test_more_policies_than_lanes_are_refused(tmp_path: Path, reporter: Reporter) -> None:
    environment = sledge(tmp_path / "sledge")
    with pytest.raises(UsageError, match="1 to 3 policies, not 4"):
        judged(opened(environment, reporter), reporter, [policy(environment, 0)] * 4)


def test_a_policy_that_breaks_the_physics_gets_the_worst_fitness(
    tmp_path: Path, reporter: Reporter
) -> None:
    environment = sledge(tmp_path / "sledge", strength=1e12)
    still = {name: torch.zeros_like(value) for name, value in policy(environment, 0).items()}
    reply = judged(opened(environment, reporter), reporter, [still, policy(environment, 0, 9.0)])
    assert reply["diverged"].tolist() == [[False] * EPISODES, [True] * EPISODES]
    assert (reply["fitness"][1] == -1.0).all()
    assert (reply["fitness"][0] > -1.0).all()
    assert reply["1/terminated"].all()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def fitness(place): return place / 0", "not a finite number"),
        ("def fitness(height): return height", "line 1: the fitness reads 'height', which is no"),
        ("def fitness(place): return place.nothing", "AttributeError"),
        ("def fitness(place): return 1.0", "returns 1.0 for 3 rows"),
        ("def fitness(place): return place[:0]", r"returns shape \[0\] for 3 rows"),
        ("def fitness(place): return place.sum()", r"returns shape \[\] for 3 rows"),
        ("\ndef fitness(place):\n    return place[:, 3]", "line 3, cannot be used: IndexError"),
    ],
)
def test_a_broken_fitness_is_named_before_anything_is_judged(
    tmp_path: Path, reporter: Reporter, code: str, said: str
) -> None:
    environment = sledge(tmp_path / "sledge", fitness=code)
    with pytest.raises(UsageError, match=said) as caught:
        opened(environment, reporter)
    assert str(environment.fitness_path) in caught.value.message


def test_without_a_fitness_policies_are_played_and_not_measured(
    tmp_path: Path, reporter: Reporter
) -> None:
    environment = sledge(tmp_path / "sledge", fitness="def broken(")
    judge = JudgeServer()
    fields = {"environment": environment.source, "fitness": None, "lanes": LANES, "threads": 1}
    judge.open(Message("open", fields), reporter)
    reply = judged(judge, reporter, [policy(environment, 0)])
    assert "fitness" not in reply
    assert reply["0/states"].any()


def test_a_fitness_that_overflows_later_is_an_error_and_no_rank(
    tmp_path: Path, reporter: Reporter
) -> None:
    code = "def fitness(place): return (place - 0.25).clamp(max=0.0).log()"
    environment = sledge(tmp_path / "sledge", fitness=code.replace("clamp(max=0.0)", "neg()"))
    judge = opened(environment, reporter)
    with pytest.raises(UsageError, match=r"of 16 episodes is not a finite number"):
        judged(judge, reporter, [policy(environment, 0, 9.0)])
