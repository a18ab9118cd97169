"""Pictures of a model's states, drawn off screen.

MuJoCo draws through OpenGL; a machine without a display needs EGL for it. `MUJOCO_GL` is obeyed
where it names a backend; otherwise backends are tried until one works.
"""

import copy
import functools
import importlib
import math
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any, Self

import mujoco
import numpy as np
from numpy.typing import ArrayLike

from eureka_agent.common.errors import MissingError, UsageError

REMEDY = "on Debian and Ubuntu, apt install libegl1 libgl1-mesa-dri"
BACKENDS = ("egl", "glfw", "osmesa") if sys.platform == "linux" else ("cgl", "glfw")
"""What MUJOCO_GL can name."""
OWN = ("", "1", "enable", "enabled", "glx", "on", "true")
"""Values of MUJOCO_GL that leave the choice to MuJoCo."""
MOST_GEOMS = 10_000
AZIMUTH, ELEVATION = 120.0, -18.0
"""Degrees: the camera of models that have none looks along the left of x, and a little down."""
WIDER = 16
"""Factor by which floors are drawn wider than in the model."""
ROOM, CLOSE = 1.5, 1.3
"""View of that camera over the size of what it looks at, and of one that comes close."""
TINY = 0.4
"""Fraction of half a picture's height below which all that moves is too small to be seen well."""
TRACKING = (mujoco.mjtCamLight.mjCAMLIGHT_TRACK.value, mujoco.mjtCamLight.mjCAMLIGHT_TRACKCOM.value)
"""Modes of a model's cameras that follow a body."""


