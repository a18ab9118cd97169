"""Every joint, site, tendon and sensor of a model has a signal, or a sentence says why not."""

from pathlib import Path

import mujoco
import torch

from eureka_agent.env_tools.checks.definition import check_signals
from eureka_agent.env_tools.checks.under_test import EnvironmentUnderTest, start_worlds
from eureka_agent.env_tools.scaffold.create import NewEnvironment, new_environment
from eureka_agent.environment import Environment, MujocoWorlds, find_environment

SITE_SENSORS = (
    *("touch", "accelerometer", "velocimeter", "gyro", "force", "torque", "magnetometer"),
    "rangefinder",
)
FRAME_SENSORS = (
    *("framepos", "framequat", "framexaxis", "framelinvel", "frameangvel", "framelinacc"),
    "frameangacc",
)
SENSORS = (
    "".join(f'<{kind} name="{kind}" site="tip"/>' for kind in SITE_SENSORS)
    + "".join(f'<{kind} name="{kind}" objtype="site" objname="tip"/>' for kind in FRAME_SENSORS)
    + """<jointpos name="jp" joint="hinge"/><jointvel name="jv" joint="slide"/>
  <jointactuatorfrc name="jf" joint="hinge"/><jointlimitpos name="jl" joint="hinge"/>
  <jointlimitfrc name="jlf" joint="slide"/><jointlimitvel name="jlv" joint="hinge"/>
  <tendonpos name="tp" tendon="rope"/><tendonvel name="tv" tendon="sum"/>
  <tendonactuatorfrc name="tf" tendon="rope"/><tendonlimitpos name="tl" tendon="rope"/>
  <actuatorpos name="ap" actuator="m"/><actuatorvel name="av" actuator="m"/>
  <actuatorfrc name="af" actuator="m"/><ballquat name="bq" joint="ball"/>
  <ballangvel name="bv" joint="ball"/><subtreecom name="sc" body="arm"/>
  <subtreelinvel name="sl" body="arm"/><subtreeangmom name="sm" body="arm"/>
  <distance name="d" geom1="bob" geom2="floor" cutoff="9"/>
  <normal name="n" geom1="bob" geom2="floor" cutoff="9"/>
  <fromto name="ft" geom1="bob" geom2="floor" cutoff="9"/>
  <insidesite name="i" site="tip" objtype="body" objname="arm"/>
  <e_potential name="ep"/><e_kinetic name="ek"/><clock name="c"/>
  <user name="u" dim="2" objtype="body" objname="arm"/><user name="wide" dim="99"/>"""
)
ROBOT = f"""<mujoco><worldbody>
  <geom name="floor" type="plane" size="9 9 .1"/><site name="mark" pos="1 1 0"/>
  <body name="goal" mocap="true" pos="0 0 2"><geom size=".02" contype="0" conaffinity="0"/></body>
  <body name="arm" pos="0 0 1">
    <joint name="slide" type="slide" axis="1 0 0" range="-1 1" limited="true"/>
    <geom name="bob" size=".1"/>
    <body pos=".3 0 0"><joint name="hinge" axis="0 1 0" range="-1 1" limited="true"/>
      <geom size=".05"/><site name="tip" pos=".1 0 0"/></body></body>
  <body name="lamp" pos="2 0 1"><joint name="ball" type="ball"/>
    <geom type="capsule" fromto="0 0 0 .2 0 0" size=".02"/></body>
  {{more}}
</worldbody>
<tendon><spatial name="rope" limited="true" range="0 9"><site site="mark"/><site site="tip"/>
  </spatial><fixed name="sum"><joint joint="hinge" coef="2"/></fixed></tendon>
<actuator><motor name="m" joint="hinge" ctrlrange="-1 1"/></actuator>
<sensor>{SENSORS}</sensor></mujoco>"""
SITES = "".join(f'<site name="spot{i}" pos="0 {i} 3"/>' for i in range(20))
TOYS = "".join(
    f'<body name="toy{i}" pos="{i} 3 1"><freejoint name="free{i}"/><geom size=".1"/></body>'
    for i in range(6)
)


def made(folder: Path, more: str) -> tuple[NewEnvironment, Environment]:
    (folder / "robot.xml").write_text(ROBOT.format(more=more))
    new = new_environment("mine", folder, folder / "robot.xml")
    return new, find_environment(str(new.folder))


def test_every_part_has_a_signal_or_is_named(tmp_path: Path) -> None:
    new, environment = made(tmp_path, "")
    signals = {signal.name: signal for signal in environment.signals_described}
    model = environment.model
    for i in range(model.nsensor):
        name = model.sensor(i).name
        assert f"{name}_sensor" in signals or name == "wide"
    assert "The sensor wide has no signal" in " ".join(new.notes)
    expected = {"slide_position", "hinge_angle", "ball_rotation", "ball_angular_velocity"}
    expected |= {"mark_position", "tip_position", "rope_length", "rope_length_rate", "sum_angle"}
    assert expected | {"sum_angle_rate", "goal_position", "goal_orientation"} <= set(signals)
    assert (signals["sum_angle"].unit, signals["rope_length"].unit) == ("rad", "m")
    assert (signals["jp_sensor"].unit, signals["jv_sensor"].unit) == ("rad", "m/s")
    assert (signals["jf_sensor"].unit, signals["jlf_sensor"].unit) == ("N m", "N")
    assert signals["accelerometer_sensor"].unit == "m/s^2"
    assert "Angle to the nearest limit of the joint hinge" in signals["jl_sensor"].meaning
    said = list(check_signals(EnvironmentUnderTest(new.folder, 1, False)))
    assert [finding.message for finding in said if finding.outcome != "ok"] == []


def test_tendon_signals_agree_with_tendon_sensors(tmp_path: Path) -> None:
    _, environment = made(tmp_path, "")
    worlds = MujocoWorlds(environment, 2)
    start_worlds(worlds, slice(0, 2))
    worlds.step(torch.ones(2, 1))
    step = worlds.step(torch.ones(2, 1))
    names = ("rope_length", "tp_sensor", "sum_angle_rate", "tv_sensor", "sum_angle", "hinge_angle")
    values = {name: worlds.layout.read(step.after, name) for name in names}
    assert torch.allclose(values["rope_length"], values["tp_sensor"], atol=1e-6)
    assert torch.allclose(values["sum_angle_rate"], values["tv_sensor"], atol=1e-5)
    assert torch.allclose(values["sum_angle"], 2 * values["hinge_angle"], atol=1e-6)


def test_too_many_parts_are_named_instead_of_getting_signals(tmp_path: Path) -> None:
    new, _ = made(tmp_path, SITES + TOYS)
    said = " ".join(new.notes)
    assert (
        "The sites mark, spot0, spot1, spot2, spot3, spot4, spot5, spot6 and 14 more have" in said
    )
    assert "state.site_position(name)" in said
    assert "The joints free4, free5 have no signal" in said
    assert "Actuators have no signals" in said
    written = (new.folder / "README.md").read_text().replace("\\", "")  # no markup in it
    assert all(sentence in written for sentence in new.notes)


def test_every_type_of_sensor_has_a_unit_and_a_meaning() -> None:
    from eureka_agent.env_tools.scaffold.sensors import _SENSORS

    types = {name.removeprefix("mjSENS_") for name in mujoco.mjtSensor.__members__}
    assert types - set(_SENSORS) == {"USER", "PLUGIN", "TACTILE", "CONTACT"}
