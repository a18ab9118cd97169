"""The output of the command `play` for people and scripts."""

import json

import pytest
import support

from eureka_agent.store import Run


def test_without_a_renderer_it_prints_the_numbers_and_what_to_install(run: Run) -> None:
    words = (run.name, "--beside", "1", "--video", "film.mp4", "--json", "--runs", ".")
    done = support.run("play", *words, cwd=run.path.parent, MUJOCO_GL="disable")
    assert done.returncode == 3 and "apt install libegl1" in done.stderr
    assert "Traceback" not in done.stderr
    document = json.loads(done.stdout)
    assert document["video"] is None
    best, other = document["policies"]
    assert best["policy"] == f"{run.name} #2" and other["policy"] == f"{run.name} #1"
    assert len(best["episodes"]) == 3 and best["components_missing"] is None
    first = best["episodes"][0]
    assert first["components"].keys() == {"up", "effort"} and first["components"]["effort"] <= 0
    assert sorted(path.suffix for path in run.path.parent.glob("*film*")) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("latest", "--video", "film.avi"), ".mp4 or .gif"),
        (("latest", "--candidate", "3"), "no policy"),
        (("missing.zip",), "missing.zip"),
    ],
)
def test_wrong_use_gets_a_sentence(run: Run, words: tuple[str, ...], said: str) -> None:
    done = support.run("play", *words, "--runs", ".", cwd=run.path.parent)
    assert done.returncode == 2 and said in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