class Renderer:
    """Draws states of one model off screen; a context manager, for one thread.

    Args:
        model: the compiled model.
        width: of a frame, in pixels.
        height: of a frame, in pixels.
        camera: name of a camera of the model. By default its first one; of a model without any, a
            camera that follows the heaviest moving body from the side.
        close: come close to that body, from the side where the model's first camera tracks it; has
            no effect for a camera that stands still.

    Raises:
        UsageError: the model has no such camera.
        MissingError: nothing on this machine can draw; the remedy names what to install.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        width: int = 640,
        height: int = 400,
        camera: str | None = None,
        *,
        close: bool = False,
    ) -> None:
        self._again = functools.partial(Renderer, model, width, height, camera, close=close)
        self.camera = mujoco.MjvCamera()
        model = _with_wide_floors(model)
        self._model, self._data = model, mujoco.MjData(model)
        self._followed = _aim(self.camera, model, camera, close)
        self._window = mujoco.MjrRect(0, 0, width, height)
        self._option, self._perturbation = mujoco.MjvOption(), mujoco.MjvPerturb()
        self._gl, self._drawing = _open(model, width, height)
        self._scene = mujoco.MjvScene(model, maxgeom=MOST_GEOMS)
        mujoco.mjr_resizeOffscreen(width, height, self._drawing)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._drawing)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Renderer":
        """Another one that draws the same, with an OpenGL context of its own."""
        copied = memo[id(self)] = self._again()
        return copied

    def frame(
        self,
        qpos: ArrayLike,
        *,
        mocap_pos: ArrayLike | None = None,
        mocap_quat: ArrayLike | None = None,
        earlier: Sequence[ArrayLike] = (),
    ) -> np.ndarray:
        """A picture of one state, `[height, width, 3]` uint8.

        Args:
            qpos: positions `[nq]`.
            mocap_pos: positions of mocap bodies `[nmocap, 3]`; as they were when None.
            mocap_quat: their rotations `[nmocap, 4]`; as they were when None.
            earlier: positions `[nq]` of other states, whose moving parts are drawn as well.
        """
        data = self._data
        if mocap_pos is not None:
            data.mocap_pos[:] = mocap_pos
        if mocap_quat is not None:
            data.mocap_quat[:] = mocap_quat
        self._pose(qpos)
        if self._followed is not None:  # not upwards: a picture that hops shows no hopping
            self.camera.lookat[:2] = data.subtree_com[self._followed][:2]
        everything = mujoco.mjtCatBit.mjCAT_ALL.value
        seen = (self._option, self._perturbation, self.camera)
        mujoco.mjv_updateScene(self._model, data, *seen, everything, self._scene)
        moving = mujoco.mjtCatBit.mjCAT_DYNAMIC.value
        for other in earlier:
            self._pose(other)
            mujoco.mjv_addGeoms(self._model, data, *seen[:2], moving, self._scene)
        self._gl.make_current()
        mujoco.mjr_render(self._window, self._scene, self._drawing)
        pixels = np.empty((self._window.height, self._window.width, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(pixels, None, self._window, self._drawing)
        return pixels[::-1].copy()  # OpenGL counts rows from below

    def come_near(self, poses: Sequence[ArrayLike]) -> None:
        """Move a fixed camera closer if everything that moves is tiny in its picture.

        It then looks from the same side, and sees everything that moves in these states.

        Args:
            poses: positions `[nq]` of states.
        """
        model, data, camera = self._model, self._data, self.camera
        fixed = camera.type == mujoco.mjtCamera.mjCAMERA_FIXED.value
        moving = (model.body_weldid[model.geom_bodyid] > 0) & (model.geom_rgba[:, 3] > 0)
        if not fixed or int(model.cam_mode[camera.fixedcamid]) in TRACKING or not moving.any():
            return
        lows, highs, radii = [], [], model.geom_rbound[moving][:, None]
        for pose in poses:
            self._pose(pose)
            lows.append((data.geom_xpos[moving] - radii).min(0))
            highs.append((data.geom_xpos[moving] + radii).max(0))
        low, high = np.min(lows, 0), np.max(highs, 0)
        mujoco.mj_camlight(model, data)
        here = data.cam_xpos[camera.fixedcamid]
        ahead = -data.cam_xmat[camera.fixedcamid].reshape(3, 3)[:, 2]
        size = float(np.linalg.norm(high - low))
        distance = float(np.linalg.norm((low + high) / 2 - here))
        fovy = math.radians(float(model.cam_fovy[camera.fixedcamid]))
        if size / 2 / max(distance * math.tan(fovy / 2), 1e-9) > TINY:
            return
        _look_along(camera, ahead)
        _show(camera, model, low, high, CLOSE)

    def close(self) -> None:
        """Free the memory of the graphics."""
        self._gl.make_current()
        self._drawing.free()
        self._gl.free()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _pose(self, qpos: ArrayLike) -> None:
        self._data.qpos[:] = qpos
        mujoco.mj_fwdPosition(self._model, self._data)


def describe_rendering() -> str:
    """Whether this machine can draw, and through which backend, found out by trying."""
    try:
        gl, drawing = _open(mujoco.MjModel.from_xml_string("<mujoco/>"), 16, 16)
    except MissingError as error:
        return f"does not work: {error}"
    drawing.free()
    gl.free()
    return f"works, through {type(gl).__module__.removeprefix('mujoco.')}"


def _with_wide_floors(model: mujoco.MjModel) -> mujoco.MjModel:
    """A copy whose floors are drawn farther than robots run: planes that collide are infinite."""
    model = copy.copy(model)
    collides = (model.geom_contype > 0) | (model.geom_conaffinity > 0)
    floors = (model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE) & collides
    model.geom_size[floors, :2] *= WIDER
    painted = {int(material) for material in model.geom_matid[floors] if material >= 0}
    for material in painted:
        if not model.mat_texuniform[material]:  # its pattern is stretched over the floor
            model.mat_texrepeat[material] *= WIDER
    return model


def _aim(
    camera: mujoco.MjvCamera, model: mujoco.MjModel, name: str | None, close: bool
) -> int | None:
    """Point a camera at a model; gives the body that it has to follow, if any."""
    names = [model.camera(i).name for i in range(model.ncam)]
    if name is not None and name not in names:
        known = f"It has {', '.join(names)}." if any(names) else "It has none."
        raise UsageError(f"The model has no camera {name!r}.", known)
    close = close and bool(names) and int(model.cam_mode[0]) in TRACKING
    if names and not close:
        camera.type = mujoco.mjtCamera.mjCAMERA_FIXED.value
        camera.fixedcamid = names.index(name) if name is not None else 0
        return None
    roots = [b for b in range(1, model.nbody) if model.body_parentid[b] == 0]
    moving = [body for body in roots if model.body_dofnum[body] > 0]
    followed = max(moving, key=lambda body: model.body_subtreemass[body], default=None)
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE.value
    camera.azimuth, camera.elevation = AZIMUTH, ELEVATION
    data = mujoco.MjData(model)
    mujoco.mj_fwdPosition(model, data)
    if close:
        mujoco.mj_camlight(model, data)
        _look_along(camera, -data.cam_xmat[0].reshape(3, 3)[:, 2])
    # Not the compiler's extent: a floor makes it a hundred times the robot's.
    plane = model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE
    parts = ~plane & ((followed is None) | (model.body_rootid[model.geom_bodyid] == followed))
    if parts.any():
        places, radii = data.geom_xpos[parts], model.geom_rbound[parts][:, None]
        low, high = (places - radii).min(0), (places + radii).max(0)
        _show(camera, model, low, high, CLOSE if close else ROOM)
    return followed


def _show(
    camera: mujoco.MjvCamera, model: mujoco.MjModel, low: np.ndarray, high: np.ndarray, room: float
) -> None:
    """Move a free camera to where it sees the box from `low` to `high`, with some room."""
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE.value
    camera.lookat[:] = (low + high) / 2
    half_view = math.radians(float(model.vis.global_.fovy) / 2)
    camera.distance = room * float(np.linalg.norm(high - low)) / 2 / math.tan(half_view)


def _look_along(camera: mujoco.MjvCamera, ahead: np.ndarray) -> None:
    camera.azimuth = math.degrees(math.atan2(ahead[1], ahead[0]))
    camera.elevation = math.degrees(math.asin(max(-1.0, min(1.0, ahead[2]))))


def _open(model: mujoco.MjModel, width: int, height: int) -> tuple[Any, mujoco.MjrContext]:
    """An OpenGL context that draws off screen, made current, and the model's resources in it.

    Raises:
        MissingError: there is none.
    """
    failures = []
    for name in _backends():
        try:
            gl = _context(name, width, height)
            gl.make_current()
            return gl, mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        except Exception as error:  # drivers raise anything
            label = name or "MuJoCo's own choice"
            failures.append(f"{label}: {error}".splitlines()[0])
    raise MissingError(f"Nothing here can draw pictures ({'; '.join(failures)}).", _remedy())


def _remedy() -> str:
    """What to do where nothing draws: unset the variable that misleads, then install."""
    chosen = os.environ.get("MUJOCO_GL", "")
    name = "PYOPENGL_PLATFORM" if _misled(chosen.strip().lower() or "egl") else "MUJOCO_GL"
    if not os.environ.get(name):
        return REMEDY
    return f"Unset {name}, which is {os.environ[name]!r}; if that does not help: {REMEDY}"


def _misled(backend: str) -> bool:
    """Whether PyOpenGL, which EGL and OSMesa use, is set to another platform."""
    platform = os.environ.get("PYOPENGL_PLATFORM", "").lower()
    return backend in ("egl", "osmesa") and platform not in ("", backend)


def _backends() -> list[str]:
    """Backends that may draw here, the likelier first; empty is MuJoCo's own choice."""
    chosen = os.environ.get("MUJOCO_GL", "").strip().lower()
    if chosen not in OWN:
        return [chosen]
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    linux = sys.platform == "linux"
    return [""] * bool(chosen or display or not linux) + ["egl"] * linux


def _context(backend: str, width: int, height: int) -> Any:
    """An OpenGL context of a backend, which is loaded only now."""
    if backend not in ("", *BACKENDS):
        raise OSError(f"MUJOCO_GL can be {', '.join(BACKENDS)} or unset, not {backend!r}")
    if _misled(backend):
        raise OSError(f"PYOPENGL_PLATFORM is {os.environ['PYOPENGL_PLATFORM']!r}")
    try:
        module = importlib.import_module(f"mujoco.{backend or 'gl_context'}")
    except (AttributeError, ImportError, TypeError) as error:  # PyOpenGL raises any of these
        raise OSError("its library is not installed, or does not work") from error
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        context = module.GLContext(width, height)
    # GLFW only warns of a missing display; drawing then would end the process.
    for warning in said:
        if warning.category.__name__ == "GLFWError":
            raise OSError(str(warning.message))
    return context
