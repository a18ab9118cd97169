"""Each kind of broken environment is named by one check, in a sentence that says what to write."""

import re
import shutil
from pathlib import Path

import pytest

from eureka_agent.env_tools.checks import under_test
from eureka_agent.env_tools.checks.runner import CHECKS, check_environment, run_check
from eureka_agent.env_tools.checks.under_test import CheckFinding, EnvironmentUnderTest
from eureka_agent.env_tools.scaffold.create import new_environment

STEPS = 60


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that passes, with short episodes that can end early."""
    folder = new_environment("crawler", tmp_path_factory.mktemp("envs")).folder
    path = folder / "env.py"
    lines = path.read_text().replace("episode_steps = 400", f"episode_steps = {STEPS}").split("\n")
    for number, line in enumerate(lines):
        if line.startswith(("    # termination", "    # def term", "    #     ")):
            lines[number] = line.replace("# ", "", 1)
    path.write_text("\n".join(lines).replace("< 0.16", "< 0.1"))
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy of it to break."""
    return Path(shutil.copytree(sound, tmp_path / "crawler"))


def findings_of(check: str, folder: Path) -> list[CheckFinding]:
    """What one check finds, without the others."""
    return run_check(check, CHECKS[check], EnvironmentUnderTest(folder, STEPS, False))


def edit(folder: Path, file: str, old: str, new: str) -> None:
    """Replace one place of a file."""
    text = (folder / file).read_text()
    assert text.count(old) >= 1, f"{old!r} is not in {file}"
    (folder / file).write_text(text.replace(old, new, 1))


def test_placeholders_are_named_file_by_file(folder: Path) -> None:
    files = {"README.md", "env.py", "fitness.py", "human_reward.py"}
    notes = [f.message for f in findings_of("words", folder) if "CHANGE" in f.message]
    assert {message.split()[0] for message in notes} == files
    edit(folder, "fitness.py", "CHANGE: a placeholder, t", "T")
    notes = [f.message for f in findings_of("words", folder) if "CHANGE" in f.message]
    assert {message.split()[0] for message in notes} == files - {"fitness.py"}


def test_a_sound_environment_passes_every_check(folder: Path) -> None:
    findings = check_environment(folder, STEPS)
    assert not [f for f in findings if f.outcome == "failed"]
    assert {f.check for f in findings} == CHECKS.keys()


