"""Read a model's file with MuJoCo, and say in words why that cannot be."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mujoco

from eureka_agent.common.errors import UsageError
from eureka_agent.env_tools.scaffold.quoting import literal

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


def read(path: Path) -> mujoco.MjSpec:
    """Read a model.

    Raises:
        UsageError: there is none, or it cannot be read.
    """
    _require_file(path)
    with explained(path):
        return mujoco.MjSpec.from_file(str(path.resolve()))


def compiled(spec: mujoco.MjSpec, path: Path) -> mujoco.MjModel:
    """Compile a model.

    Raises:
        UsageError: it is broken.
    """
    with explained(path):
        return spec.compile()


@contextmanager
def explained(path: Path) -> Iterator[None]:
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
