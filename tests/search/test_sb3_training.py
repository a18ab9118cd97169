"""stable-baselines3 trains as the population does: with the same worker, judge and folder."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from sledge import REWARD, sledge
from stable_baselines3 import PPO
from support import command

from eureka_agent.store import RunReader, find_run


@pytest.mark.slow
@pytest.mark.long
def test_sb3_leaves_the_same_run_folder(tmp_path: Path) -> None:
    environment = sledge(tmp_path / "sledge")
    reward = tmp_path / "reward.py"
    reward.write_text(REWARD)
    words = command("train", str(environment.folder), "--reward", str(reward), "--trainer", "sb3")
    options = ("--plain", "--steps", "1000", "--runs", str(tmp_path / "runs"))
    done = subprocess.run([*words, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with RunReader.open(find_run("latest", tmp_path / "runs")) as run:
        (candidate,) = run.candidates()
        (training,) = run.trainings("candidate", candidate.id)
        evaluations = run.evaluations(training.id)
        assert (run.status(), candidate.state) == ("finished", "finished")
        assert evaluations[-1].step >= 1000
        assert evaluations[0].components.keys() == {"right"}
        assert evaluations[0].diagnostics["learning_rate"] == environment.training.learning_rate
        assert training.reporting_fitness is not None
        assert run.row().config["trainer"] == "sb3"
        policy = PPO.load(run.path / "best" / "policy.zip", device="cpu")
        action, _ = policy.predict(np.zeros(2, np.float32), deterministic=True)
        assert action.shape == (1,)