CASES: dict[str, tuple[str, str, str, str, str, str]] = {
    # what is broken: file, old text, new text, the check that sees it, its message, its hint
    "no task": ("env.py", "    task = (", "    x = (", "loading", "no `task`", "task ="),
    "an error in env.py": ("env.py", "    substeps", "    1 / 0\n    s", "loading", "line", ""),
    "a model that does not compile": ("scene.xml", "<body", "<bodice", "loading", "XML", ""),
    "no signals": (
        *("env.py", "class Crawler", "def signal(**k):\n    return lambda f: f\n\n\nclass Crawler"),
        *("loading", "declares no signals", "@signal"),
    ),
    "no early end in words": ("env.py", "    termination", "    x", "early ends", "end early", ""),
    "an early end of the wrong shape": (
        *("env.py", '[:, 2] < 0.1', " < 0.1", "early ends"),
        *(r"terminated gives \[3, 3\]", "per world"),
    ),
    "an end from the beginning": ("env.py", "< 0.1", "> 0.1", "resets", "over as they begin", ""),
    "a signal of another size": (
        *("env.py", "return state.qvel[:, 0:3]", "return state.qvel[:, 0:2]", "signals"),
        *(r"\[N, 3\] and gives \[3, 2\]", "size="),
    ),
    "a signal of another type": (
        *("env.py", "state.qvel[:, 0:3]", "state.qvel[:, 0:3].double()", "signals"),
        *("float64", r"\.float\(\)"),
    ),
    "an unknown unit": ("env.py", '"m/s"', '"meters"', "signals", "'meters'", "SI"),
    "a signal that programs cannot name": (
        *("env.py", "def trunk_velocity", "def prev_velocity", "signals", "cannot be", "prev_"),
    ),
    "a signal that is not finite": (
        *("env.py", "return state.qvel[:, 0:3]", "return state.qvel[:, 0:3].log()"),
        *("signal values", "trunk_velocity is not finite", "logarithms"),
    ),
    "a reset without noise": (
        *("env.py", "return self.within_limits(pose), self.rest_velocity(noise) + noise.normal("),
        *("return self.rest_pose(noise) + 0 * pose, 0 * noise.normal(", "resets"),
        *("same state", "Add noise"),
    ),
    "a reset with randomness of its own": (
        *("env.py", "noise.uniform(11, -0.02, 0.02)", "0.02 * torch.randn(len(noise), 11)"),
        *("resets", "same noise", "noise.uniform"),
    ),
    "a reset of another shape": (
        *("env.py", "self.rest_velocity(noise) + noise.normal(10", "noise.normal(1", "resets"),
        *(r"velocities \[64, 1\]", r"\[m, 10\]"),
    ),
    "a reset outside joint limits": (
        *("env.py", "self.within_limits(pose)", "pose + 1.5", "resets", "outside its limits"),
        "reset",
    ),
    "a start inside the ground": (
        *("scene.xml", 'pos="0 0 0.32"', 'pos="0 0 -0.1"', "resets", "overlap", "higher"),
    ),
    "a keyframe that is not there": (
        *("env.py", "    substeps", '    keyframe = "home"\n    substeps', "resets"),
        *("no keyframe 'home'", "Add it to the model"),
    ),
    "a time limit of one step": (
        *("env.py", f"episode_steps = {STEPS}", "episode_steps = 1", "times", "one step", "Raise"),
    ),
    "an observation without columns": (
        *("env.py", "            dim=1,\n        )", "            dim=1,\n        )[:, 0]"),
        "observation",
        *(r"observation gives \[3\]", "torch.cat"),
    ),
    "physics that break": (
        *("scene.xml", 'gear="6"', 'gear="1e9"', "physics", "broke", "timestep"),
    ),
    "a fitness of what is not there": (
        *("fitness.py", "def fitness(trunk_position", "def fitness(trunk_positon", "fitness"),
        *("Did you mean \"trunk_position\"", "signals"),
    ),
    "a fitness of another shape": (
        *("fitness.py", "return (trunk_position[:, 0] - prev_trunk_position[:, 0])"),
        *("return (trunk_position - prev_trunk_position)", "fitness", "gives", r"x\[:, 0\]"),
    ),
    "a fitness that mixes episodes": (
        *("fitness.py", "return (trunk_position[:, 0] -", "return (trunk_position[:, 0].mean() -"),
        *("fitness", "changes with the other steps", "columns"),
    ),
    "a fitness that is always the same": (
        *("fitness.py", "return (", "return 0 * (", "fitness", "in every step", "depend"),
    ),
    "a fitness that pays an early death": (
        *("fitness.py", "AFTER_END = 0.0", "AFTER_END = 100.0", "pay for ends"),
        *("early death pays", "Lower AFTER_END"),
    ),
    "a progress of another shape": (
        *("fitness.py", "def fit", "def progress(trunk_up):\n  'Up'\n  return trunk_up\n\ndef fit"),
        *("fitness", "one number for each", r"\[M\]"),
    ),
    "an unknown way to reduce": (
        *("fitness.py", 'REDUCE = "mean"', 'REDUCE = "median"', "fitness", "median", "mean, sum"),
    ),
    "a human reward of what is not there": (
        *("human_reward.py", "def compute_reward(", "def compute_reward(wind, ", "human reward"),
        *("wind", ""),
    ),
    "state kept on the object": (
        *("env.py", "        return state.qvel[:, 0:3]"),
        "        self.n = getattr(self, 'n', 0) + 1\n        return state.qvel[:, 0:3] + self.n",
        *("repeatable", "trunk_velocity", "keep nothing on `self`"),
    ),
    "worlds that see each other": (
        *("env.py", "return state.qvel[:, 0:3]", "return state.qvel[:, 0:3] + state.qvel.mean()"),
        *("neighbours", "trunk_velocity", "Reduce columns"),
    ),
    "a file read at every step": (
        *("env.py", "        return state.qvel[:, 0:3]"),
        "        open(__file__[:-6] + 'scene.xml').close()\n        return state.qvel[:, 0:3]",
        *("side effects", "scene.xml", "while env.py is loaded"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_broken_part_is_named_with_what_to_write(folder: Path, case: str) -> None:
    file, old, new, check, message, hint = CASES[case]
    edit(folder, file, old, new)
    found = [f for f in findings_of(check, folder) if f.outcome == "failed"]
    assert any(re.search(message, f.message) and re.search(hint, f.hint) for f in found), found


def test_nothing_is_checked_further_where_an_environment_cannot_be_loaded(folder: Path) -> None:
    edit(folder, "env.py", "    substeps", "    1 / 0\n    s")
    (finding,) = check_environment(folder, STEPS)
    assert (finding.check, finding.outcome) == ("loading", "failed")


def test_a_fault_that_breaks_several_checks_is_reported_once(folder: Path) -> None:
    (folder / "fitness.py").write_text("def fitness(:")  # two checks read it
    broken = [f for f in check_environment(folder, 10) if f.outcome == "failed"]
    assert len({f.message for f in broken}) == len(broken)
    assert [f.check for f in broken] == ["fitness"]


def test_the_recording_of_slow_physics_is_cut_and_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "RECORDING_S", 0.0)
    seen: list[str] = []
    found = check_environment(folder, STEPS, progress=lambda check, detail: seen.append(detail))
    (cut,) = [f for f in found if f.check == "physics"]
    assert cut.outcome == "note"
    assert f"Stopped after 1 of {STEPS} steps" in cut.message
    assert f"step 1 of {STEPS}" in seen
