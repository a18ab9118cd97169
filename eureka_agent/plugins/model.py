"""A model on its way into an environment's folder: read, completed, written in one piece."""

import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from eureka_agent.errors import UsageError
from eureka_agent.plugins.start import START, start_pose

ASSETS = "assets"
LICENCES = ("LICENSE*", "LICENCE*", "COPYING*")

_SLIDE, _HINGE = mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_HINGE
_COMPARED = ("qpos0", "body_mass", "body_inertia", "body_pos", "geom_rbound", "jnt_range")
_REACH = {_SLIDE: (-1.0, 1.0), _HINGE: (-3.14, 3.14)}
"""Target positions of a joint without limits, m and rad."""
_SPEED = {_SLIDE: (-1.0, 1.0), _HINGE: (-6.0, 6.0)}
"""Target velocities, m/s and rad/s."""


@dataclass
class Brought:
    """A model that was read and completed.

    Attributes:
        spec: what is written.
        model: the same, compiled.
        source: the file that it was read from.
        files: meshes, textures and height fields, by their names in the new folder.
        changes: what was added to the model, a sentence each.
        as_it_is: whether nothing had to be, and the file stands alone: then it is copied.
    """

    spec: mujoco.MjSpec
    model: mujoco.MjModel
    source: Path
    files: dict[str, Path] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    as_it_is: bool = True

    def write(self, folder: Path) -> None:
        """Write `scene.xml`, with all includes merged, and the files it needs.

        Raises:
            UsageError: what was written is not the model that was read.
        """
        for name, path in self.files.items():
            target = folder / ASSETS / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        scene = folder / "scene.xml"
        if self.as_it_is:
            shutil.copyfile(self.source, scene)
        else:
            self.spec.modelfiledir = str(folder)  # where its files lie now
            with _explained(self.source):
                scene.write_text(self.spec.to_xml(), encoding="utf-8")
        for pattern in LICENCES:
            for path in self.source.parent.glob(pattern):
                shutil.copyfile(path, folder / path.name)
        _compare(self.model, compiled(read(scene), scene), self.source)


def bring(path: Path) -> Brought:
    """Read a MJCF (or URDF) file and complete what an environment needs of a model.

    What is read by name gets a name, actuators without a control range get one, and a model
    whose own pose lies outside joint limits or inside the ground gets a keyframe to start from.

    Raises:
        UsageError: the file is no model, lacks files that it names, or has no actuator.
    """
    spec = read(path)
    model = compiled(spec, path)
    if not model.nu:
        joint = next((model.joint(i).name for i in range(model.njnt)), "") or "NAME"
        raise UsageError(
            f"{path} has no actuator: nothing in it can be driven.",
            f'Add some, such as <actuator><motor joint="{joint}" ctrlrange="-1 1"/></actuator>.',
        )
    brought = Brought(spec, model, path.resolve())
    named = _name_parts(spec)
    _give_control_ranges(brought)
    pose = start_pose(model)
    if pose is not None:
        if spec.key(START) is not None:
            spec.delete(spec.key(START))
        spec.add_key(name=START, qpos=pose.pose)
        brought.changes.append(f"Episodes begin at the keyframe {START!r}: {pose.reason}.")
    brought.model = compiled(spec, path)
    _collect_files(brought)  # after which it compiles in its new place only
    stands_alone = not brought.files and b"<include" not in path.read_bytes()
    brought.as_it_is = stands_alone and not named and not brought.changes
    return brought


def read(path: Path) -> mujoco.MjSpec:
    """Read a model.

    Raises:
        UsageError: there is none.
    """
    if not path.is_file():
        raise UsageError(f"There is no model {path}.", "Give the path of a MJCF file.")
    with _explained(path):
        return mujoco.MjSpec.from_file(str(path.resolve()))


