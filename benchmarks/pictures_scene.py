"""What `pictures.py` draws: a model in a scene of its own, and a camera that sees enough of it."""

import itertools
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from eureka_agent.environment import Environment
from eureka_agent.environment.model_facts import compile_spec

ASPECT = 1.6
"""Width of a picture over its height."""
FIELD_OF_VIEW = 30.0
"""Degrees, from top to bottom: a long lens, so that what is far off is not much smaller."""
MARGIN = 1.15
"""Room around what a picture holds."""
SKY, HORIZON = (0.60, 0.73, 0.87), (0.93, 0.95, 0.97)
SUN = (0.25, 0.35, -1.0)
"""Which way the light falls."""
FLOOR = ((0.80, 0.82, 0.84), (0.74, 0.76, 0.79))
CAMERA = "picture"


@dataclass(frozen=True)
class Moment:
    """A state of the physics, of what a picture shows of it."""

    qpos: np.ndarray
    mocap_pos: np.ndarray
    mocap_quat: np.ndarray


def dressed(
    environment: Environment, points: np.ndarray, azimuth: float, elevation: float
) -> mujoco.MjModel:
    """A copy of the model to draw: with sky, light, a floor, and a camera called `CAMERA`.

    Args:
        environment: whose model.
        points: that the camera has to see, in the world `[P, 3]`, m.
        azimuth: degrees: the way that it looks, 90 along y, with x to the right.
        elevation: degrees: how steeply it looks, negative downwards.
    """
    spec = _spec(environment)
    _light(spec, points)
    _sky(spec)
    _floor(spec, float(points[:, 2].min()))
    _camera(spec, points, math.radians(azimuth), math.radians(elevation))
    return compile_spec(spec)


def _spec(environment: Environment) -> mujoco.MjSpec:
    """The model to change; one that the environment compiled is read back."""
    scene = environment.folder / "scene.xml"
    built = environment.build()
    if isinstance(built, mujoco.MjSpec):
        return built
    if scene.is_file():  # with paths to whatever it is made of
        return mujoco.MjSpec.from_file(str(scene))
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.xml")
        mujoco.mj_saveLastXML(path, built)
        return mujoco.MjSpec.from_file(path)


def extents(model: mujoco.MjModel, seen: Sequence[Moment], near: bool) -> np.ndarray:
    """Corners `[P, 3]` of boxes around all that a picture should hold, at all its moments."""
    shown = (model.geom_rgba[:, 3] > 0) & (model.geom_group < 3)
    shown &= model.geom_type != mujoco.mjtGeom.mjGEOM_PLANE
    if near:
        shown &= model.body_weldid[model.geom_bodyid] != 0
    centres, halves = model.geom_aabb[shown, None, :3], model.geom_aabb[shown, None, 3:]
    corners = centres + halves * np.array(list(itertools.product((-1, 1), repeat=3)))
    data, points = mujoco.MjData(model), []
    for moment in seen:
        data.qpos[:], data.mocap_pos[:], data.mocap_quat[:] = vars(moment).values()
        mujoco.mj_kinematics(model, data)
        turned = corners @ data.geom_xmat[shown].reshape(-1, 3, 3).transpose(0, 2, 1)
        points.append((turned + data.geom_xpos[shown, None]).reshape(-1, 3))
    return np.concatenate(points)


def _light(spec: mujoco.MjSpec, points: np.ndarray) -> None:
    """One sun over what the picture holds: shadows are drawn in an extent around a light."""
    low, high = points.min(0), points.max(0)
    spec.stat.center, spec.stat.extent = (low + high) / 2, float(np.linalg.norm(high - low))
    for light in list(spec.lights):
        spec.delete(light)
    light = spec.worldbody.add_light()
    light.type = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
    light.pos, light.dir = spec.stat.center - spec.stat.extent * np.array(SUN), SUN
    light.diffuse, light.specular = (0.45,) * 3, (0.15,) * 3
    spec.visual.headlight.ambient = (0.5,) * 3
    spec.visual.headlight.diffuse = (0.2,) * 3
    spec.visual.headlight.specular = (0.0,) * 3
    spec.visual.quality.shadowsize = 4096
    spec.visual.quality.offsamples = 8


def _sky(spec: mujoco.MjSpec) -> None:
    for texture in list(spec.textures):
        if texture.type == mujoco.mjtTexture.mjTEXTURE_SKYBOX:
            spec.delete(texture)
    spec.add_texture(
        name="picture_sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=SKY,
        rgb2=HORIZON,
        width=512,
        height=3072,
    )
    spec.visual.rgba.haze = (*HORIZON, 1.0)
    spec.visual.map.haze = 0.5
    spec.visual.map.zfar = 100.0


def _floor(spec: mujoco.MjSpec, lowest: float) -> None:
    """The floor in our colours and without end; below everything where the model has none."""
    spec.add_texture(
        name="picture_floor",
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        rgb1=FLOOR[0],
        rgb2=FLOOR[1],
        width=512,
        height=512,
    )
    material = spec.add_material(name="picture_floor", texrepeat=(1, 1), texuniform=True)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "picture_floor"
    planes = [g for g in spec.geoms if g.type == mujoco.mjtGeom.mjGEOM_PLANE]
    if not planes:
        plane = spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, pos=(0, 0, lowest))
        plane.contype = plane.conaffinity = 0
        planes.append(plane)
    for plane in planes:
        plane.material, plane.rgba, plane.size = "picture_floor", (1.0,) * 4, (0.0, 0.0, 1.0)


def _camera(spec: mujoco.MjSpec, points: np.ndarray, azimuth: float, elevation: float) -> None:
    """A camera that looks as it is told, angles in radians, from as near as it sees everything."""
    level = math.cos(elevation)
    ahead = np.array([level * math.cos(azimuth), level * math.sin(azimuth), math.sin(elevation)])
    right = np.array([math.sin(azimuth), -math.cos(azimuth), 0.0])
    up = np.cross(right, ahead)
    tangent = math.tan(math.radians(FIELD_OF_VIEW / 2))
    middle, back = np.zeros(3), -np.inf
    for axis, reach in ((right, tangent * ASPECT), (up, tangent)):
        along = points @ axis
        centre = (along.min() + along.max()) / 2
        middle += axis * centre
        needed = np.abs(along - centre) * MARGIN / reach - points @ ahead
        back = max(back, float(needed.max()))
    camera = spec.worldbody.add_camera(name=CAMERA, pos=middle - back * ahead, fovy=FIELD_OF_VIEW)
    camera.alt.type = mujoco.mjtOrientation.mjORIENTATION_XYAXES
    camera.alt.xyaxes = [*right, *up]
