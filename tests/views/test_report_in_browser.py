"""The report in a headless Chromium: the plots are drawn, candidates open, nothing hostile runs."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from views.pages import Page, hostile_run
from views.synthetic import large_run

from eureka_agent.views.html.page import write_report

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next((path for name in NAMES if (path := shutil.which(name))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        BROWSER is None, reason=f"no browser among {', '.join(NAMES)}; install chromium to run this"
    ),
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The report of a finished run with 32 candidates."""
    with large_run(tmp_path_factory.mktemp("runs"), 32) as run:
        yield write_report(run)


def browse(path: Path, words: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Open the file in a browser that reaches no network and keeps nothing."""
    assert BROWSER is not None
    fixed = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    fixed += [f"--user-data-dir={path.parent / 'profile'}", "--virtual-time-budget=60000"]
    fixed += ["--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--v=0"]
    environment = {**os.environ, "HOME": str(path.parent)}
    return subprocess.run(
        [BROWSER, *fixed, *options, f"{path.as_uri()}{words}"],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
        check=True,
    )


def points(page: Page) -> dict[str, int]:
    """How many marks every plot of a page was drawn with, by the plot's name."""
    found: dict[str, int] = {}
    name = ""
    for _, attributes in page.tags:
        classes = (attributes.get("class") or "").split()
        if "js-plotly-plot" in classes:
            name = attributes["data-plot"] or ""
            found[name] = 0
        found[name] = found.get(name, 0) + ("point" in classes)
    return {name: count for name, count in found.items() if name}


@pytest.fixture(scope="module")
def opened(report: Path) -> subprocess.CompletedProcess[str]:
    """The report with the page of a candidate that the address names, once it is drawn."""
    return browse(report, "#candidate-7", "--dump-dom")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """The report of a hostile run with a damaged video, once it is drawn."""
    with hostile_run(tmp_path_factory.mktemp("runs")) as run:
        (run.candidate_folder(1) / "video.mp4").write_bytes(b"a film that broke off")
        path = write_report(run)
    return browse(path, "#candidate-1", "--dump-dom")


def test_every_plot_is_drawn_with_all_its_points(
    opened: subprocess.CompletedProcess[str],
) -> None:
    assert 'data-ready="yes"' in opened.stdout
    assert "CONSOLE" not in opened.stderr, opened.stderr
    assert points(Page(opened.stdout)) == {
        "comparison": 3 + 4,  # the means, and each training where there are several
        "generations": 32 + 1,  # the winner is a star on top
        "lineage": 32,
        "outcomes": 3 * 2,
        "failures": 2,
        "winner-training": 5,
        "winner-components": 3 * 5,
        **{f"winner-lens-{k}": 0 for k in range(3)},  # lines and colours
        # of the candidate
        "training": 5,
        "components": 3 * 5,
        **{f"lens-{k}": 0 for k in range(3)},
    }


def test_a_candidate_named_in_the_address_is_opened(
    opened: subprocess.CompletedProcess[str],
) -> None:
    page = Page(opened.stdout)
    (dialog,) = (attributes for tag, attributes in page.tags if tag == "dialog")
    assert "open" in dialog
    assert "What it teaches" in page.text


def test_it_prints(report: Path) -> None:
    out = report.with_suffix(".pdf")
    browse(report, "", f"--print-to-pdf={out}")
    assert out.read_bytes().startswith(b"%PDF")


def test_a_damaged_video_gives_way_to_words(hostile: subprocess.CompletedProcess[str]) -> None:
    page = Page(hostile.stdout)
    assert page.count("video") == 0
    (words,) = (attributes for _, attributes in page.tags if attributes.get("id") == "unplayable")
    assert "hidden" not in words


def test_no_hostile_text_runs(hostile: subprocess.CompletedProcess[str]) -> None:
    assert 'data-ready="yes"' in hostile.stdout
    assert "CONSOLE" not in hostile.stderr, hostile.stderr
    page = Page(hostile.stdout)
    assert points(page).keys() >= {"training", "components"}
    assert page.count("script") == 3 + 1  # the plotting library, unpacked
    assert page.count("img") == page.count("iframe") == 0
    links = [attributes for tag, attributes in page.tags if tag == "a"]
    assert all((attributes.get("href") or "#").startswith("#") for attributes in links)
    assert not any("xlink:href" in attributes for attributes in links)
