"""A new environment gets the whole model, or a message says why not and what to do."""

import struct
import zlib
from pathlib import Path

import mujoco
import pytest

from eureka_agent.common.errors import UsageError
from eureka_agent.env_tools.scaffold.create import new_environment
from eureka_agent.environment import find_environment

FACES = ("right", "left", "up", "down", "front", "back")
ONE_JOINT = '<body><joint name="j" axis="0 1 0"/><geom size=".1"/></body>'
MOTOR = '<actuator><motor joint="j" ctrlrange="-1 1"/></actuator>'
URDF = """<robot name="r"><link name="base"/><link name="arm"><inertial><mass value="1"/>
<inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial><collision><geometry>{shape}
</geometry></collision></link><joint name="j" type="revolute"><parent link="base"/><child link="arm"
/><axis xyz="0 1 0"/><limit lower="-1" upper="1" effort="5" velocity="3"/></joint></robot>"""


def mesh(path: Path, size: float) -> None:
    """A tetrahedron."""
    path.parent.mkdir(parents=True, exist_ok=True)
    corners = f"v 0 0 0\nv {size} 0 0\nv 0 {size} 0\nv 0 0 {size}\n"
    path.write_text(f"{corners}f 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n")


def picture(path: Path, shade: int) -> None:
    """A grey square."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    path.parent.mkdir(parents=True, exist_ok=True)
    head = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes([shade]) * 8) * 8)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A model of two attached parts with folders of their own, and files of every kind."""
    folder = tmp_path / "models"
    for name, size in (("left", 0.1), ("right", 0.2)):
        mesh(folder / name / "meshes" / "x.obj", size)
        picture(folder / name / "images" / "up.png", int(1000 * size))
        (folder / name / f"{name}.xml").write_text(
            f'<mujoco><compiler meshdir="meshes" texturedir="images" angle="radian"/><asset>'
            f'<mesh name="m" file="x.obj"/><texture name="t" type="2d" file="up.png"/></asset>'
            f'<worldbody><body name="hand"><joint name="j" range="0 1"/>'
            f'<geom type="mesh" mesh="m"/></body></worldbody>{MOTOR}</mujoco>'
        )
    for i, face in enumerate(FACES):
        picture(folder / "sky" / f"{face}.png", 40 * i)
    mesh(folder / "own" / "x.obj", 0.3)
    sky = " ".join(f'file{face}="{face}.png"' for face in FACES)
    attached = "".join(
        f'<frame pos="{x} 0 0"><attach model="{name}" body="hand" prefix="{name}_"/></frame>'
        for x, name in ((-0.5, "left"), (0.5, "right"))
    )
    (folder / "whole.xml").write_text(
        f'<mujoco><compiler meshdir="{folder / "own"}" texturedir="sky"/><asset>'
        '<model name="left" file="left/left.xml"/><model name="right" file="right/right.xml"/>'
        f'<mesh name="m" file="x.obj"/><texture name="sky" type="skybox" {sky}/>'
        '<hfield name="hills" file="../sky/up.png" size="1 1 .1 .1"/></asset><worldbody>'
        f'<geom type="hfield" hfield="hills" pos="0 0 -2"/><geom type="mesh" mesh="m"/>{attached}'
        f"</worldbody></mujoco>"
    )
    return folder


def test_a_model_of_attached_parts_is_copied_with_all_its_files(
    parts: Path, tmp_path: Path
) -> None:
    before = mujoco.MjModel.from_xml_path(str(parts / "whole.xml"))
    folder = new_environment("mine", tmp_path / "envs", parts / "whole.xml").folder
    parts.rename(tmp_path / "gone")
    after = find_environment(str(folder)).model
    assert after.nmesh == before.nmesh == 3
    assert sorted(after.mesh_pos[:, 0]) == pytest.approx(sorted(before.mesh_pos[:, 0]), abs=1e-6)
    assert after.tex_data.tolist() == before.tex_data.tolist()
    assert after.hfield_data.tolist() == before.hfield_data.tolist()
    assert len(list((folder / "assets").iterdir())) == 3 + 2 + 6 + 1
    assert str(tmp_path) not in (folder / "scene.xml").read_text()


def test_an_attached_model_without_a_body_is_copied(parts: Path, tmp_path: Path) -> None:
    (parts / "alone.xml").write_text(
        '<mujoco><asset><model name="a" file="left/left.xml"/></asset><worldbody>'
        '<attach model="a" prefix="a_"/></worldbody></mujoco>'
    )
    folder = new_environment("mine", tmp_path / "envs", parts / "alone.xml").folder
    assert find_environment(str(folder)).actuators == ("a_j",)


