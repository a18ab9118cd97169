"""A model on its way into an environment's folder: read, completed, written in one piece."""

import html
import math
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from eureka_agent.common.errors import UsageError
from eureka_agent.env_tools.scaffold.quoting import listed, shown
from eureka_agent.env_tools.scaffold.reading import compiled, conversion, explained, is_urdf, read
from eureka_agent.env_tools.scaffold.start import StartPose, add_start, start_pose
from eureka_agent.environment.model_facts import Control, controls

ASSETS = "assets"
_ASSET = re.compile(r"<(texture|mesh|hfield|skin)\b[^>]*>")
_FILE = re.compile(r'(\bfile[a-z]*=)"([^"]*)"')
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')
_NAMES_FILES = re.compile(rb"\bfile[a-z]*\s*=")
"""What the text of a model has that does not stand alone."""
_PID_RANGES = {"vel": "velrange", "ff": "ffrange"}
LICENCES = ("LICENSE*", "LICENCE*", "COPYING*")

_SLIDE, _HINGE = mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_HINGE
_COUNTED = (
    *("nq", "nv", "nu", "nbody", "ngeom", "nsensor", "nsite", "ntendon", "nmesh", "ntex"),
    *("neq", "nmocap", "nhfield", "nskin", "nflex"),
)
_COMPARED = ("qpos0", "body_mass", "body_inertia", "body_pos", "geom_rbound", "jnt_range")
_REACH = {_SLIDE: (-1.0, 1.0), _HINGE: (-3.14, 3.14)}
"""Target positions of a joint without limits, m and rad."""
_SPEED = {_SLIDE: (-1.0, 1.0), _HINGE: (-6.0, 6.0)}
"""Target velocities, m/s and rad/s."""


