"""What `new-env` writes passes the check and trains, whatever the model consists of."""

import struct
import sys
from pathlib import Path

import pytest
import torch

from eureka_agent.common.errors import UsageError
from eureka_agent.config import SearchConfig
from eureka_agent.env_tools.checks.runner import check_environment
from eureka_agent.env_tools.scaffold.create import new_environment
from eureka_agent.environment import find_environment, list_environments
from eureka_agent.reward import parse
from eureka_agent.search.final_comparison import human_reward
from eureka_agent.search.setup import new_search
from eureka_agent.training import Population

BALL_ROBOT = """<mujoco>
  <compiler autolimits="true"/>
  <option timestep="0.004" integrator="implicitfast"/>
  <include file="floor.xml"/>
  <worldbody>
    <body pos="0 0 0.3">
      <freejoint/>
      <geom type="sphere" size="0.1"/>
      <body name="tail" pos="0.15 0 0">
        <joint name="neck" type="ball" damping="0.1" range="0 1"/>
        <geom type="capsule" fromto="0 0 0 0.1 0 0" size="0.02"/>
        <body name="wheel" pos="0.15 0 0">
          <joint name="spin" axis="0 1 0" damping="0.1"/>
          <geom type="cylinder" size="0.05 0.02"/>
          <site name="spot"/>
        </body>
      </body>
    </body>
    <body name="toy" pos="1 0 0.1"><freejoint/><geom size="0.1"/></body>
  </worldbody>
  <actuator>
    <motor joint="neck" gear="0 0.1 0"/>
    <velocity joint="spin" kv="0.1"/>
  </actuator>
  <sensor><touch site="spot"/><gyro site="spot"/><framepos objtype="body" objname="tail"/>
    <framelinvel objtype="xbody" objname="tail" reftype="site" refname="spot"/></sensor>
</mujoco>"""
ARM = """<mujoco>
  <option timestep="0.002"/>
  <asset><mesh name="brick" file="parts/brick.stl"/></asset>
  <compiler meshdir="meshes"/>
  <worldbody>
    <body name="base">
      <joint name="rail" type="slide" axis="1 0 0" range="-0.5 0.5" limited="true"/>
      <geom type="mesh" mesh="brick" contype="0" conaffinity="0"/>
      <body name="max arm" pos="0 0 0.1">
        <joint name="elbow" axis="0 1 0" range="-60 60" limited="true"/>
        <geom name="hand" type="capsule" fromto="0 0 0 0 0 0.3" size="0.02"/>
      </body>
    </body>
  </worldbody>
  <actuator>
    <position name="rail" joint="rail" kp="50" kv="5"/>
    <motor name="elbow" joint="elbow" forcerange="-2 2" forcelimited="true"/>
  </actuator>
  <keyframe><key name="bent" qpos="0.1 0.5"/></keyframe>
</mujoco>"""


