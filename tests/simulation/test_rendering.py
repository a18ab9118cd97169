"""Pictures show the states they are asked for, and a machine that cannot draw says what to do."""

import os
import subprocess
import sys
from collections.abc import Iterator

import mujoco
import numpy as np
import pytest

from eureka_agent.common.errors import UsageError
from eureka_agent.simulation.rendering import Renderer, describe_rendering

ROBOT = """
<mujoco>
  <worldbody>
    <light pos="0 0 4"/>
    <geom type="plane" size="50 50 1" rgba="0 0 1 1"/>
    <body name="goal" mocap="true" pos="0 0 -5"><geom size="0.3" rgba="0 1 0 1"/></body>
    <body name="ball" pos="0 0 0.3"><freejoint/><geom size="0.3" rgba="1 0 0 1"/></body>
    {camera}
  </worldbody>
</mujoco>
"""
FIXED = '<camera name="above" pos="0 0 8"/>'
VARIABLES = ("MUJOCO_GL", "PYOPENGL_PLATFORM", "DISPLAY")
CAN_DRAW = describe_rendering().startswith("works")
draws = pytest.mark.skipif(not CAN_DRAW, reason="nothing on this machine can draw pictures")


def model(camera: str = "") -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(ROBOT.format(camera=camera))


def at(x: float) -> np.ndarray:
    return np.array([x, 0.0, 0.3, 1.0, 0.0, 0.0, 0.0])


def share(frame: np.ndarray, channel: int) -> float:
    """Share of the pixels in which a colour outweighs the two others."""
    others = np.delete(frame.astype(int), channel, axis=2).max(2)
    return float((frame[:, :, channel].astype(int) > others + 20).mean())


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    with Renderer(model(FIXED), 96, 64) as renderer:
        yield renderer


@draws
def test_a_frame_shows_the_state_and_no_trace_of_the_last_one(renderer: Renderer) -> None:
    first = renderer.frame(at(0.0))
    assert first.shape == (64, 96, 3) and first.dtype == np.uint8
    assert share(first, 0) > 0.002
    assert not np.array_equal(renderer.frame(at(1.0)), first)
    assert np.array_equal(renderer.frame(at(0.0)), first)


@draws
def test_earlier_states_are_drawn_beside_the_present_one(renderer: Renderer) -> None:
    alone = share(renderer.frame(at(0.0)), 0)
    both = share(renderer.frame(at(0.0), earlier=[at(1.5)]), 0)
    assert both > 1.5 * alone


@draws
def test_a_mocap_body_is_drawn_where_it_was_put(renderer: Renderer) -> None:
    assert share(renderer.frame(at(0.0)), 1) == 0.0
    assert share(renderer.frame(at(0.0), mocap_pos=[[1.0, 1.0, 0.5]]), 1) > 0.002


@draws
def test_without_a_camera_in_the_model_the_robot_is_followed() -> None:
    with Renderer(model(), 96, 64) as renderer:
        near, far = (share(renderer.frame(at(x)), 0) for x in (0.0, 20.0))
    assert near > 0.002 and far == pytest.approx(near, rel=0.5)


@draws
def test_a_fixed_camera_moves_closer_to_a_tiny_robot() -> None:
    far_away = '<camera name="far" pos="0 -40 10" xyaxes="1 0 0 0 0.3 1"/>'
    poses = [at(-0.1), at(0.1)]
    with Renderer(model(far_away), 96, 64) as renderer:
        tiny = share(renderer.frame(poses[0]), 0)
        renderer.come_near(poses)
        seen = [share(renderer.frame(pose), 0) for pose in poses]
    assert min(seen) > 10 * tiny
    with Renderer(model(FIXED), 96, 64) as renderer:
        before = renderer.frame(at(0.0))
        renderer.come_near([at(-2.5), at(2.5)])  # it fills the picture as it is
        assert np.array_equal(renderer.frame(at(0.0)), before)


@draws
def test_the_floor_is_drawn_as_far_as_robots_run() -> None:
    small = ROBOT.replace("50 50 1", "5 5 1").format(camera="")
    there = mujoco.MjModel.from_xml_string(small)
    with Renderer(there, 60, 40) as renderer:
        near, far = (share(renderer.frame(at(x)), 2) for x in (0.0, 40.0))
    assert far > 0.8 * near
    assert there.geom_size[0, 0] == 5.0


@draws
def test_a_frame_may_be_larger_than_the_model_foresees() -> None:
    with Renderer(model(FIXED), 1280, 800) as renderer:
        assert renderer.frame(at(0.0)).shape == (800, 1280, 3)


def test_a_camera_that_the_model_lacks_is_named_with_those_it_has() -> None:
    with pytest.raises(UsageError, match=r"no camera 'side'\. It has above"):
        Renderer(model(FIXED), camera="side")


@pytest.mark.skipif(sys.platform != "linux", reason="backends have other names elsewhere")
@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("MUJOCO_GL", "disable", "can be egl, glfw, osmesa or unset"),
        ("MUJOCO_GL", "nonsense", "can be egl, glfw, osmesa or unset"),
        ("PYOPENGL_PLATFORM", "nonsense", "PYOPENGL_PLATFORM is 'nonsense'"),
    ],
)
def test_a_machine_that_cannot_draw_says_why_and_what_to_do(
    variable: str, value: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    require_advice(describe_rendering(), variable, value, why)


def require_advice(said: str, variable: str, value: str, why: str) -> None:
    """Require that a description says why nothing draws, and what to unset and install."""
    assert said.startswith("does not work")
    assert why in said
    assert f"Unset {variable}, which is {value!r}" in said
    assert "apt install libegl1 libgl1-mesa-dri" in said


def run_elsewhere(code: str, **environment: str) -> list[str]:
    """Lines that a new process prints, whose first import of MuJoCo reads this environment."""
    said = "from eureka_agent.simulation.rendering import describe_rendering as describe"
    variables = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    words = [sys.executable, "-c", f"import os\n{said}\n{code}"]
    done = subprocess.run(
        words, env=variables | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="OSMesa is Linux's")
def test_a_missing_graphics_library_disables_rendering_only() -> None:
    """MuJoCo loads its graphics library at the first import, and would fail with it."""
    (said,) = run_elsewhere("print(describe())", MUJOCO_GL="osmesa")
    assert "osmesa" in said
    assert said.startswith("works") or "its library is not installed" in said


@pytest.mark.skipif(sys.platform != "linux", reason="displays have no name elsewhere")
@draws
def test_a_missing_display_leaves_egl_to_draw_and_glfw_says_why_it_cannot() -> None:
    code = "print(describe())\ndel os.environ['DISPLAY']\nos.environ['MUJOCO_GL'] = 'glfw'\n"
    by_default, with_glfw = run_elsewhere(f"{code}print(describe())", DISPLAY=":77")
    assert "egl" in by_default
    require_advice(with_glfw, "MUJOCO_GL", "glfw", "DISPLAY")
