"""The live view: what it shows, when it looks, and that it never disturbs the search."""

import io
import shutil
import subprocess
import sys
import time

import pytest
from rich.console import Console

from eureka_agent.store import Run, RunReader, UsageRow
from eureka_agent.views.live import (
    INTERVAL,
    SHARE,
    LiveView,
    Pace,
    PlainView,
    model_use,
    progress_view,
)
from eureka_agent.views.snapshot import Lane, RunSnapshot, live_snapshot


def console(*, terminal: bool = False, width: int = 80) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=terminal, width=width, height=24, legacy_windows=False
    )


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_plain_view_prints_each_event_and_evaluation_once(new_run: Run) -> None:
    new_run.add_candidate(0, 0, "", designer="offline")
    training = new_run.add_training("candidate", 0, steps_total=1000, candidate=1)
    new_run.event("old", "from an earlier sitting")
    new_run.add_evaluation(training.id, 100, fitness=99.0)
    screen = console(width=30)
    with PlainView(new_run.path, screen):
        new_run.set_phase("training with patience")
        for number in range(30):
            new_run.event("news", f"event {number}. " + "long " * 20, 1)
        new_run.add_evaluation(training.id, 500, fitness=5.5)
        new_run.start_training(training.id)
        new_run.add_evaluation(training.id, 700, fitness=7.5)
    text = printed(screen)
    for fact in [f"#1 event {number}. long" for number in range(30)]:
        assert text.count(fact) == 1
    assert text.count("training with patience") == 1
    assert text.count("#1 7.500") == 1
    assert text.count("generation 0") == 1
    assert "from an earlier sitting" not in text
    assert "99.0" not in text


def test_the_live_view_leaves_the_final_state_on_the_screen(full_run: Run) -> None:
    screen = console(terminal=True)
    with LiveView(full_run.path, screen):
        full_run.set_phase("the very last phase")
        full_run.event("finished", "It is done.")
    last = printed(screen).rsplit("cartpole-", 1)[1]
    assert "the very last phase" in last
    assert "It is done." in last
    assert "env steps" in last


@pytest.mark.parametrize("view", [LiveView, PlainView])
def test_a_view_that_cannot_read_says_so_once_and_the_search_continues(
    new_run: Run, view: type[LiveView | PlainView]
) -> None:
    screen = console(terminal=view is LiveView)
    path = new_run.path.parent / "elsewhere"
    with view(path, screen):
        pass
    assert printed(screen).count("the search continues") == 1


def test_a_run_folder_that_vanishes_does_not_reach_the_search(full_run: Run) -> None:
    with PlainView(full_run.path, console()):
        shutil.rmtree(full_run.path)


def test_an_error_in_the_search_passes_through_the_view(new_run: Run) -> None:
    with pytest.raises(KeyError), PlainView(new_run.path, console()):
        raise KeyError


def test_the_view_suits_the_console(new_run: Run) -> None:
    def chosen(screen: Console, plain: bool = False) -> type:
        return type(progress_view(new_run.path, screen, plain=plain))

    assert chosen(console()) is PlainView
    assert chosen(console(terminal=True)) is LiveView
    assert chosen(console(terminal=True), plain=True) is PlainView


def test_lanes_show_the_state_of_candidates_and_baselines(full_run: Run) -> None:
    seen = live_snapshot(full_run)
    trained, rejected, failed = seen.lanes
    assert (trained.state, trained.progress, trained.latest) == ("finished", 1.0, 10.0)
    assert trained.curve == (5.0, 10.0)
    assert (rejected.state, rejected.progress) == ("rejected", None)
    assert failed.words.startswith("RewardFailed: not finite")
    human, bare = seen.beside
    assert (human.label, human.state, human.words) == ("human", "finished", "mean of 3 trained")
    assert (bare.label, bare.state) == ("bare", "failed")


def test_baselines_appear_when_they_begin_to_train(new_run: Run) -> None:
    training = new_run.add_training("human", 0, steps_total=10)
    assert live_snapshot(new_run).beside == []
    new_run.start_training(training.id)
    assert len(live_snapshot(new_run).beside) == 1


def test_the_remaining_steps_count_open_training_runs_and_generations_to_come(new_run: Run) -> None:
    assert RunSnapshot(new_run).steps_remaining == 2 * 3 * 1000
    new_run.add_candidate(0, 0, "", designer="offline")
    training = new_run.add_training("candidate", 0, steps_total=1000, candidate=1)
    new_run.set_progress({training.id: 400})
    assert RunSnapshot(new_run).steps_remaining == 600 + 3 * 1000
    new_run.fail_training(training.id, "not finite")
    assert RunSnapshot(new_run).steps_remaining == 3 * 1000


