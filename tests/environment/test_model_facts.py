"""Facts of a model have the right words and units."""

import mujoco
import pytest

from eureka_agent.environment.model_facts import actuator_facts, joint_facts, moving_mass


def model(joint: str, actuator: str = "") -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(f"""
        <mujoco>
          <compiler angle="radian" autolimits="true"/>
          <worldbody>
            <body>{joint}<geom size="0.1" mass="2"/></body>
          </worldbody>
          <actuator>{actuator}</actuator>
        </mujoco>""")


HINGE = '<joint name="knee" type="hinge" range="-0.5 1.25"/>'
SLIDE = '<joint name="rail" type="slide" range="-1.8 1.8"/>'


@pytest.mark.parametrize(
    ("joint", "fact"),
    [
        (HINGE, "knee: hinge, -0.5 to 1.25 rad"),
        (SLIDE, "rail: slides, -1.8 to 1.8 m"),
        ('<joint name="pole" type="hinge"/>', "pole: hinge, no limits"),
        ('<joint type="slide"/>', "joint 0: slides, no limits"),
        ('<freejoint name="root"/>', "root: free to move and turn in space"),
        ('<joint name="hip" type="ball"/>', "hip: ball joint"),
    ],
)
def test_a_joint_says_its_name_type_and_range(joint: str, fact: str) -> None:
    assert joint_facts(model(joint)) == (fact,)


@pytest.mark.parametrize(
    ("joint", "actuator", "fact"),
    [
        (
            HINGE,
            '<motor name="drive" joint="knee" gear="20" ctrlrange="-1 1"/>',
            "drive: torque on knee, -20 to 20 N m",
        ),
        (
            SLIDE,
            '<motor joint="rail" gear="10" ctrlrange="-1 0.5"/>',
            "actuator 0: force on rail, -10 to 5 N",
        ),
        (
            HINGE,
            '<position name="servo" joint="knee" kp="50" kv="2" ctrlrange="-0.5 1.25"/>',
            "servo: target position of knee, -0.5 to 1.25 rad",
        ),
        (
            SLIDE,
            '<position name="servo" joint="rail" kp="50" ctrlrange="-1 1"/>',
            "servo: target position of rail, -1 to 1 m",
        ),
        (
            HINGE,
            '<velocity name="spin" joint="knee" kv="5" ctrlrange="-3 3"/>',
            "spin: target velocity of knee, -3 to 3 rad/s",
        ),
        (
            SLIDE,
            '<velocity name="glide" joint="rail" kv="5" ctrlrange="-3 3"/>',
            "glide: target velocity of rail, -3 to 3 m/s",
        ),
        (
            HINGE,
            '<position name="servo" joint="knee" gear="2" kp="50" ctrlrange="-1 1"/>',
            "servo: target position of knee, -0.5 to 0.5 rad",
        ),
        (
            HINGE,
            '<intvelocity name="turn" joint="knee" kp="50" actrange="-0.5 1" ctrlrange="-3 3"/>',
            "turn: rate of change of the target position of knee, -3 to 3 rad/s, "
            "kept within -0.5 to 1 rad",
        ),
        (
            HINGE,
            '<general name="slow" joint="knee" gear="4" dyntype="filterexact" dynprm="0.02" '
            'ctrlrange="-1 1"/>',
            "slow: torque on knee, -4 to 4 N m, reached with a delay of 0.02 s",
        ),
        (
            HINGE,
            '<damper name="brake" joint="knee" kv="3" ctrlrange="0 1"/>',
            "brake: control value 0 to 1 on knee",
        ),
        (
            HINGE,
            '<muscle name="biceps" joint="knee" ctrlrange="0 1" lengthrange="0.5 1"/>',
            "biceps: control value 0 to 1 on knee",
        ),
        (
            '<freejoint name="root"/>',
            '<motor name="thrust" joint="root" gear="0 0 9 0 0 0" ctrlrange="0 1"/>',
            "thrust: control value 0 to 1 on root",
        ),
    ],
)
def test_an_actuator_says_what_it_moves_and_how_strongly(
    joint: str, actuator: str, fact: str
) -> None:
    assert actuator_facts(model(joint, actuator)) == (fact,)


@pytest.mark.parametrize(
    ("gear", "fact"),
    [
        ("1", "jet: force along its x axis at tip, 0 to 2 N"),
        ("0 0 3", "jet: force along its z axis at tip, 0 to 6 N"),
        ("0 0 0 0 2 0", "jet: torque about its y axis at tip, 0 to 4 N m"),
        ("0 1 1", "jet: control value 0 to 2"),
    ],
)
def test_an_actuator_on_a_site_says_along_which_axis_it_acts(gear: str, fact: str) -> None:
    site = '<joint name="knee"/><site name="tip"/>'
    motor = f'<motor name="jet" site="tip" gear="{gear}" ctrlrange="0 2"/>'
    assert actuator_facts(model(site, motor)) == (fact,)


def test_a_robot_without_actuators_has_no_actuator_facts() -> None:
    assert actuator_facts(model(HINGE)) == ()


def test_the_mass_is_of_all_that_moves() -> None:
    assert moving_mass(model(HINGE)) == pytest.approx(2.0)


def test_a_tendon_over_hinges_turns_and_one_over_slides_pulls() -> None:
    def fact(joint: str) -> str:
        found = mujoco.MjModel.from_xml_string(f"""
            <mujoco>
              <worldbody><body>{joint}<geom size="0.1"/></body></worldbody>
              <tendon><fixed name="cord"><joint joint="one" coef="2"/></fixed></tendon>
              <actuator><position name="drive" tendon="cord" kp="5" ctrlrange="-1 1"/></actuator>
            </mujoco>""")
        return actuator_facts(found)[0]

    assert fact('<joint name="one" type="hinge"/>') == "drive: target position of cord, -1 to 1 rad"
    assert fact('<joint name="one" type="slide"/>') == "drive: target position of cord, -1 to 1 m"
