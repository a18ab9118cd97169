"""The rules name the failures of scripted controllers, and no failure of good ones."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from analysis.controllers import EACH, SETS, Set, altered, of_case, recorded, trajectories

from eureka_agent.analysis.trajectories.episodes import Trajectories, columns_of
from eureka_agent.analysis.trajectories.failure_rules import RULES
from eureka_agent.analysis.trajectories.failures import EXPLOIT, Diagnosis, diagnose
from eureka_agent.analysis.trajectories.features import Phase, cut
from eureka_agent.environment.contrasts import GOOD
from eureka_agent.reward import Signal

BAR = 0.8
NAMED = {chosen.environment: chosen for chosen in SETS}


@cache
def episodes(environment: str) -> Trajectories:
    return recorded(NAMED[environment])


def good_ones(chosen: Set) -> np.ndarray:
    """Episodes of the good controller [E]; none where a set has none."""
    return of_case(chosen, 0) & (chosen.cases[0].expected == GOOD)


def diagnosis(environment: str, name: str, recordings: Trajectories | None = None) -> Diagnosis:
    chosen = NAMED[environment]
    index = [case.name for case in chosen.cases].index(name)
    known = recordings or episodes(environment)
    return diagnose(known, of_case(chosen, index), good_ones(chosen))


def named(found: Diagnosis) -> str:
    return found.failures[0].kind if found.failures else GOOD


def unknown_fitness(recordings: Trajectories) -> Trajectories:
    return altered(recordings, fitness=np.full(recordings.count, np.nan))


def names_given(recordings: Callable[[Set], Trajectories]) -> Counter[tuple[str, str]]:
    """How often failures of one kind got each name."""
    seen: Counter[tuple[str, str]] = Counter()
    for chosen in SETS:
        known = recordings(chosen)
        for case in chosen.cases:
            if case.expected != GOOD:
                found = diagnosis(chosen.environment, case.name, known)
                seen[case.expected, named(found)] += 1
    return seen


def right(seen: Counter[tuple[str, str]]) -> int:
    return sum(count for (expected, name), count in seen.items() if expected == name)


@pytest.mark.parametrize("fitness_known", [True, False])
def test_at_least_four_in_five_scripted_failures_get_their_name(fitness_known: bool) -> None:
    def known(chosen: Set) -> Trajectories:
        found = episodes(chosen.environment)
        return found if fitness_known else unknown_fitness(found)

    seen = names_given(known)
    assert right(seen) >= BAR * seen.total(), seen
    assert len({expected for expected, _ in seen} | {"diverged", EXPLOIT}) >= 10


@pytest.mark.parametrize("gain", [0.85, 1.15])
def test_scripted_failures_get_their_name_from_other_starts_and_gains(
    gain: float,
) -> None:
    seen = names_given(lambda chosen: recorded(chosen, gain, first_stream=100))
    assert right(seen) >= BAR * seen.total(), seen


@pytest.mark.parametrize(
    "environment", [chosen.environment for chosen in SETS if chosen.cases[0].expected == GOOD]
)
def test_good_episodes_show_no_failure_even_if_they_are_given_as_failed(environment: str) -> None:
    good = good_ones(NAMED[environment])
    some = good & (np.arange(len(good)) < 2)
    found = diagnose(episodes(environment), some, good)
    assert found.failures == ()
    assert found.untyped == 2
    assert any(line.startswith("No rule fits 2 of them") for line in found.lines())


def test_a_fall_names_what_gave_way_and_when() -> None:
    found = diagnosis("hopper", "kick").failures[0]
    assert found.kind == "fell"
    assert found.share == 1.0
    assert "torso_p" in found.detail
    assert 0 < found.step < int(episodes("hopper").lengths[EACH:].max())


def test_an_early_end_without_a_fall_names_what_left_its_range() -> None:
    found = diagnosis("cartpole_balance", "drive off").failures[0]
    assert found.kind == "ended early"
    assert found.detail.startswith("cart_position at 3")


def test_a_foot_that_comes_down_is_no_fall() -> None:
    names = ("torso_height", "foot_height")
    signals = tuple(Signal(name, None, "m", "a height", "position") for name in names)
    states = np.ones((21, 1, 2)) * [1.2, 0.2]
    states[15:, 0, 1] = 0.06
    ended = trajectories(
        signals,
        states=states,
        actions=np.zeros((20, 1, 1)),
        lengths=np.array([20]),
        terminated=np.array([True]),
    )
    all_of_it = np.array([True])
    assert named(diagnose(ended, all_of_it, ~all_of_it)) == "ended early"
    states[15:, 0, 0] = 0.7
    assert named(diagnose(altered(ended, states=states), all_of_it, ~all_of_it)) == "fell"


def test_getting_stuck_begins_where_the_progress_ended() -> None:
    found = diagnosis("half_cheetah", "gallop, then rest").failures[0]
    assert found.kind == "stuck"
    assert 50 <= found.step <= 90


def test_physics_that_failed_are_named_before_the_fall_that_came_with_it() -> None:
    known = episodes("hopper")
    broken = altered(known, diverged=known.terminated)
    failure = diagnosis("hopper", "rest", broken).failures[0]
    assert failure.kind == "diverged"
    assert failure.step == int(np.median(known.lengths[:EACH])) - 1


def paying(recordings: Trajectories, motion: float) -> Trajectories:
    """Episodes with the rewards of a program that pays for speed, effort and moving joints."""
    names = [column.name for column in recordings.columns]
    speed = recordings.states[1:, :, names.index("torso_velocity[:, 0]")]
    joints = [i for i, name in enumerate(names) if name.startswith("joint_velocities")]
    rewards = {
        "speed": speed,
        "effort": -0.1 * np.square(recordings.actions).sum(axis=2),
        "motion": motion * np.abs(recordings.states[1:][:, :, joints]).mean(axis=2),
    }
    return altered(recordings, component_rewards=rewards)


def test_an_exploit_is_named_with_its_component_only_where_the_reward_pays_it() -> None:
    exploited = paying(episodes("half_cheetah"), motion=1.0)
    found = diagnosis("half_cheetah", "shake", exploited).failures[0]
    assert found.kind == EXPLOIT
    assert found.components[0][0] == "motion"
    honest = paying(episodes("half_cheetah"), motion=0.0)
    kinds = [failure.kind for failure in diagnosis("half_cheetah", "shake", honest).failures]
    assert EXPLOIT not in kinds
    assert "jitter" in kinds


def test_components_in_play_are_those_that_pay_while_it_shows() -> None:
    known = episodes("half_cheetah")
    late = np.zeros_like(known.actions[:, :, 0])
    late[100:] = 1.0
    paid = {"early": 1.0 - late, "late": late, "cost": np.full_like(late, -5.0)}
    found = diagnosis("half_cheetah", "gallop, then rest", altered(known, component_rewards=paid))
    stuck = next(failure for failure in found.failures if failure.kind == "stuck")
    assert stuck.components[0][0] == "late"
    assert "cost" not in dict(stuck.components)


def test_without_good_episodes_and_fitness_there_is_no_progress() -> None:
    known = unknown_fitness(episodes("half_cheetah"))
    backward = of_case(NAMED["half_cheetah"], 1)
    found = diagnose(known, backward, np.zeros(known.count, dtype=np.bool_))
    assert found.measure is None
    assert not {"wrong way", "stuck", "sideways", "never reached"} & {
        failure.kind for failure in found.failures
    }


def test_the_fitness_alone_shows_which_way_is_wrong() -> None:
    known = episodes("half_cheetah")
    backward = of_case(NAMED["half_cheetah"], 1)
    found = diagnose(known, backward, np.zeros(known.count, dtype=np.bool_))
    assert named(found) == "wrong way"


def test_steps_after_an_end_are_ignored() -> None:
    known = episodes("hopper")
    expected = diagnosis("hopper", "rest").failures
    states, actions = known.states.copy(), known.actions.copy()
    for episode, length in enumerate(known.lengths):
        states[length + 1 :, episode] = 1e6
        actions[length:, episode] = -1.0
    assert diagnosis("hopper", "rest", altered(known, states=states, actions=actions)).failures == (
        expected
    )


def test_the_text_is_short_plain_and_names_numbers_and_steps() -> None:
    exploited = paying(episodes("half_cheetah"), motion=1.0)
    good = good_ones(NAMED["half_cheetah"])
    found = diagnose(exploited, ~good, good)
    lines = found.lines()
    assert 2 <= len(lines) <= 12
    assert all(line.isascii() and "\n" not in line for line in lines)
    assert lines[0] == "30 failed episodes."
    assert lines[1] == "Progress is taken to be the way along torso_position[:, 0]."
    assert any(line.startswith("Stood still most of the time: 5 of 30, from") for line in lines)
    assert replace(found, head="All failed.").lines()[0] == "All failed."
    nothing = diagnose(exploited, good & ~good, good)
    assert nothing.lines() == ["No episode failed."]


def test_phases_cover_each_failed_episode_without_gaps() -> None:
    known = episodes("half_cheetah")
    found = diagnosis("half_cheetah", "gallop, then rest")
    assert len(found.phases) == EACH
    for episode, phases in found.phases.items():
        assert phases[0].start == 0
        assert phases[-1].stop == known.lengths[episode]
        assert all(a.stop == b.start for a, b in pairwise(phases))
        assert "advancing" in [phase.regime for phase in phases]


def test_an_episode_is_cut_where_its_character_changes() -> None:
    speed = np.repeat([1.0, 0.0, -1.0], 40)
    progress = np.concatenate([[0.0], np.cumsum(speed)])
    phases = cut(np.abs(speed), progress, pace=1.0, falls_from=110, window=5)
    assert [phase.regime for phase in phases] == ["advancing", "still", "retreating", "falling"]
    assert all(abs(phase.start - 40 * i) <= 3 for i, phase in enumerate(phases[:3]))
    assert phases[3] == Phase(110, 120, "falling")


def test_without_progress_phases_only_describe_motion() -> None:
    phases = cut(np.repeat([1.0, 0.0], 30), None, pace=0.0, falls_from=None, window=5)
    assert [phase.regime for phase in phases] == ["busy", "still"]


def test_a_change_shorter_than_the_window_is_no_phase() -> None:
    activity = np.ones(60)
    activity[30:33] = 0.0
    phases = cut(activity, None, pace=0.0, falls_from=None, window=5)
    assert phases == (Phase(0, 60, "busy"),)


def test_episodes_of_one_step_are_diagnosed() -> None:
    known = episodes("hopper")
    short = altered(known, lengths=np.ones_like(known.lengths))
    found = diagnosis("hopper", "rest", short)
    assert found.failed == EACH


def test_leaving_a_goal_is_no_overshoot_where_another_one_was_set() -> None:
    known = episodes("reacher")
    before = known.evaluated.episodes.states.numpy()[:-1].copy()
    before[0] += 1.0  # a reset is no change of the goal
    same = altered(known, before=before)
    assert not same.goals_change
    before[5] += 1.0
    changed = altered(known, before=before)
    assert changed.goals_change
    for recordings, kind in ((same, "overshoot"), (changed, None)):
        kinds = [f.kind for f in diagnosis("reacher", "reach without damping", recordings).failures]
        assert ("overshoot" in kinds) == (kind == "overshoot")


def test_episodes_that_do_not_fit_together_are_refused() -> None:
    known = episodes("hopper")
    with pytest.raises(ValueError, match="do not fit their lengths"):
        altered(known, lengths=known.lengths * 0)
    with pytest.raises(ValueError, match="rewards"):
        altered(known, component_rewards={"speed": np.zeros(3)})


def test_only_what_points_up_counts_as_upward() -> None:
    axes = ("forward (x)", "left (y)", "up (z)")
    columns = columns_of(
        [
            Signal("torso_up", 3, "1", "a direction", "orientation", axes),
            Signal("head_height", None, "m", "a height", "position"),
            Signal("pole_up", None, "1", "a cosine", "orientation"),
            Signal("support", None, "m", "a place", "position"),
        ]
    )
    assert [column.upward for column in columns] == [False, False, True, True, True, False]


def test_every_rule_has_its_own_words() -> None:
    assert len(RULES) == 13
    assert EXPLOIT not in RULES


def test_a_diagnosis_names_the_late_difference_of_failed_episodes() -> None:
    found = diagnosis("half_cheetah", "gallop, then rest")
    assert found.unlike.startswith("torso_velocity[:, 0] is 0 on average, good ones' 1.")
    assert found.lines()[-1] == f"Most unlike good ones in the last quarter: {found.unlike}."
    known = episodes("half_cheetah")
    none = np.zeros(known.count, dtype=np.bool_)
    assert diagnose(known, ~none, none).unlike == ""


def test_an_episode_of_an_exploit_is_no_untyped_one() -> None:
    good = good_ones(NAMED["half_cheetah"])
    exploited = paying(episodes("half_cheetah"), motion=1.0)
    found = diagnose(exploited, ~good, good)
    typed = {episode for failure in found.failures for episode in failure.episodes}
    assert found.untyped == found.failed - len(typed)


def test_a_diagnosis_says_how_far_slow_episodes_get() -> None:
    known = episodes("half_cheetah")
    good = good_ones(NAMED["half_cheetah"])
    slow = known.states.copy()
    which = np.flatnonzero(good)[:2]
    slow[:, which] = slow[np.arange(len(slow)) // 2][:, which]  # every state is kept for two steps
    failed = np.zeros_like(good)
    failed[which] = True
    found = diagnose(altered(known, states=slow), failed, good)
    assert found.untyped == 2
    assert found.reach == pytest.approx(0.5, abs=0.15)
    assert "No rule fits 2 of them; they get 39% as far as good ones." in found.lines()