def test_a_finished_search_leaves_nothing_to_do(new_run: Run) -> None:
    new_run.set_status("finished")
    assert RunSnapshot(new_run).steps_remaining == 0


def test_the_best_of_an_earlier_generation_stays_in_view(full_run: Run) -> None:
    assert live_snapshot(full_run).leader is None
    full_run.add_candidate(1, 0, "", designer="offline")
    leader = live_snapshot(full_run).leader
    assert leader is not None
    assert (leader.label, leader.latest, leader.words[:3]) == ("best", 10.0, "#1:")


def test_the_human_reward_is_a_yardstick_from_the_start(new_run: Run) -> None:
    published = Lane("human", "published", None, None, 5.0, (5.0,), "published")
    seen = live_snapshot(new_run, published)
    assert (seen.human_fitness, seen.beside) == (5.0, [published])
    for seed, fitness in enumerate([6.0, 8.0]):
        own = new_run.add_training("human", seed, steps_total=10)
        new_run.start_training(own.id)
        assert live_snapshot(new_run, published).human_fitness == (6.0 if seed else 5.0)
        new_run.finish_training(own.id, ranking_fitness=fitness, own_return=1, checkpoint_step=10)
    seen = live_snapshot(new_run, published)
    assert seen.human_fitness == 7.0
    assert [lane.state for lane in seen.beside] == ["finished"]


def test_a_view_that_is_slow_looks_less_often(
    new_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    class Slow(PlainView):
        def _update(self, run: RunReader, ending: bool) -> None:
            begun = time.thread_time()
            while time.thread_time() - begun < 0.02:
                pass

    view = Slow(new_run.path, console())
    monkeypatch.setattr(view._stop, "wait", lambda seconds: waits.append(seconds) or len(waits) > 2)
    view._show(new_run)
    assert waits[0] == INTERVAL
    assert min(waits[1:]) >= 0.02 / SHARE


def test_the_footer_has_tokens_and_cost_if_a_model_was_asked(new_run: Run) -> None:
    seen = RunSnapshot(new_run)
    assert model_use(seen) == []
    seen.usage = [UsageRow("designer", 2, 12_000, 900, 0.5, 3.0)]
    assert model_use(seen) == ["12 k + 900 tokens", "0.50 USD"]
    seen.usage += [UsageRow("repair", 1, 0, 0, None, 3.0)]
    assert model_use(seen)[1] == "cost unknown"


def test_the_footer_has_steps_pace_time_and_a_forecast_once_there_is_something_to_go_by(
    new_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_run.add_candidate(0, 0, "", designer="offline")
    training = new_run.add_training("candidate", 0, steps_total=1000, candidate=1)
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    view = PlainView(new_run.path, console())
    assert view._totals(RunSnapshot(new_run)) == ["0 env steps", "0/s", "0 s"]
    monkeypatch.setattr(time, "monotonic", lambda: 110.0)
    new_run.set_progress({training.id: 400})
    assert view._totals(RunSnapshot(new_run)) == [
        *("400 env steps", "40/s", "10 s"),
        "about 1 min 30 s left",  # 600 steps of this training run and 3 x 1,000 to come
    ]


def test_pace_is_of_the_last_seconds() -> None:
    pace = Pace(window=10.0)
    for second, steps in [(0, 0), (100, 1000), (105, 1500), (110, 2000)]:
        pace.look(second, steps)
    assert pace.recent() == 100.0
    assert pace.overall() == pytest.approx(2000 / 110)


SPAWN = "import pty, sys; pty.spawn([sys.executable, '-c', sys.argv[1]])"
CODE = """
import termios
from contextlib import suppress
from eureka_agent.views.live import no_echo

def echo():
    return bool(termios.tcgetattr(0)[3] & termios.ECHO)

before = echo()
with suppress({error}), no_echo():
    inside = echo()
    {end}
print(before, inside, echo())
"""


@pytest.mark.parametrize(
    ("error", "end"), [("ValueError", "pass"), ("KeyboardInterrupt", "raise KeyboardInterrupt")]
)
def test_echo_is_off_inside_and_back_afterwards(error: str, end: str) -> None:
    code = CODE.format(error=error, end=end)
    done = subprocess.run(
        [sys.executable, "-c", SPAWN, code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True", "False", "True"]


def test_without_a_terminal_nothing_happens() -> None:
    code = "from eureka_agent.views.live import no_echo\nwith no_echo(): print('done')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "done\n"
