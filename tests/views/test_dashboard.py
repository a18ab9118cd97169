"""The dashboard: what it shows in terminals of three sizes, what its keys do, what it survives."""

import asyncio
import io
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import unicodedata
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console
from support import UNTO_SCHEMA_4
from textual.pilot import Pilot
from textual.widgets import Input
from views.conftest import HOSTILE
from views.synthetic import large_run

from eureka_agent.common.errors import UsageError
from eureka_agent.store import Run
from eureka_agent.views.dashboard import chosen, watch_runs
from eureka_agent.views.dashboard.app import Dashboard
from eureka_agent.views.dashboard.pages import candidate_pages, generation, run_pages
from eureka_agent.views.dashboard.source import Source
from eureka_agent.views.dashboard.tree import Place, RunTree
from eureka_agent.views.dashboard.widgets import Page

SNAPSHOTS = Path(__file__).parent / "snapshots"
# Set to write the snapshots anew; then look at what has changed.
UPDATE = "UPDATE_SNAPSHOTS" in os.environ
CLOCK = re.compile(r"\d\d:\d\d:\d\d")
NARROW, MIDDLE, WIDE = (80, 24), (120, 40), (200, 60)
SELDOM = 3600.0

Look = Callable[[Pilot[None]], Awaitable[None]]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run of 24 candidates, under a name that is always the same."""
    directory = tmp_path_factory.mktemp("runs")
    with large_run(directory, 24, 8) as run:
        path = run.path
    return path.rename(directory / "synthetic-run")


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with large_run(tmp_path_factory.mktemp("runs"), 1000) as run:
        return run.path


def drive(
    look: Look, *paths: Path, size: tuple[int, int] = MIDDLE, interval: float = SELDOM
) -> None:
    """Run the dashboard without a terminal, and look at it."""

    async def run() -> None:
        app = Dashboard(paths, interval=interval)
        async with app.run_test(size=size, notifications=True) as pilot:
            await settle(pilot)
            await look(pilot)

    asyncio.run(run())


async def settle(pilot: Pilot[None], *keys: str) -> None:
    """Press keys, and wait until the page has followed the cursor."""
    app = dashboard(pilot)
    if keys:
        await pilot.press(*keys)
    await until(pilot, lambda: app.is_settled)


async def search(pilot: Pilot[None], words: str) -> None:
    await settle(pilot, "slash")
    pilot.app.query_one(Input).value = words
    await settle(pilot, "enter")


async def until(pilot: Pilot[None], done: Callable[[], bool]) -> None:
    await pilot.pause()
    while not done():
        await asyncio.sleep(0.01)
    await pilot.pause()


def dashboard(pilot: Pilot[None]) -> Dashboard:
    assert isinstance(pilot.app, Dashboard)
    return pilot.app


def screen(pilot: Pilot[None]) -> str:
    """All that is on the screen."""
    shown = pilot.app.screen
    strips = shown._compositor.render_strips(shown.size)
    return "\n".join(strip.text.rstrip() for strip in strips) + "\n"


def place(pilot: Pilot[None]) -> Place | None:
    return pilot.app.query_one(RunTree).place


@pytest.mark.parametrize(
    ("name", "size", "keys"),
    [
        ("run-80", NARROW, ["enter"]),
        ("list-80", NARROW, ["b"]),
        ("facts-80", NARROW, ["b", "enter"]),
        ("keys-80", NARROW, ["question_mark"]),
        ("curves-120", MIDDLE, ["b", "5"]),
        ("code-120", MIDDLE, ["b", "2"]),
        ("lineage-120", MIDDLE, ["g", "b", "6"]),
        ("critic-120", MIDDLE, ["slash", *"reje", "enter", "n", "4"]),
        ("run-200", WIDE, []),
        ("diff-200", WIDE, ["b", "3"]),
        ("failures-120", MIDDLE, ["b", "8"]),
        ("prompt-200", WIDE, ["b", "0"]),
    ],
)
def test_the_dashboard_looks_as_it_did(
    finished: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    size: tuple[int, int],
    keys: list[str],
) -> None:
    monkeypatch.chdir(finished.parent)  # so that the paths shown are the same on every machine

    async def look(pilot: Pilot[None]) -> None:
        await settle(pilot, *keys)
        text = CLOCK.sub("hh:mm:ss", screen(pilot))
        file = SNAPSHOTS / f"{name}.txt"
        if UPDATE:
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8")

    drive(look, Path(finished.name), size=size)


def test_a_narrow_terminal_shows_the_list_or_the_page(finished: Path) -> None:
    async def look(pilot: Pilot[None]) -> None:
        page, tree = pilot.app.query_one(Page), pilot.app.query_one(RunTree)
        assert not page.display
        await settle(pilot, "b", "enter")
        assert page.display
        assert not tree.parent.display  # pyright: ignore[reportOptionalMemberAccess]
        assert "Candidate" in screen(pilot)
        await settle(pilot, "escape")
        assert not page.display
        assert tree.has_focus
        await pilot.resize_terminal(*MIDDLE)
        await settle(pilot)
        assert page.display
        assert "Candidate" in screen(pilot)

    drive(look, finished, size=NARROW)


def test_a_page_is_chosen_from_the_list_of_a_narrow_terminal(finished: Path) -> None:
    async def look(pilot: Pilot[None]) -> None:
        page = pilot.app.query_one(Page)
        await settle(pilot, "b", "2")
        await until(pilot, lambda: page.title == "Code")
        assert page.display
        assert "def compute_reward" in screen(pilot)

    drive(look, finished, size=NARROW)


def test_search_shows_candidates_with_all_words(finished: Path) -> None:
    async def look(pilot: Pilot[None]) -> None:
        tree = pilot.app.query_one(RunTree)
        await search(pilot, "REJECTED finite")
        assert tree.has_focus
        assert tree.candidates() == []
        await search(pilot, "REJECTED torso_speed")
        assert [found.candidate for found in tree.candidates()] == [7, 15, 23]
        await search(pilot, "#12")
        assert [found.candidate for found in tree.candidates()] == [12]
        assert "1 of 24 candidates" in screen(pilot)
        await settle(pilot, "escape")
        assert len(tree.candidates()) == 24

    drive(look, finished)


def test_candidates_can_be_sorted_and_grouped(finished: Path) -> None:
    async def look(pilot: Pilot[None]) -> None:
        tree = pilot.app.query_one(RunTree)
        with Run.open(finished) as run:
            rows = run.candidates()
        await settle(pilot, "g", "g", "s")
        ids = [found.candidate for found in tree.candidates()]
        ranked = sorted(rows, key=lambda row: (row.fitness is None, -(row.fitness or 0), row.id))
        assert ids == [row.id for row in ranked]
        await settle(pilot, "s", "s")
        assert [found.candidate for found in tree.candidates()] == list(range(24, 0, -1))
        await settle(pilot, "g", "g", "s", "b")
        node = tree.cursor_node
        best = run_best(finished)
        parents = []
        while node is not None and node.data is not None and node.data.candidate is not None:
            parents.append(node.data.candidate)
            node = node.parent
        assert parents == list(range(best, 0, -8))

    drive(look, finished)


def run_best(path: Path) -> int:
    with Run.open(path) as run:
        best = run.row().best_candidate
    assert best is not None
    return best


def test_a_live_run_is_followed_without_moving_the_cursor(new_run: Run) -> None:
    run = new_run

    async def look(pilot: Pilot[None]) -> None:
        tree = pilot.app.query_one(RunTree)
        assert "0 candidates in 0 generations" in screen(pilot)
        run.add_candidate(0, 0, "first", designer="offline", thought="The first idea")
        await until(pilot, lambda: len(tree.candidates()) == 1)
        await settle(pilot, "n")
        assert place(pilot) == Place(0, candidate=1)
        training = run.add_training("candidate", 0, steps_total=1000, candidate=1)
        run.start_training(training.id)
        run.set_candidate_state(1, "training")
        run.set_progress({training.id: 420})
        run.add_candidate(1, 0, "second", designer="offline", parents=[1])
        await until(pilot, lambda: len(tree.candidates()) == 2 and "42 %" in screen(pilot))
        assert place(pilot) == Place(0, candidate=1)
        await until(pilot, lambda: "led to" in screen(pilot))
        run.set_phase("training on")  # the writer is not held up

    with run.lock():
        drive(look, run.path, interval=0.02)


def test_looking_changes_nothing(finished: Path) -> None:
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}

    async def look(pilot: Pilot[None]) -> None:
        await settle(pilot, "b", *"123456789", "g", "s")

    drive(look, finished)
    after = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    assert {path.name for path in after.keys() - before.keys()} <= {"run.db-shm", "run.db-wal"}
    assert {path: after[path] for path in before} == before


def test_several_runs_stand_side_by_side(finished: Path, full_run: Run) -> None:
    async def look(pilot: Pilot[None]) -> None:
        text = screen(pilot)
        assert finished.name in text
        assert full_run.name in text
        await settle(pilot, "left", "down")
        assert place(pilot) == Place(1)
        assert "Swing the pole up" in screen(pilot)

    drive(look, finished, full_run.path)


def test_a_run_that_cannot_be_read_says_why(finished: Path, tmp_path: Path) -> None:
    garbage, newer, gone = (tmp_path / name for name in ("garbage", "newer", "gone"))
    for folder in (newer, gone):
        shutil.copytree(finished, folder)
    garbage.mkdir()
    (garbage / "run.db").write_text("nothing that SQLite could read" * 10)
    database = sqlite3.connect(newer / "run.db")
    database.execute("PRAGMA user_version = 999")
    database.close()

    async def look(pilot: Pilot[None]) -> None:
        assert screen(pilot).count("unreadable") >= 2
        assert "cannot be read" in screen(pilot)
        await settle(pilot, "down")
        assert "Upgrade eureka-agent" in screen(pilot)
        shutil.rmtree(gone)
        await settle(pilot, "down")
        await until(pilot, lambda: "no longer there" in screen(pilot))

    drive(look, garbage, newer, gone, interval=0.2)


def test_a_copied_run_of_an_older_version_is_shown(finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(finished / "run.db", copy)  # and none of the other files
    database = sqlite3.connect(copy / "run.db")
    database.executescript(UNTO_SCHEMA_4)
    database.executescript(
        "DROP TABLE drafts; DROP TABLE exchanges; DROP TABLE insights; DROP TABLE analyses; "
        "ALTER TABLE candidates DROP COLUMN lesson; ALTER TABLE candidates DROP COLUMN twin; "
        "ALTER TABLE candidates DROP COLUMN reflection; PRAGMA user_version = 1;"
    )
    database.close()

    async def look(pilot: Pilot[None]) -> None:
        await settle(pilot, "b", "2")
        assert "compute_reward" in screen(pilot)
        await settle(pilot, "0")
        assert "No language model was asked" in screen(pilot)

    drive(look, copy)


@pytest.mark.parametrize("width", [24, 80, 200])
def test_every_page_is_drawn_within_the_width_whatever_a_run_holds(
    full_run: Run, width: int
) -> None:
    full_run.set_reflection(1, HOSTILE)
    full_run.set_reporting(1, 9.0)
    source = Source(full_run.path)
    assert source.look()
    assert source.overview is not None
    pages = dict(run_pages(source))
    for row in source.overview.generations:
        pages["Generation"] = partial(generation, source.overview, row)
    for row in source.overview.candidates:
        details = source.details(row.id)
        assert details is not None
        pages |= {f"{row.id} {name}": draw for name, draw in candidate_pages(details).items()}
    source.close()
    for name, draw in pages.items():
        console = Console(file=io.StringIO(), width=width)
        console.print(draw())
        text = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
        assert all(len(line) <= width for line in text.splitlines()), name
        assert not [c for c in text if c != "\n" and unicodedata.category(c)[0] == "C"], name


def test_nothing_a_program_holds_reaches_the_terminal_as_a_command(full_run: Run) -> None:
    async def look(pilot: Pilot[None]) -> None:
        await settle(pilot, "b")
        rest = screen(pilot).replace("\n", "")
        assert "[red]loud[/red] [/]" in rest
        assert not [c for c in rest if unicodedata.category(c)[0] == "C"]

    drive(look, full_run.path)


def test_an_empty_run_is_shown(new_run: Run) -> None:
    async def look(pilot: Pilot[None]) -> None:
        await settle(pilot, *"12345bnyvgs")
        assert "0 candidates" in screen(pilot)

    drive(look, new_run.path)


def test_the_path_of_a_program_is_copied(finished: Path) -> None:
    async def look(pilot: Pilot[None]) -> None:
        await settle(pilot, "y")
        assert pilot.app.clipboard == str(finished)
        await settle(pilot, "b", "y")
        program = finished / "candidates" / str(run_best(finished)) / "reward.py"
        assert pilot.app.clipboard == str(program)
        assert program.is_file()

    drive(look, finished)


def test_a_video_opens_where_there_is_a_screen(
    full_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "said"
    opener = tmp_path / "bin" / ("open" if sys.platform == "darwin" else "xdg-open")
    opener.parent.mkdir()
    opener.write_text(f'#!/bin/sh\necho "$1" > "{said}.part" && mv "{said}.part" "{said}"\n')
    opener.chmod(0o755)
    monkeypatch.setenv("PATH", str(opener.parent), prepend=os.pathsep)
    video = full_run.candidate_folder(1) / "video.mp4"

    async def look(pilot: Pilot[None]) -> None:
        await settle(pilot, "b", "v")
        assert "There is no video" in screen(pilot)
        video.write_bytes(b"not even a video")
        monkeypatch.setenv("DISPLAY", ":0")
        await settle(pilot, "v")
        await until(pilot, said.is_file)
        assert said.read_text().strip() == str(video)
        said.unlink()
        await settle(pilot, "home", "v")  # of the run: that of its best candidate
        await until(pilot, said.is_file)
        assert said.read_text().strip() == str(video)
        await settle(pilot, "b", "n")
        await settle(pilot, "p")
        assert "video.mp4" in screen(pilot).replace("\n", "")

    drive(look, full_run.path)


def test_a_thousand_candidates_can_be_walked_and_searched(thousand: Path) -> None:
    async def look(pilot: Pilot[None]) -> None:
        tree = pilot.app.query_one(RunTree)
        assert len(tree.candidates()) == 1000
        assert len(screen(pilot).splitlines()) == 24
        await settle(pilot, "b", "enter", "5")
        assert "human reward" in screen(pilot)
        await search(pilot, "idea 777")
        assert Place(0, candidate=777) in tree.candidates()

    drive(look, thousand, size=NARROW)


def test_without_a_terminal_the_dashboard_says_what_to_use(finished: Path) -> None:
    with pytest.raises(UsageError, match="needs a terminal") as caught:
        watch_runs([str(finished)], finished.parent)
    assert "eureka-agent show" in caught.value.remedy


def test_without_a_name_the_newest_runs_are_shown(finished: Path, tmp_path: Path) -> None:
    assert chosen([], finished.parent) == [finished]
    assert chosen(["synthetic", "latest"], finished.parent) == [finished]
    with pytest.raises(UsageError, match="There are no runs"):
        chosen([], tmp_path)


def test_only_the_dashboard_itself_imports_textual() -> None:
    code = (
        "import sys, eureka_agent.cli, eureka_agent.views.dashboard; "
        "sys.exit('textual' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