def test_an_archive_of_a_model_is_a_model(parts: Path, tmp_path: Path) -> None:
    spec = mujoco.MjSpec.from_file(str(parts / "left" / "left.xml"))
    spec.compile()
    spec.encode(str(tmp_path / "left.mjz"))
    folder = new_environment("mine", tmp_path / "envs", tmp_path / "left.mjz").folder
    assert find_environment(str(folder)).model.nmesh == 1


MODEL = f"<mujoco>{{}}<worldbody>{ONE_JOINT}</worldbody>{MOTOR}</mujoco>"
REFUSED = {
    "latin1.xml": (MODEL.format("<!-- h\xe9 -->").encode("latin1"), "line 1", "iconv -f latin1"),
    "wide.xml": (MODEL.format("").encode("utf-16"), "not UTF-8", "iconv -f utf-16"),
    "empty.xml": (b" \n", "is empty", "Give the file"),
    "binary.xml": (b"\x89PNG\0", "is not text", "Give the file"),
    "model.mjb": (b"MJB", "not a model, judging by its name", "MJCF that it was made from"),
    "robot.xacro": (b"<robot/>", "not a model, judging by its name", "xacro FILE"),
    "notes.txt": (b"hello", "not a model, judging by its name", "MuJoCo reads MJCF"),
    "itself.xml": (
        b'<mujoco><asset><model name="a" file="itself.xml"/></asset><worldbody><attach model="a" '
        b'prefix="x"/></worldbody></mujoco>',
        *("contains itself", "Take one"),
    ),
    "gone.xml": (
        MODEL.format('<asset><mesh name="m" file="gone.obj"/></asset>').encode(),
        *("gone.obj", "Put the file there"),
    ),
    "case.xml": (
        MODEL.format('<asset><mesh name="m" file="left/meshes/X.obj"/></asset>').encode(),
        *("X.obj", "There is x.obj"),
    ),
    "collada.xml": (
        MODEL.format('<asset><mesh name="m" file="shape.dae"/></asset>').encode(),
        *("shape.dae", "Convert that file"),
    ),
    "robot.urdf": (
        URDF.format(shape='<box size="1 1 1"/>').encode(),
        *("a URDF has no actuators", "MjSpec.from_file"),
    ),
    "meshes.urdf": (
        URDF.format(shape='<mesh filename="package://a/x.stl"/>').encode(),
        *("x.stl", 'strippath="true"'),
    ),
    "passive.xml": (
        f'<mujoco><worldbody>{ONE_JOINT}</worldbody><actuator><dcmotor joint="j" motorconst="0" '
        'resistance="1" input="none"/></actuator></mujoco>'.encode(),
        *("take no control", "Give them an input"),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_unusable_file_is_refused_with_a_remedy(parts: Path, tmp_path: Path, name: str) -> None:
    content, problem, cure = REFUSED[name]
    (parts / name).write_bytes(content)
    (parts / "shape.dae").write_text("<COLLADA/>")
    with pytest.raises(UsageError) as raised:
        new_environment("mine", tmp_path / "new" / "envs", parts / name)
    assert problem in raised.value.message
    assert cure in raised.value.remedy
    assert not (tmp_path / "new").exists()


def test_a_folder_is_refused_and_a_model_in_it_is_named(parts: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is a folder.*left\.xml"):
        new_environment("mine", tmp_path, parts / "left")


def test_the_remedies_for_a_urdf_work(parts: Path, tmp_path: Path) -> None:
    rule = '<mujoco><compiler meshdir="left/meshes" strippath="true"/></mujoco></robot>'
    shape = '<mesh filename="package://a/x.obj"/>'
    (parts / "r.urdf").write_text(URDF.format(shape=shape).replace("</robot>", rule))
    with pytest.raises(UsageError, match="a URDF has no actuators"):
        new_environment("mine", tmp_path, parts / "r.urdf")
    spec = mujoco.MjSpec.from_file(str(parts / "r.urdf"))
    spec.compile()
    (parts / "r.xml").write_text(spec.to_xml().replace("</mujoco>", f"{MOTOR}</mujoco>"))
    assert new_environment("mine", tmp_path, parts / "r.xml").folder.is_dir()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot be written.*--folder"):
        new_environment("mine", tmp_path / "file" / "envs")
