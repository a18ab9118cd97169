"""A model on its way into an environment's folder: read, completed, written in one piece."""

import html
import math
import re
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from eureka_agent.common.errors import UsageError
from eureka_agent.env_tools.scaffold.quoting import display_name, join_names, literal
from eureka_agent.env_tools.scaffold.start_pose import StartPose, add_start_keyframe, start_pose
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
class ImportedModel:
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
        _compare(self.model, compile_spec(read_spec(scene), scene), self.source)


def import_model(path: Path) -> ImportedModel:
    """Read a MJCF (or URDF) file and complete what an environment needs of a model.

    What is read by name gets a name, actuators without a control range get one, and a model
    whose own pose lies outside joint limits or inside the ground gets a keyframe to start from.

    Raises:
        UsageError: the file is no model, lacks files that it names, or has no actuator.
    """
    spec = read_spec(path)
    with mujoco_errors(path):  # names in an archive may be of any encoding
        return _completed(spec, path)


def _completed(spec: mujoco.MjSpec, path: Path) -> ImportedModel:
    """See `bring`."""
    model = compile_spec(spec, path)
    if not model.nu:
        raise _undriven(path, model)
    if not model.nv:
        raise UsageError(
            f"{path} has no joint: nothing in it can move.",
            'Add one to a body, such as <joint name="NAME" axis="0 1 0"/> or <freejoint/>.',
        )
    named = _name_parts(spec)
    model = compile_spec(spec, path)
    begun, keys = start_pose(model), {key.name for key in spec.keys}
    brought = ImportedModel(model, path.resolve(), begun)
    _give_control_ranges(brought, spec)
    untouched = not named and not brought.changes and path.suffix == ".xml"
    brought.keyframe = add_start_keyframe(spec, model, begun)
    if begun.reason:
        brought.changes.append(f"Episodes begin in {begun.reason}.")
    if begun.trouble:
        brought.changes.append(
            f"No pose was found in which nothing is wrong: {begun.trouble}. {begun.cure}"
        )
    brought.model = compile_spec(spec, path)
    brought.text, brought.files = _packed(spec, path)
    own = path.read_bytes()
    if untouched and brought.keyframe in {"", *keys} and not _NAMES_FILES.search(own):
        brought.text = own  # with its comments
    return brought


def _undriven(path: Path, model: mujoco.MjModel) -> UsageError:
    """What to raise where nothing takes a control."""
    joint = next((model.joint(i).name for i in range(model.njnt)), "") or "NAME"
    example = f'<actuator><motor joint="{display_name(joint)}" ctrlrange="-1 1"/></actuator>'
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


def _give_control_ranges(brought: ImportedModel, spec: mujoco.MjSpec) -> None:
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
            f"The actuator{'s' * (len(names) > 1)} {join_names([repr(n) for n in names])} had no "
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
        with tempfile.TemporaryDirectory() as folder, mujoco_errors(path):
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
            f"{source} names a part {display_name(lost[0])!r}, with characters that XML does not keep.",
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


LARGEST = 256 * 2**20
"""Bytes of a model's text."""

