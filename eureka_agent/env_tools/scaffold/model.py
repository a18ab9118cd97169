"""A model on its way into an environment's folder: read, completed, written in one piece."""

import html
import math
import re
import shutil
import tempfile
import warnings
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from eureka_agent.common.errors import UsageError
from eureka_agent.env_tools.scaffold.quoting import display_name, join_names, literal
from eureka_agent.env_tools.scaffold.start_pose import StartPose, add_start_keyframe, start_pose
from eureka_agent.environment.model_facts import Control, controls

ASSETS = "assets"
LICENCES = ("LICENSE*", "LICENCE*", "COPYING*")
LARGEST = 256 * 2**20
"""Bytes of a model's text."""

_SLIDE, _HINGE = mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_HINGE
_TARGETS = {_SLIDE: (-1.0, 1.0), _HINGE: (-3.14, 3.14)}
"""Target positions of a joint without limits, m and rad."""
_TARGET_VELOCITIES = {_SLIDE: (-1.0, 1.0), _HINGE: (-6.0, 6.0)}
"""m/s and rad/s."""
_PID_RANGES = {"vel": "velrange", "ff": "ffrange"}
_COUNTED = (
    *("nq", "nv", "nu", "nbody", "ngeom", "nsensor", "nsite", "ntendon", "nmesh", "ntex"),
    *("neq", "nmocap", "nhfield", "nskin", "nflex"),
)
_COMPARED = ("qpos0", "body_mass", "body_inertia", "body_pos", "geom_rbound", "jnt_range")

