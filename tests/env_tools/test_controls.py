"""An actuator may take several controls or none: each control is one column of an action."""

import json

import mujoco
import pytest
import torch

from eureka_agent.common.errors import UsageError
from eureka_agent.env_tools.checks.under_test import start_worlds
from eureka_agent.env_tools.scaffold.create import NewEnvironment, new_environment
from eureka_agent.environment import Environment, MujocoWorlds, find_environment
from eureka_agent.simulation import CPU, make_simulator
from eureka_agent.training.networks import _control

ROBOT = """<mujoco><worldbody>
  <body name="cart"><joint name="rail" type="slide" axis="1 0 0" range="-2 2" damping="1"/>
    <geom size=".1"/></body>
  <body name="arm" pos="0 1 0"><joint name="ball" type="ball" damping=".1"/>
    <geom type="capsule" fromto="0 0 0 .3 0 0" size=".03"/></body>
</worldbody><actuator>
  <dcmotor name="brake" joint="rail" motorconst="0" resistance="1" input="none"/>
  <pid name="servo" joint="rail" kp="30" kv="3" ki="1" input="pos vel ff" velrange="-3 3"/>
  <orientation name="wrist" joint="ball" kp="3"/>
  <dcmotor joint="rail" motorconst="1" resistance="1" input="pos vel" controller="9 0 5"/>
  <motor name="push" joint="rail" ctrlrange="-5 5"/>
</actuator></mujoco>"""
COLUMNS = (
    *("servo pos", "servo vel", "servo ff", "wrist rx", "wrist ry", "wrist rz"),
    *("rail pos", "rail vel", "push"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> NewEnvironment:
    folder = tmp_path_factory.mktemp("controls")
    (folder / "robot.xml").write_text(ROBOT)
    return new_environment("many", folder, folder / "robot.xml")


@pytest.fixture(scope="module")
def environment(made: NewEnvironment) -> Environment:
    return find_environment(str(made.folder))


def test_each_control_is_a_column_with_a_name_a_range_and_a_meaning(
    environment: Environment,
) -> None:
    low, high = environment.action_range()
    assert environment.actuators == COLUMNS
    assert environment.action_size == len(low) == len(COLUMNS)
    assert high.tolist() == pytest.approx([2, 3, 1, 3.14159, 3.14159, 3.14159, 2, 2, 5])
    actions = environment.describe().actions
    assert actions[0] == "servo pos: target position of rail, -2 to 2 m"
    assert actions[1] == "servo vel: target velocity of rail, -3 to 3 m/s"
    assert actions[2] == "servo ff: added force on rail, -1 to 1 N"
    assert actions[3].startswith("wrist rx: target rotation, x of a rotation vector in rad")
    assert actions[8] == "push: force on rail, -5 to 5 N"
    written = json.loads(json.dumps(_control(environment)))
    assert written["actuators"] == list(COLUMNS)
    assert len(written["control_low"]) == len(COLUMNS)


def test_missing_ranges_are_reported_by_input(made: NewEnvironment) -> None:
    said = "\n".join(made.changes)
    assert "'servo' had no control range for pos and got -2 to 2" in said
    assert "'servo' had no control range for vel" not in said
    assert "'wrist' had no control range for rx, ry, rz and got -3.14 to 3.14" in said
    assert "'rail' had no control range for pos, vel and got -2 to 2" in said


def test_every_column_reaches_the_physics(environment: Environment) -> None:
    ends = []
    for action in (torch.zeros(len(COLUMNS), len(COLUMNS)), torch.eye(len(COLUMNS))):
        worlds = MujocoWorlds(environment, len(COLUMNS))
        start_worlds(worlds, slice(0, len(COLUMNS)))
        for _ in range(10):
            worlds.step(action)
        ends.append(worlds.simulator.view("qpos").clone())
    assert bool(((ends[1] - ends[0]).abs().amax(1) > 1e-6).all())


def test_a_missing_range_is_reported_by_the_name_of_its_input(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = mujoco.MjModel.from_xml_string(ROBOT)
    monkeypatch.setattr(environment, "model", model)
    with pytest.raises(UsageError, match="'servo pos' has no control range"):
        environment.action_range()


@pytest.mark.long
def test_the_gpu_simulator_refuses_what_it_cannot_simulate(environment: Environment) -> None:
    pytest.importorskip("mujoco_warp")
    with pytest.raises(UsageError, match=r"cannot simulate this model.*--device cpu"):
        make_simulator(environment.model, 1, CPU, backend="warp")
