"""Programs that harm their worker are found out, and the others train on."""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from support import TINY, processes_of, start, tiny_search

from eureka_agent.config import SearchConfig
from eureka_agent.designer.base import PastCandidate, Proposal, RepairRequest
from eureka_agent.search.loop import search
from eureka_agent.search.setup import SearchSetup, new_search
from eureka_agent.search.trainer import EARLY, Checkpoint, Job, Outcome, evaluation_steps
from eureka_agent.store import RunReader

CHILDREN = {"eureka_agent.workers.trainer_server", "eureka_agent.workers.judge_server"}

SOUND = '''"""Keep the pole up."""
WEIGHTS = {"up": 1.0}

def compute_reward(pole_up):
    return {"up": pole_up}
'''
INFINITE = SOUND.replace('{"up": pole_up}', '{"up": 1.0 / (pole_up - pole_up)}')
FORBIDDEN = SOUND.replace("return", "import os\n    return")
# Legal, and far more memory than a worker has: it dies of it, and must be blamed for it.
GREEDY = SOUND.replace(
    '{"up": pole_up}',
    '{"up": pole_up + 0.0 * torch.zeros(1000000, 100000).sum()}',
)


class Scripted:
    """A designer that proposes what the test says."""

    name = "scripted"

    def __init__(self, *texts: str) -> None:
        self._texts = texts

    def propose(self, generation: int, count: int, past: Sequence[PastCandidate]) -> list[Proposal]:
        return [Proposal(text, (), "scripted") for text in self._texts]

    def repair(self, broken: Sequence[RepairRequest]) -> list[Proposal | None]:
        return [None for _ in broken]


def searched(tmp_path: Path, *texts: str) -> RunReader:
    changes = TINY | {"candidates": len(texts), "generations": 1, "retrainings": 0}
    launch = new_search(
        "cartpole", tmp_path, lambda found: SearchConfig.for_environment(found, **changes)
    )
    search(
        SearchSetup(launch.run, launch.environment, launch.config, Scripted(*texts), launch.fitness)
    )
    launch.run.close()
    return RunReader.open(launch.run.path)


def test_judging_takes_a_small_fraction_of_the_steps_and_ends_with_them() -> None:
    for steps in (512, 5_000, 20_000, 200_000):
        config = SearchConfig(steps=steps, checkpoints=10, ranking_episodes=4)
        evaluations = evaluation_steps(config, episode_steps=250)
        assert evaluations[-1] == steps
        assert evaluations == sorted(set(evaluations))
        assert len(evaluations) == 1 or len(evaluations) * 4 * 250 <= 0.15 * steps
    assert len(evaluations) == 10


def test_the_early_checkpoint_is_the_first_past_a_fraction_of_the_run() -> None:
    outcome = Outcome(Job(1, None, 0, "one"))
    checkpoints = [
        Checkpoint(step, own, {}, None) for step, own in ((10, 1.0), (30, 5.0), (60, 2.0))
    ]  # type: ignore[arg-type]
    for checkpoint in checkpoints:
        outcome.keep(checkpoint, steps=100)
    assert EARLY == 0.3
    assert (outcome.early, outcome.best) == (checkpoints[1], checkpoints[1])


def test_bad_programs_fail_alone_with_their_reasons(tmp_path: Path) -> None:
    with searched(tmp_path, SOUND, INFINITE, FORBIDDEN, SOUND + "\n# again\n", GREEDY) as run:
        sound, infinite, forbidden, twin, greedy = run.candidates()
        assert sound.state == "finished"
        assert infinite.state in ("rejected", "failed")
        assert "finite" in (infinite.failure or "")
        assert forbidden.state == "rejected"
        assert forbidden.verdict[0]["line"] == 5
        assert twin.state == "rejected"
        assert "#1" in (twin.failure or "")
        assert greedy.state in ("rejected", "failed")
        assert run.row().best_candidate == sound.id
        # Nothing is retrained here, yet there is a result from the reporting pool.
        assert run.trainings("winner") == []
        assert [t.reporting_fitness is not None for t in run.trainings("candidate", 1)] == [True]


def test_a_key_in_the_environment_reaches_no_child_and_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = b"sk-planted-7f3a"
    runs, temporary = tmp_path / "runs", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("OPENAI_API_KEY", key.decode())
    monkeypatch.setenv("TMPDIR", str(temporary))
    process = start(tiny_search(runs, "--generations=1", "--candidates=1", "--set=retrainings=0"))
    seen: set[str] = set()
    while process.poll() is None:
        time.sleep(0.05)  # children need seconds to start, and a core to do so
        # The option that only a child's command line has: a fork is its parent until it begins.
        for child in processes_of(process.pid, '"module": "eureka_agent.'):
            with suppress(OSError):  # it has ended meanwhile
                assert key not in Path(f"/proc/{child}/environ").read_bytes()
                words = Path(f"/proc/{child}/cmdline").read_bytes()
                assert key not in words
                seen |= {name for name in CHILDREN if name.encode() in words}
        assert_without(key, temporary)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert key.decode() not in output
    assert seen == CHILDREN
    assert (runs / next(runs.iterdir()).name / "best" / "policy.zip").is_file()
    assert_without(key, tmp_path)


def assert_without(key: bytes, folder: Path) -> None:
    for path in folder.rglob("*"):
        with suppress(OSError):  # files come and go
            assert not path.is_file() or key not in path.read_bytes(), path