_TEXTS = (".xml", ".urdf")
_ARCHIVES = (".mjz", ".zip")
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_NAMED = re.compile(rb"<(include|model)\b[^>]*?\bfile\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.DOTALL)
_MISSING = re.compile(r"(?:[Ee]rror opening file|[Cc]ould not open file|not open file) '([^']*)'")
_VIEWER = "python -m mujoco.viewer --mjcf=FILE shows one that works."
_FORMATS = "MuJoCo reads MJCF (.xml), URDF (.urdf) and archives (.mjz, .zip)."
_FOREIGN = {
    ".mjb": "It is a compiled model, which cannot be changed: give the MJCF that it was made from.",
    ".xacro": "Expand it first (xacro FILE > robot.urdf), then convert the URDF to MJCF.",
    ".sdf": f"It is Gazebo's format. {_FORMATS} Convert it first.",
}


def read_spec(path: Path) -> mujoco.MjSpec:
    """Read a model.

    Raises:
        UsageError: there is none, or it cannot be read.
    """
    _require_file(path)
    with mujoco_errors(path):
        return mujoco.MjSpec.from_file(str(path.resolve()))


def compile_spec(spec: mujoco.MjSpec, path: Path) -> mujoco.MjModel:
    """Compile a model.

    Raises:
        UsageError: it is broken.
    """
    with mujoco_errors(path):
        return spec.compile()


@contextmanager
def mujoco_errors(path: Path) -> Iterator[None]:
    """What MuJoCo says about a model becomes an error; old-fashioned ones are no news here."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (ValueError, mujoco.FatalError) as error:
        said = " ".join(str(error).split())
        message = f"MuJoCo cannot use the model {path}: {said}"
        raise UsageError(message, _cure(path, said)) from error


def is_urdf(path: Path) -> bool:
    """Whether a model's file is a URDF."""
    return path.suffix.lower() == ".urdf" or (
        path.suffix.lower() == ".xml" and b"<robot" in path.read_bytes()[:65536]
    )


def conversion(path: Path) -> str:
    """How to make a MJCF of a URDF, as a command."""
    target = path.with_suffix(".xml").name if path.suffix.lower() != ".xml" else "robot_mjcf.xml"
    code = (
        f"import mujoco; s = mujoco.MjSpec.from_file({str(path)!r}); s.compile(); "
        f"open({target!r}, 'w').write(s.to_xml())"
    )
    return f"python -c {literal(code)}"


def _require_file(path: Path) -> None:
    if path.is_dir():
        inside = sorted(p.name for p in path.iterdir() if p.suffix.lower() in _TEXTS + _ARCHIVES)
        such = f", such as {path / inside[0]}" if inside else ""
        raise UsageError(f"{path} is a folder, not a model.", f"Give the file of the model{such}.")
    if not path.is_file():
        raise UsageError(f"There is no model {path}.", "Give the path of a MJCF file.")
    suffix = path.suffix.lower()
    if suffix in _ARCHIVES:
        return
    if suffix not in _TEXTS:
        cure = _FOREIGN.get(suffix, f"{_FORMATS} If it is one of these, rename it.")
        raise UsageError(f"{path} is no model by its name.", cure)
    _require_text(path, path.parent, {})


def _require_text(path: Path, home: Path, seen: dict[Path, bool]) -> None:
    """Refuse a text, or one that it is made of, that MuJoCo or we could not read to its end.

    Args:
        path: of the text.
        home: the folder of the model that it belongs to.
        seen: texts that were looked at, and whether to the end; the others contain this one.
    """
    try:
        size = path.stat().st_size
        text = path.read_bytes() if size <= LARGEST else b""
    except OSError as error:
        said = f"{path} cannot be read: {error.strerror}."
        raise UsageError(said, "Give yourself the right to read it.") from error
    if size > LARGEST:
        raise UsageError(
            f"{path} has {size / 2**20:.0f} MB.",
            "Keep meshes and height fields in files of their own.",
        )
    if not text.strip():
        raise UsageError(f"{path} is empty.", "Give the file of a model.")
    wide = text.startswith((b"\xff\xfe", b"\xfe\xff"))
    if b"\0" in text and not wide:
        raise UsageError(f"{path} is no text, so no MJCF.", "Give the file of a model.")
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{path} is not UTF-8: line {line} holds the byte 0x{text[error.start]:02x}.",
            "Save it as UTF-8, as by: "
            f"iconv -f {'utf-16' if wide else 'latin1'} -t utf-8 {path.name} > new.xml",
        ) from error
    seen[path.resolve()] = False
    for tag, first, second in _NAMED.findall(_COMMENT.sub(b"", text)):
        name = (first or second).decode()
        for other in (home / name, path.parent / name):
            if not other.is_file() or other.suffix.lower() not in _TEXTS:
                continue
            if seen.get(other.resolve()) is False:  # MuJoCo would attach it until the memory ends
                said = f"{path} contains itself, through {name!r}."
                raise UsageError(said, "Take one of the two out.")
            if other.resolve() not in seen:
                _require_text(other, home if tag == b"include" else other.parent, seen)
            break
    seen[path.resolve()] = True


def _cure(path: Path, said: str) -> str:
    """What to do about what MuJoCo says."""
    missing = _MISSING.search(said)
    if "codec can't decode" in said:
        return "Save all its texts as UTF-8: a name in one of them is not."
    if "no decoder found for" in said:
        return "Convert that file: MuJoCo reads meshes from .obj and .stl, images from .png."
    if missing is None:
        return f"Fix the model; {_VIEWER}"
    name = missing.group(1)
    if name.startswith("package:"):
        return (
            'MuJoCo knows no ROS packages. Write <mujoco><compiler meshdir="FOLDER" '
            'strippath="true"/></mujoco> into the <robot>, with the folder of the meshes.'
        )
    wanted = path.parent / name
    try:
        near = [p for p in wanted.parent.iterdir() if p.name.lower() == wanted.name.lower()]
    except OSError:
        near = []
    if near:
        return f"There is {near[0].name}: capital and small letters count. Correct the name."
    return (
        "Put the file there, or correct its name in the model (relative to the model's file and "
        "its meshdir or texturedir)."
    )
