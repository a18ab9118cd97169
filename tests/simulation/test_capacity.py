"""Buffers are large enough for the model, and a model may ask for more."""

import mujoco
import numpy as np

from eureka_agent.environment import find_environment
from eureka_agent.simulation.capacity import Capacity, measure_capacity

BALLS = """
<mujoco>
  {size}
  <worldbody>
    <geom type="plane" size="5 5 1"/>
    <body pos="0 0 .2"><freejoint/><geom size=".1"/></body>
    <body pos="1 0 .2"><freejoint/><geom size=".1"/></body>
  </worldbody>
</mujoco>
"""
PAIRS = np.array([[0, 1], [0, 2], [1, 2]])


def test_a_model_has_room_for_twice_what_it_uses() -> None:
    model = mujoco.MjModel.from_xml_string(BALLS.format(size=""))
    # Two balls on the floor: two contacts, of four constraint rows each.
    assert measure_capacity(model, PAIRS) == Capacity(contacts=8, rows=16)


def test_a_model_gets_the_sizes_that_it_asks_for() -> None:
    size = '<size nconmax="100" njmax="300"/>'
    model = mujoco.MjModel.from_xml_string(BALLS.format(size=size))
    assert measure_capacity(model, PAIRS) == Capacity(contacts=100, rows=300)


def test_the_same_model_always_gets_the_same_sizes() -> None:
    model = find_environment("half_cheetah").model
    pairs = np.array([[0, geom] for geom in range(1, model.ngeom)])
    assert measure_capacity(model, pairs) == measure_capacity(model, pairs)


def test_a_model_without_geoms_or_motors_can_be_measured() -> None:
    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><body><inertial pos='0 0 0' mass='1' diaginertia='1 1 1'/><joint/>"
        "</body></worldbody></mujoco>"
    )
    assert measure_capacity(model, np.zeros((0, 2), dtype=int)).rows == 16