def brick(path: Path) -> None:
    """A tetrahedron as a binary STL file."""
    corners = [(0, 0, 0), (0.1, 0, 0), (0, 0.1, 0), (0, 0, 0.1)]
    faces = [(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)]
    body = b"".join(
        struct.pack("<12fH", 0, 0, 0, *(x for i in face for x in corners[i]), 0) for face in faces
    )
    path.write_bytes(bytes(80) + struct.pack("<I", len(faces)) + body)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with models and what they need."""
    folder = tmp_path / "models"
    (folder / "meshes" / "parts").mkdir(parents=True)
    brick(folder / "meshes" / "parts" / "brick.stl")
    (folder / "LICENSE").write_text("As you like.")
    floor = '<geom name="floor" type="plane" size="5 5 1"/>'
    (folder / "floor.xml").write_text(f"<mujoco><worldbody>{floor}</worldbody></mujoco>")
    (folder / "ball.xml").write_text(BALL_ROBOT)
    (folder / "arm.xml").write_text(ARM)
    return folder


def train_a_little(folder: Path) -> None:
    """A few rollouts on the human reward."""
    environment = find_environment(str(folder))
    text = (folder / "human_reward.py").read_text()
    population = Population(environment, 2, 4)
    for lane in range(2):
        population.load(lane, parse(text, environment.signals_described).compile(), lane)
    reports = population.advance(300)
    assert all(report.evicted is None and report.steps >= 300 for report in reports)
    assert all(torch.isfinite(value).all() for value in population.weights(0).values())


@pytest.mark.parametrize("model", [None, "ball.xml", "arm.xml"])
def test_a_new_environment_passes_the_check_and_trains(
    models: Path, tmp_path: Path, model: str | None
) -> None:
    source = models / model if model else None
    folder = new_environment("mine", tmp_path / "envs", source, "Do it.").folder
    findings = check_environment(folder, 50)
    assert [finding for finding in findings if finding.outcome == "failed"] == []
    assert find_environment(str(folder)).task == "Do it."
    train_a_little(folder)


def test_parts_of_a_model_become_signals(models: Path, tmp_path: Path) -> None:
    folder = new_environment("mine", tmp_path / "envs", models / "ball.xml").folder
    names = {signal.name for signal in find_environment(str(folder)).signals_described}
    assert {"body_1_position", "body_1_up", "neck_rotation", "toy_velocity"} <= names
    assert {"spin_angle", "spin_velocity", "wheel_position", "neck_angular_velocity"} <= names
    assert {"sensor_0_sensor", "sensor_1_sensor", "sensor_2_sensor"} <= names


def test_a_sensor_signal_names_its_part_and_its_frame(models: Path, tmp_path: Path) -> None:
    folder = new_environment("mine", tmp_path / "envs", models / "ball.xml").folder
    said = {s.name: s for s in find_environment(str(folder)).signals_described}
    meanings = [said[f"sensor_{i}_sensor"].meaning for i in range(4)]
    assert meanings[0].endswith("at the site spot")
    assert meanings[1] == "Angular velocity, about its own axes, of the site spot"
    assert meanings[2] == "Position of the inertial frame of the body tail, in the world"
    assert meanings[3] == "Velocity of the body tail, as the site spot sees it"
    assert said["sensor_3_sensor"].axes == ("x", "y", "z")


def test_a_slide_signal_says_where_zero_is(models: Path, tmp_path: Path) -> None:
    folder = new_environment("mine", tmp_path / "envs", models / "arm.xml").folder
    said = {s.name: s.meaning for s in find_environment(str(folder)).signals_described}
    assert said["rail_position"].endswith("; 0 in the pose of the model file")


def test_additions_to_a_model_are_listed(models: Path, tmp_path: Path) -> None:
    new = new_environment("mine", tmp_path / "envs", models / "arm.xml")
    said = "\n".join(new.changes)
    assert "'rail' had no control range and got -0.5 to 0.5" in said
    assert "'elbow' had no control range and got -2 to 2" in said
    assert "the keyframe 'bent', the first one" in said
    assert said.splitlines()[0] in (new.folder / "README.md").read_text()
    environment = find_environment(str(new.folder))
    assert environment.model.key(environment.keyframe).qpos.tolist() == pytest.approx([0.1, 0.5])


def test_a_new_folder_stands_alone(models: Path, tmp_path: Path) -> None:
    new = [
        new_environment(f"new_{m}", tmp_path / "envs", models / f"{m}.xml") for m in ("ball", "arm")
    ]
    assert (new[1].folder / "LICENSE").read_text() == "As you like."
    models.rename(tmp_path / "gone")
    for one in new:
        assert find_environment(str(one.folder)).model.nu == 2


def test_a_model_that_needs_nothing_is_copied_as_it_is(tmp_path: Path) -> None:
    first = new_environment("first", tmp_path).folder
    second = new_environment("second", tmp_path, first / "scene.xml").folder
    assert (first / "scene.xml").read_text() == (second / "scene.xml").read_text()
    assert "<!--" in (second / "scene.xml").read_text()


def test_env_py_does_not_mention_fitness_or_reward(tmp_path: Path) -> None:
    source = (new_environment("mine", tmp_path).folder / "env.py").read_text()
    assert "fitness" not in source
    assert "reward" not in source


@pytest.mark.parametrize(
    ("name", "model", "problem"),
    [
        ("My-Robot", None, "cannot name"),
        ("class", None, "cannot name"),
        ("cartpole", None, "already"),
        ("mine", "missing.xml", "no model"),
        ("mine", "broken.xml", "cannot use"),
        ("mine", "still.xml", "no actuator"),
        ("mine", "stiff.xml", "no joint"),
        ("mine", "return.xml", "characters that XML does not keep"),
        ("mine", "meshless.xml", "cannot use"),
    ],
)
def test_unusable_names_and_models_are_refused_and_nothing_is_written(
    models: Path, tmp_path: Path, name: str, model: str | None, problem: str
) -> None:
    (models / "broken.xml").write_text("<mujoco><worldbody><body></worldbody></mujoco>")
    (models / "still.xml").write_text(
        "<mujoco><worldbody><body><joint/><geom size='1'/></body></worldbody></mujoco>"
    )
    stiff = """<mujoco><worldbody><site name="s"/></worldbody>
      <actuator><motor site="s"/></actuator></mujoco>"""
    (models / "stiff.xml").write_text(stiff)
    arm = '<body><joint name="j&#13;"/><geom size="1"/></body><site name="s"/>'
    (models / "return.xml").write_text(stiff.replace('<site name="s"/>', arm))
    (models / "meshless.xml").write_text(ARM.replace("brick.stl", "gone.stl"))
    (tmp_path / "envs").mkdir()
    with pytest.raises(UsageError, match=problem):
        new_environment(name, tmp_path / "envs", models / model if model else None)
    assert list((tmp_path / "envs").iterdir()) == []


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("precious")
    with pytest.raises(UsageError, match="already"):
        new_environment("mine", tmp_path)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_environments_are_found_by_search_path_and_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_environment("on_the_path", tmp_path / "envs")
    site = tmp_path / "site"
    installed = new_environment("robot_files", site / "lab").folder
    (site / "lab" / "__init__.py").write_text("")
    (installed / "__init__.py").write_text("")
    metadata = site / "lab_robots-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-robots\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[eureka_agent.environments]\nlab_robot = lab.robot_files.env\n"
    )
    monkeypatch.setenv("EUREKA_ENVS", str(tmp_path / "envs"))
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    assert {"on_the_path", "lab_robot"} <= set(list_environments())
    assert find_environment("on_the_path").folder == (tmp_path / "envs" / "on_the_path").resolve()
    assert find_environment("lab_robot").folder == installed.resolve()


def test_the_human_reward_of_a_new_environment_is_not_compared_until_it_is_written(
    tmp_path: Path,
) -> None:
    folder = new_environment("mine", tmp_path / "envs").folder
    for written in (False, True):
        launch = new_search(str(folder), tmp_path / "runs", SearchConfig.for_environment)
        said = [event.text for event in launch.run.events() if "human_reward.py" in event.text]
        assert (human_reward(launch.run, launch.environment) is not None) == written
        launch.run.close()
        assert len(said) == (not written)
        path = folder / "human_reward.py"
        path.write_text(path.read_text().replace("CHANGE: a placeholder. ", ""))