def compiled(spec: mujoco.MjSpec, path: Path) -> mujoco.MjModel:
    """Compile a model.

    Raises:
        UsageError: it is broken.
    """
    with _explained(path):
        return spec.compile()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """What MuJoCo says about a model becomes an error; old-fashioned ones are no news here."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ValueError as error:
        said = " ".join(str(error).split())
        raise UsageError(
            f"MuJoCo cannot use the model {path}: {said}",
            "Mend the model; python -m mujoco.viewer shows one that works.",
        ) from error


def _name_parts(spec: mujoco.MjSpec) -> bool:
    """Name bodies, joints, geoms, actuators and sensors that have no name; whether there were."""
    named = 0
    for word, parts in (("body", spec.bodies), ("joint", spec.joints), ("geom", spec.geoms)):
        named += _name_all(parts, lambda part, word=word: f"{word}_{part.id}")
    named += _name_all(spec.actuators, lambda part: part.target or f"actuator_{part.id}")
    return named + _name_all(spec.sensors, lambda part: f"sensor_{part.id}") > 0


def _name_all(parts: Sequence[Any], name: Callable[[Any], str]) -> int:
    """Name those without a name; returns how many there were."""
    taken = {part.name for part in parts}
    nameless = [part for part in parts if not part.name]
    for part in nameless:
        wanted = name(part)
        while wanted in taken:
            wanted += "_"
        part.name = wanted
        taken.add(wanted)
    return len(nameless)


def _give_control_ranges(brought: Brought) -> None:
    model = brought.model
    for part in brought.spec.actuators:
        low, high = model.actuator_ctrlrange[part.id]
        if model.actuator_ctrllimited[part.id] and low < high:
            continue
        if not low < high:
            low, high = _control_range(model, part.id)
            brought.changes.append(
                f"The actuator {part.name!r} had no control range and got {low:.3g} to {high:.3g}:"
                " see whether that is what the robot can do."
            )
        part.ctrlrange = (float(low), float(high))
        part.ctrllimited = True


def _control_range(model: mujoco.MjModel, index: int) -> tuple[float, float]:
    """A range for an actuator without one: of its joint, of its force, or -1 to 1."""
    joint = _joint_of(model, index)
    kind = mujoco.mjtJoint(int(model.jnt_type[joint])) if joint is not None else None
    stiffness, damping = -model.actuator_biasprm[index, 1:3]
    if kind in _REACH and stiffness > 0:
        limited = model.jnt_limited[joint]
        return tuple(model.jnt_range[joint]) if limited else _REACH[kind]
    if kind in _REACH and damping > 0:
        return _SPEED[kind]
    gain = abs(float(model.actuator_gainprm[index, 0])) or 1.0
    if model.actuator_forcelimited[index]:
        low, high = model.actuator_forcerange[index] / gain
        return float(low), float(high)
    if joint is not None and model.jnt_actfrclimited[joint]:
        gear = abs(float(model.actuator_gear[index, 0])) or 1.0
        low, high = model.jnt_actfrcrange[joint] / (gain * gear)
        return float(low), float(high)
    return -1.0, 1.0


def _joint_of(model: mujoco.MjModel, actuator: int) -> int | None:
    joints = (mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_JOINTINPARENT)
    if model.actuator_trntype[actuator] in [int(kind) for kind in joints]:
        return int(model.actuator_trnid[actuator, 0])
    return None


def _collect_files(brought: Brought) -> None:
    """Note the files of the model, and name them as they will lie in the new folder."""
    spec, home = brought.spec, brought.source.parent
    meshes, textures = home / spec.meshdir, home / spec.texturedir
    for part, attribute, folder in _files(spec, meshes, textures):
        name = getattr(part, attribute)
        path = Path(name) if not spec.strippath else Path(Path(name).name)
        kept = path if not path.is_absolute() and ".." not in path.parts else Path(path.name)
        while brought.files.get(str(kept), folder / path) != folder / path:
            kept = kept.with_name(f"other_{kept.name}")
        brought.files[str(kept)] = folder / path
        setattr(part, attribute, str(kept))
    if brought.files:
        spec.meshdir = spec.texturedir = ASSETS


def _files(spec: mujoco.MjSpec, meshes: Path, textures: Path) -> Iterator[tuple[Any, str, Path]]:
    """Parts that name a file: the part, its attribute, and the folder the name is relative to."""
    for parts, folder in (
        (spec.meshes, meshes),
        (spec.skins, meshes),
        (spec.hfields, meshes),
        (spec.textures, textures),
    ):
        for part in parts:
            if part.file:
                yield part, "file", folder


def _compare(before: mujoco.MjModel, after: mujoco.MjModel, source: Path) -> None:
    for name in ("nq", "nv", "nu", "nbody", "ngeom", "nsensor"):
        if getattr(before, name) != getattr(after, name):
            break
    else:
        pairs = ((getattr(before, name), getattr(after, name)) for name in _COMPARED)
        if all(np.allclose(a, b, rtol=1e-3, atol=1e-5) for a, b in pairs):
            return
    raise UsageError(
        f"{source} cannot be written in one piece: the copy is another model.",
        "Make the folder without --model, and load your file in build() of env.py.",
    )
