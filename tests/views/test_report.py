"""The report's file: what it says, what it never does, and what it makes of odd runs."""

import base64
import json
import os
import random
import re
import shutil
import sqlite3
import string
from pathlib import Path

import pytest
from plotly.offline import get_plotlyjs
from support import UNTO_SCHEMA_4
from typer.testing import CliRunner
from views.pages import HOSTILE, MARKUP, Page, embedded, hostile_run, packed, unpack
from views.synthetic import large_run

from eureka_agent.cli import app
from eureka_agent.common.errors import UsageError
from eureka_agent.store import RewardComparisonRow, Run, RunReader
from eureka_agent.store.folder import DATABASE
from eureka_agent.views.documents import run_document
from eureka_agent.views.html.analysis_figures import analysis_plots
from eureka_agent.views.html.contents import pack
from eureka_agent.views.html.page import report_page, write_report

WINNER = 58
TASK = "Move the cart until the pole stands. " * 100
LARGEST = 10_000_000


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run with 64 candidates."""
    with large_run(tmp_path_factory.mktemp("runs"), 64) as run:
        return run.path


@pytest.fixture(scope="module")
def page(finished: Path) -> str:
    with RunReader.open(finished) as run:
        return report_page(run)


def read(folder: Path) -> str:
    with RunReader.open(folder) as run:
        return report_page(run)


def test_the_report_has_the_task_the_winner_and_what_was_spent(page: str) -> None:
    text = Page(page).text
    assert "Run forward as fast as you can." in text
    assert "Idea 58: run forward" in text
    assert "def compute_reward(torso_velocity, torso_up, action, prev_action):" in text
    assert "human reward" in text and "4.829 to 7.371" in text
    assert "0.64 USD" in text
    assert "19.20 M" in text
    assert "generations" in text


def test_every_candidate_is_in_the_list_and_can_be_opened(page: str) -> None:
    links = {attrs.get("href") for tag, attrs in Page(page).tags if tag == "a"}
    opened = packed(page)["candidates"]
    for number in range(1, 65):
        assert f"#candidate-{number}" in links
        assert f"Candidate {number}" in opened[str(number)]["html"]
    assert packed(page)["winner"] == WINNER
    drawn = {"training", "components", "lens-0", "lens-1", "lens-2"}
    assert opened[str(WINNER)]["plots"].keys() == drawn
    assert "unknown-name" in opened["15"]["html"]
    assert "not finite" in opened["16"]["html"]
    assert "Fell: 1 of 2, from about step 120." in Page(opened["1"]["html"]).text
    assert "How its episodes fail" not in Page(opened["15"]["html"]).text


def test_every_link_inside_has_its_target(page: str) -> None:
    opened = packed(page)["candidates"]
    for part in (page, *(entry["html"] for entry in opened.values())):
        for tag, attrs in Page(part).tags:
            if tag == "a":
                assert (attrs["href"] or "").removeprefix("#candidate-") in opened


def test_every_plot_of_the_page_has_its_figure(page: str) -> None:
    data = packed(page)
    there = {*data["plots"], *(f"winner-{key}" for key in data["candidates"]["58"]["plots"])}
    assert {attrs["data-plot"] for _, attrs in Page(page).tags if "data-plot" in attrs} == there


def test_the_report_loads_nothing_from_elsewhere(page: str) -> None:
    parsed = Page(page)
    assert parsed.count("link") == parsed.count("iframe") == parsed.count("object") == 0
    for _, attrs in parsed.tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert (attrs.get(name) or "#").startswith(("#", "data:"))
    assert not re.search(r"https?://|url\(|@import", page)
    (policy,) = (attrs["content"] for _, attrs in parsed.tags if "http-equiv" in attrs)
    assert policy is not None and policy.startswith("default-src 'none';")


def test_only_the_report_s_own_scripts_may_run(page: str, finished: Path) -> None:
    (nonce,) = set(re.findall(r"nonce-([\w-]+)'", page))
    scripts = [attrs for tag, attrs in Page(page).tags if tag == "script"]
    assert [attrs.get("nonce") for attrs in scripts] == [None, None, nonce]
    assert nonce not in read(finished)  # it cannot be known beforehand


def test_hostile_text_is_shown_and_never_markup(tmp_path: Path) -> None:
    with hostile_run(tmp_path) as run:
        html = report_page(run)
    page = Page(html)
    assert page.count("script") == 3
    assert page.count("img") == 0
    assert MARKUP in page.text
    assert "{{ 7 * 7 }}" in page.text
    for entry in packed(html)["candidates"].values():
        part = Page(entry["html"])
        assert part.count("script") == part.count("img") == 0
        assert MARKUP in part.text
        assert all((a.get("href") or "#").startswith("#") for _, a in part.tags)
        assert "\x1b" not in entry["html"] and "\u202e" not in entry["html"]
    assert "<a href" not in json.dumps([e["plots"] for e in packed(html)["candidates"].values()])
    html.encode("utf-8")  # no lone surrogate is left


@pytest.mark.long
@pytest.mark.slow
def test_a_thousand_candidates_with_long_answers_stay_under_ten_megabytes(tmp_path: Path) -> None:
    letters = random.Random(0)
    taught: list[str] = []
    with large_run(tmp_path, 1000) as run, run.transaction():
        for number in range(1, 1001):
            words = ("".join(letters.choices(string.ascii_lowercase, k=5)) for _ in range(300))
            taught.append(" ".join(words))
            run.set_reflection(number, taught[-1])
            ask(
                run, divmod(number - 1, 16), "\n\n".join([TASK, *taught[-6:], f"Program {number}."])
            )
        size = write_report(run).stat().st_size
    assert size < LARGEST


def test_a_run_in_which_nothing_has_happened_has_a_report(tmp_path: Path) -> None:
    with Run.create(tmp_path, "cartpole", goal="Swing.", seed=0, config={}) as run:
        html = report_page(run)
    assert "No candidate has been trained to the end yet." in Page(html).text
    assert packed(html)["candidates"] == {}


def test_a_run_in_which_nothing_was_analysed_has_a_report(tmp_path: Path) -> None:
    with Run.create(tmp_path, "cartpole", goal="Up.", seed=0, config={}) as run:
        run.add_candidate(0, 0, "x", designer="offline")
        run.set_verdict(1, [], accepted=True)
        run.set_result(1, fitness=1.0, own_return=1.0, checkpoint_step=1)
        run.set_best(1)
        run.add_analysis(1)
        text = Page(report_page(run)).text
    assert "How policies fail" not in text and "What the winner's reward pays" not in text


def test_a_run_that_is_being_written_has_a_report(tmp_path: Path) -> None:
    with large_run(tmp_path, 4) as run, run.transaction():
        run.set_phase("halfway")
        assert "#candidate-4" in read(run.path)


def test_a_copied_folder_without_its_files_has_a_report(finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(finished / DATABASE, copy)
    assert "Idea 58" in read(copy)
    assert [path.name for path in copy.iterdir() if path.suffix == ".html"] == []


def test_an_older_run_has_a_report_and_stays_as_it_is(tmp_path: Path) -> None:
    with Run.create(tmp_path, "cartpole", goal="Swing up.", seed=1, config={}) as run:
        run.add_candidate(0, 0, "x = 1", designer="offline", thought="Up.")
    connection = sqlite3.connect(run.path / DATABASE)
    connection.executescript(UNTO_SCHEMA_4)
    connection.executescript("""
        DROP TABLE insights;
        DROP TABLE analyses;
        ALTER TABLE candidates DROP COLUMN twin;
        PRAGMA user_version = 2;
    """)
    connection.close()
    before = (run.path / DATABASE).read_bytes()
    assert "Swing up." in read(run.path)
    assert (run.path / DATABASE).read_bytes() == before


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("video.mp4", b"\x00\x00", "data:video/mp4;base64,AAA="),
        ("video.gif", b"GIF89a", "data:image/gif;base64,"),
        ("video.mp4", b"", "The video candidates/1/video.mp4 is empty."),
    ],
)
def test_the_winner_s_video_is_in_the_report_or_the_reason_why_not(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    with hostile_run(tmp_path) as run:
        (run.candidate_folder(1) / name).write_bytes(content)
        assert said in report_page(run)


def test_a_video_too_large_to_send_stays_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eureka_agent.views.html.contents.LARGEST", 1)
    with hostile_run(tmp_path) as run:
        (run.candidate_folder(1) / "video.mp4").write_bytes(b"12")
        assert "is too large to be in here" in report_page(run)


def test_the_verdict_comes_first_and_candidates_are_listed_best_first(
    page: str, finished: Path, tmp_path: Path
) -> None:
    with RunReader.open(finished) as run:
        document = run_document(run)
    parsed = Page(page)
    assert parsed.text.index(document["verdict"]) < parsed.text.index("The winner")
    listed = re.findall(r'<td class="n" data-v="(\d+)"><a href="#candidate-', page)
    known = {row["id"]: row["ranking_value"] for row in document["candidates"]}
    values = [known[int(number)] for number in listed]
    ranked = [value for value in values if value is not None]
    assert len(listed) == 64 and ranked == sorted(ranked, reverse=True)
    assert values[: len(ranked)] == ranked
    assert '<div class="scroll">' in page
    with large_run(tmp_path, 20) as run:
        assert '<div class="scroll">' not in report_page(run), "the winner must not be hidden"


def test_films_in_the_run_folder_are_named(tmp_path: Path) -> None:
    with hostile_run(tmp_path) as run:
        (run.candidate_folder(2) / "video.gif").write_bytes(b"GIF89a")
        assert "Films in the run folder: candidates/2/video.gif." in report_page(run)


def test_a_blank_column_of_the_heat_map_is_explained() -> None:
    matrix = {
        "programs": [3, 5, 7, 8],
        "policies": [{"candidate": 3, "step": 9, "kind": "shipped"}],
        "z": [[0.5, -0.5, None, None]],
    }
    apart = [[0.0, 0.5, 0.02], [0.5, 0.0, 0.4], [0.02, 0.4, 0.0]]
    distances = {"candidates": [3, 5, 7], "matrix": apart, "human": None}
    row = RewardComparisonRow(0, distances, matrix, {}, [], [])
    (found,) = [
        reward_comparison
        for reward_comparison in analysis_plots(row)
        if reward_comparison.key == "matrix"
    ]
    assert "Column #7 is blank: it asks for the same as #3" in found.words
    assert "Column #8 is blank: that program pays the same everywhere" in found.words
    assert "#5 is blank" not in found.words


def test_many_candidates_print_as_those_with_the_best_fitness(page: str) -> None:
    assert page.count('class="late"') + page.count('class="best late"') == 64 - 40
    assert "The 40 that stand first; the file shows all 64." in Page(page).text


def test_a_very_long_reply_is_cut_and_says_so(tmp_path: Path) -> None:
    with Run.create(tmp_path, "cartpole", goal="Swing.", seed=0, config={}) as run:
        run.add_candidate(0, 0, "x = 1", designer="openai")
        counts = {"prompt_tokens": 1, "completion_tokens": 1, "estimated": False}
        texts = {"messages": [], "reply": "a" * 50_000, "reasoning": "", "finish_reason": "stop"}
        run.add_exchange(
            "designer", (0, 0, 0), model="m", cost=None, seconds=1.0, **counts, **texts
        )
        html = packed(report_page(run))["candidates"]["1"]["html"]
    assert "The rest of it is in the run folder." in html
    assert len(html) < 30_000


def test_questions_to_the_model_are_in_the_report_each_passage_once(tmp_path: Path) -> None:
    with Run.create(tmp_path, "cartpole", goal="Swing.", seed=0, config={}) as run:
        for slot in range(2):
            run.add_candidate(0, slot, "x = 1", designer="openai")
            ask(run, (0, slot), f"{TASK}\n\nProgram {slot}. \x1b[2J{MARKUP}")
        data = packed(report_page(run))
    assert len(data["passages"]) == len(set(data["passages"])) == 3
    for slot in range(2):
        html = data["candidates"][str(slot + 1)]["html"]
        (numbers,) = (
            dict(tag[1])["data-passages"] for tag in Page(html).tags if "data-passages" in tag[1]
        )
        said = [data["passages"][int(number)] for number in (numbers or "").split()]
        assert said == [TASK, f"Program {slot}. {MARKUP}"]


def ask(run: Run, place: tuple[int, int], question: str) -> None:
    """Store one more question to the language model about the candidate of a place."""
    counts = {"prompt_tokens": 1, "completion_tokens": 1, "estimated": False}
    texts = {"reply": "", "reasoning": "", "finish_reason": "stop"}
    messages = [{"role": "user", "content": question}]
    run.add_exchange(
        "analyst",
        (*place, 0),
        model="m",
        cost=None,
        seconds=1.0,
        messages=messages,
        **counts,
        **texts,
    )


def test_embedded_files_are_complete(tmp_path: Path, finished: Path, page: str) -> None:
    assert unpack(embedded(page, "library")) == get_plotlyjs()
    copied = shutil.copytree(finished, tmp_path / "run")
    film = os.urandom(300_000)
    folder = copied / "candidates" / str(WINNER)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "video.mp4").write_bytes(film)
    with RunReader.open(copied) as run:
        assert base64.b64encode(film).decode() in report_page(run)


def test_packing_keeps_every_character() -> None:
    text = f"{HOSTILE.encode('utf-8', 'replace').decode()} ü \n</script>"
    assert unpack(pack(text)) == text
    assert pack(text) == pack(text)
    assert re.fullmatch(r"[A-Za-z0-9+/=]*", pack(text))


def test_the_command_writes_into_the_run_or_to_the_given_file(
    finished: Path, tmp_path: Path
) -> None:
    done = CliRunner().invoke(app, ["report", str(finished)])
    assert done.exit_code == 0
    assert Path(done.stdout.strip()) == finished / "report.html"
    out = tmp_path / "out.html"
    done = CliRunner().invoke(app, ["report", str(finished), "--out", str(out), "--json"])
    assert json.loads(done.stdout) == {"report": str(out), "bytes": out.stat().st_size}


def test_a_folder_gets_a_report_of_the_usual_name(finished: Path, tmp_path: Path) -> None:
    with RunReader.open(finished) as run:
        assert write_report(run, tmp_path) == tmp_path / "report.html"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_place_that_cannot_be_written_is_named(finished: Path, tmp_path: Path) -> None:
    with RunReader.open(finished) as run, pytest.raises(UsageError, match="cannot be written"):
        write_report(run, tmp_path / "missing" / "report.html")
    assert list(tmp_path.iterdir()) == []
