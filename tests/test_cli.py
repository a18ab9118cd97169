"""The command line: what people and scripts see."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import run

ENV_KEYS = {"name", "task", "signals"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("search", "cartpol"), "cartpole"),
        (("search", "cartpole", "--goal", "Spin."), "--fitness"),
        (("search", "cartpole", "--designer", "oracle"), "oracle"),
        (("search", "cartpole", "--designer", "given"), "train"),
        (("search", "cartpole", "--generations", "0"), "generations"),
        (("search", "cartpole", "--set", "stepps=3"), "stepps"),
        (("search", "cartpole", "--seed", str(2**70)), "seed"),
        (("show", "nothing"), "no runs"),
        (("resume", "latest"), "run"),
        (("train", "cartpole", "--reward", "missing.py"), "missing.py"),
        (("fly",), "fly"),
        (("search", "cartpole", "--runs", ""), "the path is empty"),
        (("search", "cartpole", "--steps", "many"), "'many' is not a whole number"),
        (("search", "cartpole", "--set", "preset=quick"), "Give --preset quick"),
        (("search", "cartpole", "--model", ""), "--model is empty"),
        (("search", "cartpole", "--no-fitness", "--set", "rank_by=fitness"), "--no-fitness"),
        (("search", "CartPole-v1"), "gymnasium:CartPole-v1"),
    ],
)
def test_wrong_use_gets_a_sentence_and_exit_code_2(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    done = run(*words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not list(tmp_path.rglob("run.db"))


REFUSED = [
    ("search", "cartpole", "--goal", "Spin."),
    ("search", "cartpole", "--goal", " "),
    ("search", "cartpole", "--goal", "Spin.", "--fitness", "missing.py"),
    ("search", "cartpole", "--goal", "Spin.", "--fitness", "Hop backwards"),
    ("search", "cartpole", "--fitness", "broken.py"),
    ("search", "make the cheetah flip"),
    ("search", "./nowhere"),
    ("search", "cartpole", "--set", "stepps=3"),
    ("search", "cartpole", "--set", "steps=many"),
    ("search", "cartpole", "--set", "parts=some"),
    ("search", "cartpole", "--preset", "nope"),
    ("search", "cartpole", "--device", "tpu"),
    ("search", "cartpole", "--sandbox", "sand"),
    ("search", "cartpole", "--designer", "given"),
    ("search", "cartpole", "--designer", "openai"),
    ("search", "cartpole", "--base-url", "http://127.0.0.1:1"),
    ("search", "cartpole", "--init", "missing.py"),
    ("train", "cartpole", "--reward", "missing.py"),
    ("train", "cartpol", "--reward", "broken.py"),
    ("critique", "cartpol", "broken.py"),
    ("resume", "latest"),
    ("evaluate", "latest"),
    ("evaluate", "latest", "--seeds", "0"),
    ("show", "latest"),
    ("play", "latest"),
    ("play", "latest", "--video", "film.avi"),
    ("report", "latest"),
    ("envs", "cartpol"),
    ("check-env", "cartpol"),
    ("presets", "nope"),
    ("config", "diff", "default", "nope"),
]


def test_wrong_use_is_refused_before_anything_slow_loads(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def fitness(")
    script = (
        "import json, sys\n"
        "from eureka_agent.cli import main\n"
        "for words in json.loads(sys.argv[1]):\n"
        "    sys.argv = ['eureka-agent', *words]\n"
        "    try:\n"
        "        main()\n"
        "    except SystemExit as end:\n"
        "        slow = [m for m in ('torch', 'mujoco', 'stable_baselines3') if m in sys.modules]\n"
        "        print(json.dumps([end.code, slow]))\n"
    )
    words = [sys.executable, "-c", script, json.dumps(REFUSED)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    found = dict(zip(REFUSED, map(json.loads, done.stdout.splitlines()), strict=True))
    assert found == {words: [2, []] for words in REFUSED}, done.stderr


def test_envs_is_a_stable_document() -> None:
    document = json.loads(run("envs", "--json").stdout)
    assert {"cartpole", "half_cheetah"} <= {entry["name"] for entry in document}
    for entry in document:
        assert entry.keys() >= ENV_KEYS
        for signal in entry["signals"]:
            assert signal.keys() >= {"name", "shape", "unit", "meaning"}


def test_doctor_says_what_there_is_and_tells_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-7f3a")
    done = run("doctor", "--json")
    assert json.loads(done.stdout)["language_model"]["OPENAI_API_KEY"] == "set"
    assert "sk-planted" not in done.stdout
    assert "torch" in run("doctor").stdout


def test_doctor_says_which_devices_work_and_why_not() -> None:
    devices = json.loads(run("doctor", "--json").stdout)["devices"]
    assert devices["cpu"].startswith("works, with MuJoCo")
    assert devices["auto"] in devices
    for name, said in devices.items():
        assert name == "auto" or said.startswith(("works", "does not work: ")), said


def test_runs_of_an_empty_folder(tmp_path: Path) -> None:
    assert json.loads(run("runs", "--json", "--runs", str(tmp_path)).stdout) == []
    assert run("runs", "--runs", str(tmp_path)).returncode == 0


def test_answers_about_runs_do_not_wait_for_the_simulator() -> None:
    script = (
        "import sys; from eureka_agent import cli; import eureka_agent.views.terminal.run; "
        "print([m for m in ('torch', 'mujoco', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_reward_is_trained_and_shown(tmp_path: Path) -> None:
    reward = tmp_path / "mine.py"
    reward.write_text(
        '"""Keep the pole up."""\nWEIGHTS = {"up": 1.0}\n\n'
        'def compute_reward(pole_up):\n    return {"up": pole_up}\n'
    )
    done = run(
        "train", "cartpole", "--reward", str(reward), "--steps", "4000", "--plain", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    shown = json.loads(run("show", "latest", "--json", cwd=tmp_path).stdout)
    assert shown["status"] == "finished"
    assert (tmp_path / shown["best"]["policy_path"]).is_file()
    one = json.loads(run("show", "latest", "1", "--json", cwd=tmp_path).stdout)
    assert "Keep the pole up" in one["text"]
    assert "Keep the pole up" in run("show", "latest", cwd=tmp_path).stdout
