"""A built wheel carries environments, presets and prompts as data, and works from any directory."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built in this Python without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what an installation of the wheel would put on the path."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run_installed(site: Path, directory: Path, code: str) -> list[str]:
    """Lines printed by `code` in a Python that sees the unpacked wheel before the checkout."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:1] = [{str(site)!r}]\n{code}"],
        cwd=directory,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    return done.stdout.splitlines()


def test_every_data_file_is_inside_the_package(site: Path) -> None:
    for name in ("envs", "presets", "prompts"):
        source, carried = ROOT / name, site / "eureka_agent" / "_data" / name
        wanted = {
            path.relative_to(source): path.read_bytes()
            for path in source.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and path.name[0] != "."
        }
        assert wanted
        assert {
            path.relative_to(carried): path.read_bytes()
            for path in carried.rglob("*")
            if path.is_file()
        } == wanted


def test_only_the_package_is_importable(site: Path) -> None:
    assert {path.name.split("-")[0] for path in site.iterdir()} == {"eureka_agent"}
    assert (site / "eureka_agent" / "py.typed").is_file()


def test_an_installed_wheel_finds_its_environments_from_any_directory(
    site: Path, tmp_path: Path
) -> None:
    code = (
        "from eureka_agent.environment import find_environment\n"
        "from eureka_agent.common.paths import data_folder\n"
        "print(find_environment('cartpole').folder)\n"
        "print(data_folder('prompts'))"
    )
    data = site.resolve() / "eureka_agent" / "_data"
    assert run_installed(site, tmp_path, code) == [
        str(data / "envs" / "cartpole"),
        str(data / "prompts"),
    ]


def test_an_installed_wheel_writes_a_new_environment(site: Path, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "from eureka_agent.env_tools.scaffold.create import new_environment\n"
        "new = new_environment('mine', Path())\n"
        "print(*sorted(path.name for path in new.folder.iterdir()), sep='\\n')"
    )
    written = ["README.md", "env.py", "fitness.py", "human_reward.py", "scene.xml"]
    assert run_installed(site, tmp_path, code) == written
