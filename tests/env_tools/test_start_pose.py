"""Episodes begin with all that a keyframe holds, in a pose in which nothing is wrong."""

from pathlib import Path

import mujoco
import pytest
import torch

from eureka_agent.env_tools.checks.definition import check_resets
from eureka_agent.env_tools.checks.runner import run_check
from eureka_agent.env_tools.checks.under_test import CheckFinding, EnvironmentUnderTest
from eureka_agent.env_tools.scaffold.create import NewEnvironment, new_environment
from eureka_agent.environment import Environment, MujocoWorlds, find_environment

FLOOR = '<geom name="floor" type="plane" size="5 5 .1"/>'


def model(bodies: str, rest: str = "", joint: str = "pump") -> str:
    """A model with a slide called pump that a motor drives, and more."""
    return f"""<mujoco><compiler autolimits="true"/><worldbody>{bodies}
      <body name="piston" pos="0 3 1"><joint name="pump" type="slide" axis="0 0 1" range="0 1"
        damping="1"/><geom name="rod" size=".1"/></body></worldbody>
      <actuator><motor name="drive" joint="{joint}" ctrlrange="-1 1"/></actuator>{rest}</mujoco>"""


def made(tmp_path: Path, text: str) -> tuple[NewEnvironment, Environment]:
    (tmp_path / "robot.xml").write_text(text)
    new = new_environment("mine", tmp_path / "envs", tmp_path / "robot.xml")
    return new, find_environment(str(new.folder))


def troubles(folder: Path) -> list[CheckFinding]:
    """What the check of first states finds wrong."""
    found = run_check("resets", check_resets, EnvironmentUnderTest(folder, 10, False))
    return [finding for finding in found if finding.outcome != "ok"]


def begun(environment: Environment) -> MujocoWorlds:
    worlds = MujocoWorlds(environment, 2)
    worlds.start(slice(0, 2), torch.arange(2), torch.zeros(2))
    return worlds


HAND = model(
    FLOOR
    + """<body name="target" mocap="true" pos="0 0 .2"/>
    <body name="hand" pos="0 0 .2"><freejoint name="float"/><geom name="palm" size=".05"/>
      <body name="finger" pos=".2 0 0"><joint name="grip" type="slide" range="0 .05" damping="1"/>
        <geom name="pad" size=".01"/></body></body>""",
    """<equality><weld name="held" body1="target" body2="hand"/></equality>
    <keyframe><key name="home" time="2" qpos="1 0 1 1 0 0 0 .02 0" qvel="0 0 0 0 0 0 0 .5"
      mpos="1 0 1" ctrl=".4" act=".3"/></keyframe>""",
    joint="grip",
).replace("<motor", '<general dyntype="filter" dynprm="1" gainprm="10"')


def test_an_episode_starts_with_the_whole_state_of_a_keyframe(tmp_path: Path) -> None:
    new, environment = made(tmp_path, HAND)
    assert environment.keyframe == "home"
    assert troubles(new.folder) == []
    worlds = begun(environment)
    view = worlds.simulator.view
    for _ in range(2):
        assert view("mocap_pos")[:, 0].tolist() == [[1.0, 0.0, 1.0]] * 2
        assert view("act").flatten().tolist() == [0.3] * 2
        assert view("ctrl").flatten().tolist() == [0.4] * 2
        assert view("time").tolist() == [2.0] * 2
        assert view("qvel")[:, 7] == pytest.approx(0.5, abs=0.01)
        for _ in range(50):
            worlds.step(torch.zeros(2, 1))
        assert view("qpos")[:, 0] == pytest.approx(1.0, abs=0.05)  # the weld holds the hand there
        worlds.start(slice(0, 2), torch.arange(2), torch.zeros(2))


def test_a_start_that_breaks_a_constraint_fails_the_check(tmp_path: Path) -> None:
    new, _ = made(tmp_path, HAND)
    path = new.folder / "env.py"
    text = path.read_text().replace('    keyframe = "home"\n', "")
    path.write_text(
        text.replace("self.rest_pose(noise)", "torch.tensor([1.0, 0, 1, 1, 0, 0, 0, 0, 0])")
    )
    (found,) = troubles(new.folder)
    assert "the weld constraint 'held' is broken by 1" in found.message
    assert 'keyframe = "NAME"' in found.hint


BOX = """<body name="box" pos="0 0 {z}"><freejoint/>
  <geom name="side" type="box" size=".1 .1 .1"/></body>"""