_ASSET = re.compile(r"<(texture|mesh|hfield|skin)\b[^>]*>")
_FILE = re.compile(r'(\bfile[a-z]*=)"([^"]*)"')
_COMPILER = re.compile(r"<compiler\b([^>]*)")
_FOLDER = re.compile(r' (meshdir|texturedir)="([^"]*)"')
_NAMES_FILES = re.compile(rb"\bfile[a-z]*\s*=")
"""A match means that the text of a model needs other files."""
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_NAMED = re.compile(rb"<(include|model)\b[^>]*?\bfile\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.DOTALL)
_MISSING = re.compile(r"(?:[Ee]rror opening file|[Cc]ould not open file|not open file) '([^']*)'")
_TEXTS, _ARCHIVES = (".xml", ".urdf"), (".mjz", ".zip")
_FORMATS = "MuJoCo reads MJCF (.xml), URDF (.urdf) and archives (.mjz, .zip)."
_UNREADABLE = {
    ".mjb": "It is a compiled model, which cannot be changed: give the MJCF that it was made from.",
    ".xacro": "Expand it first (xacro FILE > robot.urdf), then convert the URDF to MJCF.",
    ".sdf": f"It is Gazebo's format. {_FORMATS} Convert it first.",
}


@dataclass(frozen=True)
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
    text: bytes
    files: dict[str, bytes]
    changes: list[str]
    start: StartPose
    keyframe: str

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
        with mujoco_errors(scene):
            copy = read_spec(scene).compile()
        _require_equal(self.model, copy, self.source)


def import_model(path: Path) -> ImportedModel:
    """Read a MJCF (or URDF) file and complete what an environment needs of a model.

    Parts without a name get one, actuators without a control range get one, and a model whose own
    pose lies outside joint limits or inside the ground gets a keyframe to start from.

    Raises:
        UsageError: the file is not a model, lacks files that it names, or has no actuator.
    """
    spec = read_spec(path)
    with mujoco_errors(path):  # names in an archive may be of any encoding
        _require_driven(spec.compile(), path)
        named = _name_parts(spec)
        model = spec.compile()
        start, keyframes = start_pose(model), {"", *(key.name for key in spec.keys)}
        changes = _give_control_ranges(model, spec)
        changed = named or bool(changes)
        keyframe = add_start_keyframe(spec, model, start)
        if start.reason:
            changes.append(f"Episodes begin in {start.reason}.")
        if start.trouble:
            changes.append(
                f"No pose was found in which nothing is wrong: {start.trouble}. {start.cure}"
            )
        model = spec.compile()
        text, files = _pack(spec, path)
        own = path.read_bytes()
        complete = not changed and keyframe in keyframes and not _NAMES_FILES.search(own)
        if complete and path.suffix == ".xml":
            text = own  # with its comments
        return ImportedModel(model, path.resolve(), text, files, changes, start, keyframe)


def _require_driven(model: mujoco.MjModel, path: Path) -> None:
    if model.nu and model.nv:
        return
    if model.nu:
        raise UsageError(
            f"{path} has no joint: nothing in it can move.",
            'Add one to a body, such as <joint name="NAME" axis="0 1 0"/> or <freejoint/>.',
        )
    joint = next((model.joint(i).name for i in range(model.njnt)), "") or "NAME"
    example = f'<actuator><motor joint="{display_name(joint)}" ctrlrange="-1 1"/></actuator>'
    if path.suffix.lower() == ".urdf" or (
        path.suffix.lower() == ".xml" and b"<robot" in path.read_bytes()[:65536]
    ):
        raise UsageError(
            f"{path} is a URDF, and a URDF has no actuators: nothing in it can be driven.",
            f"Convert it to MJCF ({_conversion(path)}), add actuators there, such as {example}, "
            "and a floor, and give that file.",
        )
    if model.nactuator:
        raise UsageError(
            f"The actuators of {path} take no control: nothing in it can be driven.",
            f"Give them an input, or add one that has, such as {example}.",
        )
    raise UsageError(
        f"{path} has no actuator: nothing in it can be driven.", f"Add some, such as {example}."
    )


def _conversion(path: Path) -> str:
    """How to make a MJCF of a URDF, as a command."""
    target = path.with_suffix(".xml").name if path.suffix.lower() != ".xml" else "robot_mjcf.xml"
    code = (
        f"import mujoco; s = mujoco.MjSpec.from_file({str(path)!r}); s.compile(); "
        f"open({target!r}, 'w').write(s.to_xml())"
    )
    return f"python -c {literal(code)}"


def _name_parts(spec: mujoco.MjSpec) -> bool:
    """Name the parts that signals read, where they have no name; whether there were any."""
    found = False
    for word, parts in (
        *(("body", spec.bodies), ("joint", spec.joints), ("geom", spec.geoms)),
        *(("site", spec.sites), ("tendon", spec.tendons), ("actuator", spec.actuators)),
        ("sensor", spec.sensors),
    ):
        taken = {part.name for part in parts}
        for part in [part for part in parts if not part.name]:
            name = (part.target if word == "actuator" else "") or f"{word}_{part.id}"
            while name in taken:
                name += "_"
            part.name = name
            taken.add(name)
            found = True
    return found


def _give_control_ranges(model: mujoco.MjModel, spec: mujoco.MjSpec) -> list[str]:
    """Give each control a range; inputs of one actuator that share an attribute share it.

    Returns:
        Which ranges are a guess, a sentence each.
    """
    parts, taken = {part.id: part for part in spec.actuators}, controls(model)
    shared: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    for index, control in enumerate(taken):
        pid = model.actuator_gaintype[control.actuator] == mujoco.mjtGain.mjGAIN_PID
        attribute = _PID_RANGES.get(control.input, "ctrlrange") if pid else "ctrlrange"
        shared[control.actuator, attribute].append(index)
    guessed: defaultdict[tuple[str, float, float], list[str]] = defaultdict(list)
    for (actuator, attribute), indices in shared.items():
        low, high = model.actuator_ctrlrange[indices[0]]
        if model.actuator_ctrllimited[indices[0]] and low < high:
            continue
        if not low < high:
            guesses = [_control_range(model, taken[index]) for index in indices]
            low, high = min(g[0] for g in guesses), max(g[1] for g in guesses)
            inputs = ", ".join(taken[index].input for index in indices)
            of = f" for {inputs}" if model.actuator_ctrlnum[actuator] > 1 else ""
            guessed[of, low, high].append(parts[actuator].name)
        setattr(parts[actuator], attribute, (float(low), float(high)))
        parts[actuator].ctrllimited = True
    return [
        f"The actuator{'s' * (len(names) > 1)} {join_names([repr(n) for n in names])} had no "
        f"control range{of} and got {low:.3g} to {high:.3g}: see whether that is what the robot "
        "can do."
        for (of, low, high), names in guessed.items()
    ]


def _control_range(model: mujoco.MjModel, control: Control) -> tuple[float, float]:
    """A range for a control without one: of its joint, of its force, or -1 to 1."""
    index = control.actuator
    on_joint = model.actuator_trntype[index] in (
        *(int(mujoco.mjtTrn.mjTRN_JOINT), int(mujoco.mjtTrn.mjTRN_JOINTINPARENT)),
    )
    joint = int(model.actuator_trnid[index, 0]) if on_joint else None
    kind = mujoco.mjtJoint(int(model.jnt_type[joint])) if joint is not None else None
    stiffness, damping = -model.actuator_biasprm[index, 1:3]
    several = model.actuator_ctrlnum[index] > 1
    if control.input in ("rx", "ry", "rz"):
        return -math.pi, math.pi
    if model.actuator_dyntype[index] == mujoco.mjtDyn.mjDYN_MUSCLE:
        return 0.0, 1.0
    if kind in _TARGETS and (control.input == "pos" if several else stiffness > 0):
        return tuple(model.jnt_range[joint]) if model.jnt_limited[joint] else _TARGETS[kind]
    if kind in _TARGETS and (control.input == "vel" if several else damping > 0):
        return _TARGET_VELOCITIES[kind]
    gain = 1.0 if several else abs(float(model.actuator_gainprm[index, 0])) or 1.0
    low, high = -1.0, 1.0
    if model.actuator_forcelimited[index]:
        low, high = model.actuator_forcerange[index] / gain
    elif joint is not None and model.jnt_actfrclimited[joint]:
        gear = abs(float(model.actuator_gear[index, 0])) or 1.0
        low, high = model.jnt_actfrcrange[joint] / (gain * gear)
    return float(low), float(high)


def _pack(spec: mujoco.MjSpec, path: Path) -> tuple[bytes, dict[str, bytes]]:
    """A compiled model as one MJCF, and the files it needs by their names in the new folder.

    MuJoCo's archive records where each file came from, also for includes and for attached models
    with folders of their own.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            spec.to_xml()  # says why it cannot be written; the next one does not
            archive = Path(folder) / "model.mjz"
            spec.encode(str(archive))
            with zipfile.ZipFile(archive) as opened:
                members = {name: opened.read(name) for name in opened.namelist()}
            text = members.pop("model.xml").decode("utf-8")
    except OSError as error:
        message = f"A temporary file cannot be written: {error.strerror or error}."
        raise UsageError(message, "Make room, or name another folder with TMPDIR.") from error
    found = _COMPILER.search(text)
    folders = dict(_FOLDER.findall(found.group())) if found else {}
    names: dict[str, str] = {}
    for member in members:
        name = Path(member).name
        while name.lower() in {other.lower() for other in names.values()}:
            name = f"other_{name}"
        names[member] = name

    def renamed_asset(tag: re.Match[str]) -> str:
        folder = folders.get("texturedir" if tag.group(1) == "texture" else "meshdir", "")

        def renamed_file(file: re.Match[str]) -> str:
            attribute, name = file.groups()
            member = html.unescape(f"{folder}/{name}" if folder else name)
            return f'{attribute}"{names.get(member, name)}"'

        return _FILE.sub(renamed_file, tag.group())

    def in_assets(tag: re.Match[str]) -> str:
        rest = _FOLDER.sub("", tag.group(1))
        return f'<compiler meshdir="{ASSETS}" texturedir="{ASSETS}"{rest}'

    text = _ASSET.sub(renamed_asset, text)
    text = _COMPILER.sub(in_assets, text, count=1) if names else text
    return text.encode(), {names[member]: content for member, content in members.items()}


def _require_equal(before: mujoco.MjModel, after: mujoco.MjModel, source: Path) -> None:
    lost = sorted(_names(before) - _names(after))
    if lost:
        raise UsageError(
            f"{source} names a part {display_name(lost[0])!r}, with characters that XML does not "
            "keep.",
            "Give it another name: letters, digits, _ and - always do.",
        )
    if any(getattr(before, name) != getattr(after, name) for name in _COUNTED) or not all(
        np.allclose(getattr(before, name), getattr(after, name), rtol=1e-3, atol=1e-5)
        for name in _COMPARED
    ):
        raise UsageError(
            f"{source} cannot be written in one piece: the copy is another model.",
            "Make the folder without --model, and load your file in build() of env.py.",
        )


def _names(model: mujoco.MjModel) -> set[str]:
    """Names of the parts that signals, actions and tasks speak of."""
    parts = (
        *((model.body, model.nbody), (model.joint, model.njnt), (model.geom, model.ngeom)),
        *((model.site, model.nsite), (model.tendon, model.ntendon), (model.key, model.nkey)),
        *((model.actuator, model.nactuator), (model.sensor, model.nsensor)),
    )
    return {part(index).name for part, count in parts for index in range(count)}


def read_spec(path: Path) -> mujoco.MjSpec:
    """Read a model.

    Raises:
        UsageError: there is none, or it cannot be read.
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        inside = sorted(p.name for p in path.iterdir() if p.suffix.lower() in _TEXTS + _ARCHIVES)
        such = f", such as {path / inside[0]}" if inside else ""
        raise UsageError(f"{path} is a folder, not a model.", f"Give the file of the model{such}.")
    if not path.is_file():
        raise UsageError(f"There is no model {path}.", "Give the path of a MJCF file.")
    if suffix not in _TEXTS + _ARCHIVES:
        cure = _UNREADABLE.get(suffix, f"{_FORMATS} If it is one of these, rename it.")
        raise UsageError(f"{path} is not a model, judging by its name.", cure)
    if suffix in _TEXTS:
        _require_text(path, path.parent, {})
    with mujoco_errors(path):
        return mujoco.MjSpec.from_file(str(path.resolve()))


@contextmanager
def mujoco_errors(path: Path) -> Iterator[None]:
    """Turn what MuJoCo says about a model into a `UsageError`, and silence its deprecations."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (ValueError, mujoco.FatalError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"MuJoCo cannot use the model {path}: {reason}", _remedy(path, reason)
        ) from error


def _require_text(path: Path, home: Path, seen: dict[Path, bool]) -> None:
    """Refuse a text, or one that it includes, that MuJoCo could not read to its end.

    Args:
        path: of the text.
        home: the folder of the model that it belongs to.
        seen: texts that were read, and whether to the end; the others include this one.
    """
    try:
        size = path.stat().st_size
        text = path.read_bytes() if size <= LARGEST else b""
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}."
        raise UsageError(message, "Give yourself the right to read it.") from error
    if size > LARGEST:
        raise UsageError(
            f"{path} has {size / 2**20:.0f} MB.",
            "Keep meshes and height fields in files of their own.",
        )
    if not text.strip():
        raise UsageError(f"{path} is empty.", "Give the file of a model.")
    wide = text.startswith((b"\xff\xfe", b"\xfe\xff"))
    if b"\0" in text and not wide:
        raise UsageError(f"{path} is not text, so not MJCF.", "Give the file of a model.")
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
            if seen.get(other.resolve()) is False:  # MuJoCo would attach it until memory runs out
                message = f"{path} contains itself, through {name!r}."
                raise UsageError(message, "Take one of the two out.")
            if other.resolve() not in seen:
                _require_text(other, home if tag == b"include" else other.parent, seen)
            break
    seen[path.resolve()] = True


def _remedy(path: Path, reason: str) -> str:
    """The remedy for an error message of MuJoCo."""
    if "codec can't decode" in reason:
        return "Save all its texts as UTF-8: a name in one of them is not."
    if "no decoder found for" in reason:
        return "Convert that file: MuJoCo reads meshes from .obj and .stl, images from .png."
    missing = _MISSING.search(reason)
    if missing is None:
        return "Fix the model; python -m mujoco.viewer --mjcf=FILE shows one that works."
    name = missing.group(1)
    if name.startswith("package:"):
        return (
            'MuJoCo knows no ROS packages. Write <mujoco><compiler meshdir="FOLDER" '
            'strippath="true"/></mujoco> into the <robot>, with the folder of the meshes.'
        )
    wanted = path.parent / name
    near: list[Path] = []
    with suppress(OSError):
        near = [p for p in wanted.parent.iterdir() if p.name.lower() == wanted.name.lower()]
    if near:
        return f"There is {near[0].name}: capital and small letters count. Correct the name."
    return (
        "Put the file there, or correct its name in the model (relative to the model's file and "
        "its meshdir or texturedir)."
    )
