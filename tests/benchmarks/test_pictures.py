"""A picture holds the robot, and dressing a model for it changes nothing but its looks."""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from eureka_agent.environment import Environment, find_environment
from eureka_agent.simulation.rendering import describe_rendering

NONE = Path("none.zip")
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    pytest.importorskip("PIL", reason="pictures are written with Pillow")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("pictures")
    monkeypatch.setattr(module, "KEEP", tmp_path)
    return module


@pytest.fixture(scope="module", params=["cartpole", "half_cheetah", "hopper"])
def environment(request: pytest.FixtureRequest) -> Environment:
    """One environment for each way to build a model: a scene, a compiled model, a spec."""
    return find_environment(request.param)


def test_a_dressed_model_has_the_states_of_the_plain_one(
    pictures: ModuleType, environment: Environment
) -> None:
    shot, plain = pictures.Shot(), environment.model
    points = pictures.extents(plain, pictures.moments(environment, shot, NONE), near=False)
    dressed = pictures.dressed(environment, points, shot.azimuth, shot.elevation)
    assert (dressed.nq, dressed.nv, dressed.nu) == (plain.nq, plain.nv, plain.nu)
    assert np.allclose(dressed.body_mass, plain.body_mass, rtol=1e-5)
    assert dressed.camera(pictures.CAMERA).id >= 0


@pytest.mark.skipif(
    not describe_rendering().startswith("works"), reason="nothing here can draw pictures"
)
def test_a_picture_holds_all_of_the_robot(
    pictures: ModuleType, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "FINER", 1)
    shown = np.asarray(pictures.picture(environment)).astype(int)
    assert shown.shape == (pictures.HEIGHT, pictures.WIDTH, 3)
    coloured = np.ptp(shown, axis=2) > 60  # floor and sky are pale
    rows, columns = coloured.any(1).nonzero()[0], coloured.any(0).nonzero()[0]
    assert coloured.mean() > 0.002
    assert rows[0] > 0 and columns[0] > 0
    assert rows[-1] < pictures.HEIGHT - 1 and columns[-1] < pictures.WIDTH - 1
