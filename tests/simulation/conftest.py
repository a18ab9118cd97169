"""A small robot with all features that the two simulators must agree on, and Warp's devices."""

import mujoco
import pytest
import torch
import warp

from eureka_agent.simulation import gpu_obstacle

# One leg on a free body: contacts, a joint limit, a muscle-like activation, a goal that is moved,
# and sensors of each kind.
LEG = """
<mujoco>
  <option timestep="0.005" integrator="implicitfast"/>
  <worldbody>
    <geom name="floor" type="plane" size="5 5 1"/>
    <body name="goal" mocap="{mocap}" pos="1 0 1"><site name="goal"/></body>
    <body name="torso" pos="0 0 0.55">
      <freejoint/>
      <geom type="sphere" size="0.12" mass="2"/>
      <site name="torso"/>
      <body name="leg" pos="0 0 -0.15">
        <joint name="hip" axis="0 1 0" range="-60 60" limited="true" damping="0.5"/>
        <geom type="sphere" size="0.06" pos="0 0 -0.3" mass="0.5"/>
        <site name="foot" pos="0 0 -0.3" size="0.07"/>
      </body>
    </body>
  </worldbody>
  <actuator>
    <general joint="hip" gear="10" dyntype="filter" dynprm="0.02" ctrllimited="true"
      ctrlrange="-1 1"/>
  </actuator>
  <sensor>
    <framelinvel objtype="site" objname="foot"/>
    <framepos objtype="site" objname="goal" reftype="site" refname="torso"/>
    <touch site="foot"/>
    <accelerometer site="torso"/>
  </sensor>
</mujoco>
"""


@pytest.fixture(scope="session")
def leg() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(LEG.format(mocap="false"))


@pytest.fixture(scope="session")
def leg_with_goal() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(LEG.format(mocap="true"))


DEVICES = [torch.device("cpu")]
if gpu_obstacle() is None:
    DEVICES.append(pytest.param(torch.device("cuda", 0), marks=pytest.mark.gpu))


@pytest.fixture(scope="session", params=DEVICES, ids=str)
def device(request: pytest.FixtureRequest) -> torch.device:
    """Where Warp runs: its CPU device always, a GPU where there is one."""
    # Without optimisation, kernels for the CPU compile in half the time.
    warp.config.optimization_level = 0 if request.param.type == "cpu" else None
    return request.param