STARTS = {
    # what is odd: the bodies, the keyframes, which one is used, a word of the reason
    "no keyframe": (FLOOR + BOX.format(z=0.1), "", "", ""),
    "inside the ground": (FLOOR + BOX.format(z=-0.1), "", "start", "lifted"),
    "a keyframe inside the ground": (
        FLOOR + BOX.format(z=0.1),
        '<key name="low" qpos="0 0 -.1 1 0 0 0 .5"/>',
        *("start", "lifted"),
    ),
    "a keyframe at a limit": (FLOOR, '<key name="down" qpos="0"/>', "down", "first"),
    "a keyframe outside a limit": (FLOOR, '<key name="off" qpos="1.5"/>', "start", "limits"),
    "a keyframe without a name": (FLOOR, '<key qpos=".5"/>', "start", "keyframe 0"),
    "a keyframe called start already": (
        FLOOR,
        '<key name="start" qpos="1.5"/>',
        *("start_", "limits"),
    ),
    "geoms that overlap in the first keyframe": (
        """<body name="a" pos="0 0 1"><joint name="x" type="slide" axis="1 0 0" range="-1 1"/>
          <geom name="left" size=".1"/></body>
        <body name="b" pos="0 0 1"><joint name="y" type="slide" axis="1 0 0" range="-1 1"/>
          <geom name="right" size=".1"/></body>""",
        '<key name="in" qpos="0 0 0"/><key name="apart" qpos="-.5 .5 0"/>',
        *("apart", "'left' and 'right' overlap"),
    ),
    "geoms that overlap in all poses of the model": (
        """<body name="a" pos="0 0 1"><joint name="x" type="slide" axis="1 0 0" range="-1 1"/>
          <geom name="left" size=".1"/></body>
        <body name="b" pos="0 0 1"><joint name="y" type="slide" axis="1 0 0" range="-1 1"/>
          <geom name="right" size=".1"/></body>""",
        *("", "start", "moved until nothing overlaps"),
    ),
    "tiny ranges, balls and joints without limits": (
        """<body name="knob" pos="0 0 1"><joint name="t" range="0 0.00001"/>
          <joint name="free_turn"/><geom name="g" size=".01"/>
          <body name="ball" pos="0 0 .5"><joint name="b" type="ball" range="0 .1"/>
            <geom name="h" size=".01"/></body></body>""",
        *("", "", ""),
    ),
    "small feet on the ground": (
        FLOOR
        + """<body name="dog" pos="0 0 .05"><freejoint/><geom name="back" size=".02"/>
          <body name="foot" pos="0 0 -.045"><geom name="toe" size=".005"/></body></body>""",
        *("", "", ""),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STARTS)
def test_a_new_environment_starts_in_a_sound_pose(tmp_path: Path, case: str) -> None:
    bodies, keys, keyframe, reason = STARTS[case]
    new, environment = made(tmp_path, model(bodies, f"<keyframe>{keys}</keyframe>"))
    assert environment.keyframe == keyframe
    assert reason in "\n".join(new.changes)
    assert troubles(new.folder) == []


def test_an_overlap_in_every_pose_is_reported(tmp_path: Path) -> None:
    stuck = '<body name="a" pos="0 3 1"><joint name="t" type="slide" range="0 .01"/>'
    new, _ = made(tmp_path, model(f'{stuck}<geom name="in the way" size="2"/></body>'))
    assert "nothing is wrong: 'in the way' and 'rod' overlap" in "\n".join(new.changes)


DRIVEN = {
    # how: bodies, the rest, what actuators do not move
    "a spatial tendon": (
        """<site name="wall" pos="1 0 1"/><body name="arm" pos="0 0 1"><joint name="j"/>
          <geom size=".1"/><site name="tip" pos=".3 0 0"/></body>""",
        """<tendon><spatial name="string"><site site="wall"/><site site="tip"/></spatial></tendon>
        <actuator><motor name="m" tendon="string" ctrlrange="-1 1"/></actuator>""",
        "",
    ),
    "a fixed tendon": (
        '<body name="arm" pos="0 0 1"><joint name="j"/><geom size=".1"/></body>',
        """<tendon><fixed name="mix"><joint joint="j" coef="1"/></fixed></tendon>
        <actuator><motor name="m" tendon="mix" ctrlrange="-1 1"/></actuator>""",
        "",
    ),
    "a coupled joint": (
        '<body name="arm" pos="0 0 1"><joint name="j"/><geom size=".1"/></body>',
        '<equality><joint joint1="j" joint2="pump"/></equality>',
        "",
    ),
    "thrust at a site": (
        '<body name="arm" pos="0 0 1"><freejoint/><geom size=".1"/><site name="s"/></body>',
        '<actuator><motor name="m" site="s" gear="0 0 1 0 0 0" ctrlrange="-1 1"/></actuator>',
        "",
    ),
    "nothing": (
        '<body name="arm" pos="0 0 1"><joint name="j"/><geom size=".1"/></body>',
        "",
        "No actuator moves 1 of 2 joints: j; what touches them may.",
    ),
    "nothing that floats": (
        '<body name="cube" pos="0 0 1"><freejoint/><geom size=".1"/></body>',
        "",
        "No actuator moves cube, which floats",
    ),
    "a mocap body that holds": (
        """<body name="guide" mocap="true" pos="0 0 1"/>
        <body name="hand" pos="0 0 1"><freejoint/><geom size=".1"/></body>""",
        '<equality><weld body1="guide" body2="hand"/></equality>',
        "No action moves the mocap body 'guide', and it holds hand by an equality constraint",
    ),
    "a mocap body": (
        '<body name="guide" mocap="true" pos="0 0 1"/>',
        "",
        "No action moves the mocap body 'guide': it stays",
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", DRIVEN)
def test_parts_that_no_action_moves_are_reported_with_a_remedy(tmp_path: Path, how: str) -> None:
    bodies, rest, said = DRIVEN[how]
    new, environment = made(tmp_path, model(bodies, rest))
    notes = [note for note in new.notes if note.startswith("No act")]
    assert (said in notes[0]) if said else not notes
    assert not said or notes[0] in (new.folder / "README.md").read_text().replace("\\", "")
    floats = any(environment.model.jnt_type == int(mujoco.mjtJoint.mjJNT_FREE))
    assert floats or "move freely" not in environment.robot


def test_the_task_of_a_hand_on_a_mocap_body_is_not_to_travel(tmp_path: Path) -> None:
    new, _ = made(tmp_path, HAND)
    assert new.task == "Raise the finger as high as possible."


def test_the_placeholder_task_is_about_a_limb_that_moves(tmp_path: Path) -> None:
    turned = """<body name="hub" pos="0 0 1"><joint name="turn" axis="0 1 0"/>
      <geom name="shaft" size=".1"/>
      <body name="cap"><joint name="spin" axis="0 1 0"/><geom name="disc" size=".05"/></body>
      <body name="arm"><joint name="lift" axis="0 1 0"/><geom name="rod" size=".03" pos=".3 0 0"/>
      </body></body>"""
    text = f"""<mujoco><worldbody>{turned}</worldbody><contact><exclude body1="hub" body2="cap"/>
      </contact><actuator><motor joint="turn"/><motor joint="spin"/><motor joint="lift"/></actuator>
      </mujoco>"""
    new, _ = made(tmp_path, text)
    assert new.task == "Raise the arm as high as possible."
    (ranges,) = [change for change in new.changes if "control range" in change]
    assert ranges.startswith("The actuators 'turn', 'spin', 'lift' had no control range")


def test_slides_that_carry_a_robot_need_no_motor(tmp_path: Path) -> None:
    walker = """<body name="torso" pos="0 0 1"><joint name="x" type="slide" axis="1 0 0"/>
      <joint name="z" type="slide" axis="0 0 1"/><joint name="tilt" axis="0 1 0"/>
      <geom name="trunk" size=".1"/><body name="leg" pos="0 0 -.3"><joint name="hip" axis="0 1 0"/>
      <geom name="shin" size=".05" pos="0 0 -.3"/></body></body>"""
    text = f"""<mujoco><worldbody>{FLOOR}{walker}</worldbody>
      <actuator><motor joint="hip" ctrlrange="-1 1"/></actuator></mujoco>"""
    new, _ = made(tmp_path, text)
    assert new.task.startswith("Move forward")
    assert not [note for note in new.notes if "No actuator moves" in note]


def test_the_noise_of_a_reset_breaks_no_constraint(tmp_path: Path) -> None:
    near = """<body name="door" pos="0 0 1"><joint name="swing" type="slide" axis="1 0 0"
      range="-.5 .5"/><geom name="panel" size=".1"/></body>"""
    held = """<equality><joint name="latch" joint1="swing"/></equality>
      <keyframe><key name="ajar" qpos=".095 .5"/></keyframe>"""
    new, environment = made(tmp_path, model(near, held))
    assert environment.keyframe == "ajar"
    assert troubles(new.folder) == []


def test_a_constraint_that_never_holds_is_reported_with_a_remedy(tmp_path: Path) -> None:
    far = """<body name="guide" mocap="true" pos="5 0 1"/>
      <body name="hand" pos="0 0 1"><freejoint/><geom size=".1"/></body>"""
    held = """<equality><weld name="far" body1="guide" body2="hand" relpose="0 0 0 1 0 0 0"/>
      </equality>"""
    new, _ = made(tmp_path, model(far, held))
    (said,) = [change for change in new.changes if "nothing is wrong" in change]
    assert "the weld constraint 'far' is broken" in said
    assert "Add a keyframe in which it holds" in said