@dataclass
class Brought:
    """A model that was read and completed.

    Attributes:
        model: what is written, compiled.
        source: the file that it was read from.
        text: the MJCF to be written, with all that it includes.
        files: meshes, textures and height fields, by their names in the new folder.
        changes: what was added to the model, a sentence each.
        start: where episodes begin.
        keyframe: name of the keyframe that holds it; empty for the model's own pose.
    """

    model: mujoco.MjModel
    source: Path
    start: StartPose
    keyframe: str = ""
    text: bytes = b""
    files: dict[str, bytes] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write `scene.xml`, with all includes merged, and the files it needs.

        Raises:
            UsageError: what was written is not the model that was read.
        """
        for name, content in self.files.items():
            (folder / ASSETS).mkdir(exist_ok=True)
            (folder / ASSETS / name).write_bytes(content)
        scene = folder / "scene.xml"
        scene.write_bytes(self.text)
        for pattern in LICENCES:
            for path in filter(Path.is_file, self.source.parent.glob(pattern)):
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
    with explained(path):  # names in an archive may be of any encoding
        return _completed(spec, path)


def _completed(spec: mujoco.MjSpec, path: Path) -> Brought:
    """See `bring`."""
    model = compiled(spec, path)
    if not model.nu:
        raise _undriven(path, model)
    if not model.nv:
        raise UsageError(
            f"{path} has no joint: nothing in it can move.",
            'Add one to a body, such as <joint name="NAME" axis="0 1 0"/> or <freejoint/>.',
        )
    named = _name_parts(spec)
    model = compiled(spec, path)
    begun, keys = start_pose(model), {key.name for key in spec.keys}
    brought = Brought(model, path.resolve(), begun)
    _give_control_ranges(brought, spec)
    untouched = not named and not brought.changes and path.suffix == ".xml"
    brought.keyframe = add_start(spec, model, begun)
    if begun.reason:
        brought.changes.append(f"Episodes begin in {begun.reason}.")
    if begun.trouble:
        brought.changes.append(
            f"No pose was found in which nothing is wrong: {begun.trouble}. {begun.cure}"
        )
    brought.model = compiled(spec, path)
    brought.text, brought.files = _packed(spec, path)
    own = path.read_bytes()
    if untouched and brought.keyframe in {"", *keys} and not _NAMES_FILES.search(own):
        brought.text = own  # with its comments
    return brought


def _undriven(path: Path, model: mujoco.MjModel) -> UsageError:
    """What to raise where nothing takes a control."""
    joint = next((model.joint(i).name for i in range(model.njnt)), "") or "NAME"
    example = f'<actuator><motor joint="{shown(joint)}" ctrlrange="-1 1"/></actuator>'
    if is_urdf(path):
        return UsageError(
            f"{path} is a URDF, and a URDF has no actuators: nothing in it can be driven.",
            f"Convert it to MJCF ({conversion(path)}), add actuators there, such as {example}, and "
            "a floor, and give that file.",
        )
    if model.nactuator:
        return UsageError(
            f"The actuators of {path} take no control: nothing in it can be driven.",
            f"Give them an input, or add one that has, such as {example}.",
        )
    return UsageError(
        f"{path} has no actuator: nothing in it can be driven.", f"Add some, such as {example}."
    )


def _name_parts(spec: mujoco.MjSpec) -> bool:
    """Name the parts that signals speak of, where they have no name; whether there were."""
    named = 0
    for word, parts in (
        *(("body", spec.bodies), ("joint", spec.joints), ("geom", spec.geoms)),
        *(("site", spec.sites), ("tendon", spec.tendons)),
    ):
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


def _give_control_ranges(brought: Brought, spec: mujoco.MjSpec) -> None:
    """Give each control a range; inputs of one actuator that share an attribute share it."""
    model, parts = brought.model, {part.id: part for part in spec.actuators}
    shared: dict[tuple[int, str], list[int]] = {}
    taken = controls(model)
    guessed: dict[tuple[str, float, float], list[str]] = {}
    for index, control in enumerate(taken):
        pid = model.actuator_gaintype[control.actuator] == mujoco.mjtGain.mjGAIN_PID
        attribute = _PID_RANGES.get(control.input, "ctrlrange") if pid else "ctrlrange"
        shared.setdefault((control.actuator, attribute), []).append(index)
    for (actuator, attribute), indices in shared.items():
        low, high = model.actuator_ctrlrange[indices[0]]
        if model.actuator_ctrllimited[indices[0]] and low < high:
            continue
        if not low < high:
            guesses = [_control_range(model, taken[index]) for index in indices]
            low, high = min(g[0] for g in guesses), max(g[1] for g in guesses)
            inputs = ", ".join(taken[index].input for index in indices)
            of = f" for {inputs}" if model.actuator_ctrlnum[actuator] > 1 else ""
            guessed.setdefault((of, low, high), []).append(parts[actuator].name)
        setattr(parts[actuator], attribute, (float(low), float(high)))
        parts[actuator].ctrllimited = True
    for (of, low, high), names in guessed.items():
        brought.changes.append(
            f"The actuator{'s' * (len(names) > 1)} {listed([repr(n) for n in names])} had no "
            f"control range{of} and got {low:.3g} to {high:.3g}: see whether that is what the "
            "robot can do."
        )


def _control_range(model: mujoco.MjModel, control: Control) -> tuple[float, float]:
    """A range for a control without one: of its joint, of its force, or -1 to 1."""
    index = control.actuator
    joint = _joint_of(model, index)
    kind = mujoco.mjtJoint(int(model.jnt_type[joint])) if joint is not None else None
    stiffness, damping = -model.actuator_biasprm[index, 1:3]
    several = model.actuator_ctrlnum[index] > 1
    if control.input in ("rx", "ry", "rz"):
        return -math.pi, math.pi
    if model.actuator_dyntype[index] == mujoco.mjtDyn.mjDYN_MUSCLE:
        return 0.0, 1.0
    if kind in _REACH and (control.input == "pos" if several else stiffness > 0):
        limited = model.jnt_limited[joint]
        return tuple(model.jnt_range[joint]) if limited else _REACH[kind]
    if kind in _REACH and (control.input == "vel" if several else damping > 0):
        return _SPEED[kind]
    gain = abs(float(model.actuator_gainprm[index, 0])) if not several else 1.0
    gain = gain or 1.0
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


def _packed(spec: mujoco.MjSpec, path: Path) -> tuple[bytes, dict[str, bytes]]:
    """A compiled model as one MJCF, and the files it needs by their names in the new folder.

    MuJoCo's archive is what knows where each file came from: of includes, and of models that are
    attached and have folders of their own.
    """
    try:
        with tempfile.TemporaryDirectory() as folder, explained(path):
            spec.to_xml()  # says why it cannot be written; the next one does not
            archive = Path(folder) / "model.mjz"
            spec.encode(str(archive))
            with zipfile.ZipFile(archive) as opened:
                members = {name: opened.read(name) for name in opened.namelist()}
            text = members.pop("model.xml").decode("utf-8")
    except OSError as error:
        said = f"A temporary file cannot be written: {error.strerror or error}."
        raise UsageError(said, "Make room, or name another folder with TMPDIR.") from error
    found = re.search(r"<compiler\b[^>]*>", text)
    own = dict(_ATTRIBUTE.findall(found.group())) if found else {}
    names: dict[str, str] = {}
    for member in members:
        name = Path(member).name
        while name.lower() in {other.lower() for other in names.values()}:
            name = f"other_{name}"
        names[member] = name

    def moved(tag: re.Match[str]) -> str:
        folder = own.get("texturedir" if tag.group(1) == "texture" else "meshdir", "")

        def renamed(file: re.Match[str]) -> str:
            attribute, name = file.groups()
            return f'{attribute}"{names.get(_place(folder, name), name)}"'

        return _FILE.sub(renamed, tag.group())

    text = _ASSET.sub(moved, text)
    if names:
        text = re.sub(r'(<compiler\b[^>]*?) meshdir="[^"]*"', r"\1", text, count=1)
        text = re.sub(r'(<compiler\b[^>]*?) texturedir="[^"]*"', r"\1", text, count=1)
        both = f'<compiler meshdir="{ASSETS}" texturedir="{ASSETS}"'
        text = text.replace("<compiler", both, 1)
    return text.encode(), {names[member]: content for member, content in members.items()}


def _place(folder: str, name: str) -> str:
    """A file's name in the archive, by its name in the model and the folder named there."""
    return html.unescape(f"{folder}/{name}" if folder else name)


def _names(model: mujoco.MjModel) -> set[str]:
    """Names of the parts that signals, actions and tasks speak of."""
    parts = (
        *((model.body, model.nbody), (model.joint, model.njnt), (model.geom, model.ngeom)),
        *((model.site, model.nsite), (model.tendon, model.ntendon), (model.key, model.nkey)),
        *((model.actuator, model.nactuator), (model.sensor, model.nsensor)),
    )
    return {part(index).name for part, count in parts for index in range(count)}


def _compare(before: mujoco.MjModel, after: mujoco.MjModel, source: Path) -> None:
    lost = sorted(_names(before) - _names(after))
    if lost:
        raise UsageError(
            f"{source} names a part {shown(lost[0])!r}, with characters that XML does not keep.",
            "Give it another name: letters, digits, _ and - always do.",
        )
    for name in _COUNTED:
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
