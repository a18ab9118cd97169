"""What `runs`, `show` and the end of a search draw, in any terminal and whatever programs hold."""

import io
import re
import subprocess
import sys
import unicodedata

import pytest
from rich.console import Console, RenderableType

from eureka_agent.store import Run, RunReader
from eureka_agent.views.live import event_line, frame
from eureka_agent.views.snapshot import live_snapshot
from eureka_agent.views.terminal.candidate import show_candidate
from eureka_agent.views.terminal.run import final_summary, runs_table, show_run

COLOUR = re.compile(r"\x1b\[[\d;]*m")


def draw(renderable: RenderableType, width: int = 100, *, color: bool = False) -> str:
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=color,
        color_system="truecolor" if color else None,
        emoji=True,
    )
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def views(run: Run, width: int = 100, height: int = 40) -> dict[str, RenderableType]:
    return {
        "runs": runs_table(run.path.parent),
        "run": show_run(run),
        "end": final_summary(run),
        "frame": frame(live_snapshot(run), ["footer"], width, height),
        **{f"candidate {row.id}": show_candidate(run, row.id) for row in run.candidates()},
    }


@pytest.mark.parametrize("color", [True, False])
def test_nothing_a_program_holds_reaches_the_terminal_as_a_command(
    full_run: Run, color: bool
) -> None:
    for name, view in views(full_run).items():
        text = draw(view, color=color)
        assert ("\x1b" in text) == color, name
        rest = COLOUR.sub("", text).replace("\n", "")
        assert not [c for c in rest if unicodedata.category(c)[0] == "C"], name
        if name != "runs":
            assert "[red]loud[/red] [/]" in rest, name
        assert "\N{SMILING FACE WITH OPEN MOUTH AND SMILING EYES}" not in rest


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_views_stay_within_the_width(full_run: Run, width: int) -> None:
    for name, view in views(full_run, width).items():
        for line in draw(view, width).splitlines():
            assert len(line) <= width, (name, line)


def test_views_work_for_a_run_in_which_nothing_has_happened(new_run: Run) -> None:
    for view in views(new_run, width=60).values():
        assert draw(view, 60)


def test_the_run_shows_what_each_result_rests_on(full_run: Run) -> None:
    full_run.set_reporting(full_run.trainings("candidate")[0].id, 9.0)
    text = draw(show_run(full_run))
    assert re.search(r"winner +9\.000 +- +9\.000", text)
    assert re.search(r"human reward +22\.00 +17\.03 to 26\.97 +20\.00 22\.00 24\.00", text)
    assert re.search(r"bare fitness +- +- +-, 1 failed", text)
    assert "1 trained, 1 rejected, 1 failed" in text


