"""Programs that harm their worker are found out, and the others train on."""

from pathlib import Path

import pytest
from support import TINY

from eureka_agent.designer import Past, Proposal
from eureka_agent.search import SearchConfig, new_search, search
from eureka_agent.search.launch import Launch
from eureka_agent.store import RunReader

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

    def propose(self, generation: int, count: int, past: list[Past]) -> list[Proposal]:
        return [Proposal(text, (), "scripted") for text in self._texts]


def searched(tmp_path: Path, *texts: str) -> RunReader:
    changes = TINY | {"candidates": len(texts), "generations": 1, "retrainings": 0}
    launch = new_search(
        "cartpole", tmp_path, lambda found: SearchConfig.for_environment(found, **changes)
    )
    search(Launch(launch.run, launch.environment, launch.config, Scripted(*texts), launch.fitness))
    launch.run.close()
    return RunReader.open(launch.run.path)


def test_bad_programs_fail_alone_with_their_reasons(tmp_path: Path) -> None:
    with searched(tmp_path, SOUND, INFINITE, FORBIDDEN, SOUND + "\n# again\n", GREEDY) as run:
        sound, infinite, forbidden, twin, greedy = run.candidates()
        assert sound.state == "finished"
        assert infinite.state == "failed"
        assert "finite" in (infinite.failure or "")
        assert forbidden.state == "rejected"
        assert forbidden.verdict[0]["line"] == 5
        assert twin.state == "rejected"
        assert "#1" in (twin.failure or "")
        assert greedy.state == "failed"
        assert run.row().best_candidate == sound.id


def test_a_generation_without_a_working_reward_ends_in_words(tmp_path: Path) -> None:
    with searched(tmp_path, INFINITE, FORBIDDEN) as run:
        assert run.status() == "finished"
        assert run.row().best_candidate is None
        assert any("no working reward" in event.text for event in run.events())


@pytest.mark.parametrize("text", [SOUND])
def test_a_key_in_the_environment_reaches_no_file_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-7f3a")
    with searched(tmp_path, text) as run:
        for path in run.path.rglob("*"):
            if path.is_file():
                assert b"sk-planted-7f3a" not in path.read_bytes(), path