def test_the_run_says_whether_the_winner_beats_the_baselines(
    full_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(full_run.path.parent)
    full_run.set_reporting(full_run.trainings("candidate")[0].id, 9.0)
    text = " ".join(draw(show_run(full_run)).split())
    assert "No human-normalised score: the winner has one result" in text
    for seed, fitness in enumerate([7.0, 8.0]):
        again = full_run.add_training("winner", seed, steps_total=1, candidate=1)
        full_run.set_reporting(again.id, fitness)
        bare = full_run.add_training("fitness", 10 + seed, steps_total=1)
        full_run.set_reporting(bare.id, 7.1 + seed)
    text = " ".join(draw(show_run(full_run), 80).split())
    assert (
        "Candidate 1 reaches 7.500, expected on a fresh seed: worse than the human reward" in text
    )
    assert "too few training runs to say whether it beats the bare fitness (7.600);" in text
    assert f"`eureka-agent evaluate {full_run.name} --seeds 10` would." in text
    assert "Human-normalised score -0.007 (95 % interval" in text
    assert "too narrow with so few seeds" in text


def test_a_run_copied_without_its_files_is_shown_from_its_database(full_run: Run) -> None:
    copy = full_run.path.parent.parent / "copies" / full_run.name
    copy.mkdir(parents=True)
    full_run._database.execute("VACUUM INTO ?", str(copy / "run.db"))
    with RunReader.open(copy) as run:
        assert "human reward" in draw(show_run(run))
        text = " ".join(draw(show_candidate(run, 1)).split())
        assert "def compute_reward" in text
        assert "(missing;" in text
        assert draw(frame(live_snapshot(run), ["footer"], 80, 24))


def test_a_candidate_shows_its_reflection(full_run: Run) -> None:
    assert "Reflection" not in draw(show_candidate(full_run, 1))
    full_run.set_reflection(1, "go is flat: drop it.")
    text = draw(show_candidate(full_run, 1))
    assert re.search(r"Reflection\n +go is flat: drop it\.", text)


@pytest.mark.parametrize(("same", "word"), [(True, "the same result"), (False, "ANOTHER result")])
def test_the_end_says_whether_the_winner_was_reproduced(
    full_run: Run, same: bool, word: str
) -> None:
    again = full_run.add_training("winner", 0, steps_total=1, candidate=1)
    full_run.set_reporting(again.id, 9.0)
    full_run.set_reproduced(again.id, same)
    assert word in " ".join(draw(final_summary(full_run)).split())


def test_the_end_of_an_unfinished_search_says_how_to_continue(full_run: Run) -> None:
    resume = f"eureka-agent resume {full_run.path}"
    assert resume in "".join(draw(final_summary(full_run)).split()).replace("resume", " resume ")
    full_run.set_status("finished")
    assert "eureka-agent resume" not in draw(final_summary(full_run))


def test_a_candidate_shows_its_curves_and_the_selected_checkpoint(full_run: Run) -> None:
    text = draw(show_candidate(full_run, 1))
    assert re.search(r"1,000 +10\.00 +3\.000 +500\.0 +25 % +selected", text)
    assert "line 6, error: pole_pu is no signal" in draw(show_candidate(full_run, 2))
    assert "RewardFailed: not finite" in draw(show_candidate(full_run, 3))


@pytest.mark.parametrize(("width", "height"), [(30, 16), (80, 24), (120, 40)])
@pytest.mark.parametrize("lanes", [1, 40])
def test_a_frame_fits_the_terminal(full_run: Run, width: int, height: int, lanes: int) -> None:
    for number in range(lanes):
        full_run.add_candidate(1, number, "", designer="offline")
        full_run.event("proposed", "proposed", number + 1)
    text = draw(frame(live_snapshot(full_run), ["footer"], width, height), width)
    assert len(text.splitlines()) < height
    assert text.splitlines()[-1] == "footer"
    assert ("more" in text) == (lanes == 40)


def test_a_frame_marks_fitness_as_high_as_the_human_reward(full_run: Run) -> None:
    text = draw(frame(live_snapshot(full_run), [], 100, 40))
    human = full_run.trainings("human")
    assert [training.ranking_fitness for training in human] == [20.0, 22.0, 24.0]
    assert re.search(r"^#1 .*  10\.00    10\.00  ", text, re.MULTILINE)
    full_run.set_result(1, fitness=22.5, own_return=3.0, checkpoint_step=1000)
    marked = draw(frame(live_snapshot(full_run), [], 100, 40))
    assert re.search(r"^#1 .*  22\.50▲   10\.00  ", marked, re.MULTILINE)
    assert re.search(r"^human .*  22\.00    24\.00  ", text, re.MULTILINE)


def test_the_footer_takes_as_many_lines_as_it_needs(full_run: Run) -> None:
    footer = ["a" * 20, "b" * 20, "c" * 20]
    lines = draw(frame(live_snapshot(full_run), footer, 50, 24), 50).splitlines()
    assert lines[-2:] == [f"{'a' * 20}  ·  {'b' * 20}", "c" * 20]
    assert len(lines) < 24


def test_events_name_their_candidate(new_run: Run) -> None:
    new_run.add_candidate(0, 0, "", designer="offline")
    new_run.event("rejected", "unknown name", 1)
    new_run.event("failed", "Traceback:\n  line 6\nValueError: not finite", 1)
    new_run.event("budget", "The budget is spent.")
    lines = [event_line(event).plain[10:] for event in new_run.events()]
    assert lines == [
        "#1 rejected: unknown name",
        "#1 failed: ValueError: not finite",
        "The budget is spent.",
    ]


def test_the_fittest_of_many_candidates_are_shown(new_run: Run) -> None:
    with new_run.transaction():
        for number in range(100):
            new_run.add_candidate(0, number, "", designer="offline")
            new_run.set_result(number + 1, fitness=number, own_return=0.0, checkpoint_step=1)
    text = draw(show_run(new_run))
    assert "60 of 100" in text
    assert re.search(r"\b99\.00\b", text)
    assert not re.search(r"\b39\.00\b", text)


def test_showing_a_run_imports_nothing_heavy() -> None:
    code = (
        "import sys, eureka_agent.views.terminal.run, eureka_agent.views.live; "
        "sys.exit(bool({'torch', 'mujoco', 'numpy', 'pygments', 'asyncio'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
