"""Task sentences find the signals they are about."""

import pytest

from eureka_agent.designer.offline.grounding import Grounded, ground, visible_task
from eureka_agent.designer.offline.lexicon import stem
from eureka_agent.designer.offline.term_grammar import TermGrammar
from eureka_agent.environment import TaskDescription
from eureka_agent.reward import Signal


def grounded(task: TaskDescription) -> dict[str, Grounded]:
    return {g.quantity.label: g for g in ground(visible_task(task, 0, blind=False))}


def described(sentence: str, *signals: Signal) -> TaskDescription:
    return TaskDescription("robot", sentence, signals, ("motor",), 0.02, 100, "")


@pytest.mark.parametrize(
    ("one", "other"),
    [("run", "running"), ("balance", "balanced"), ("velocity", "velocities"), ("fast", "faster")],
)
def test_forms_of_a_word_have_one_stem(one: str, other: str) -> None:
    assert stem(one) == stem(other)


def test_running_is_about_the_velocity_in_the_direction_of_the_task(
    hopper: TaskDescription,
) -> None:
    found = grounded(hopper)
    assert max(found, key=lambda label: found[label].aim) == "forward_velocity"
    assert max(found, key=lambda label: found[label].posture) == "torso_lean"


def test_the_opposite_direction_is_paid_with_the_opposite_sign(hopper: TaskDescription) -> None:
    backward = described("Walk backward.", *hopper.signals)
    assert grounded(hopper)["forward_velocity"].sign == 1
    assert grounded(backward)["forward_velocity"].sign == -1


def test_documented_values_become_targets(pendulum: TaskDescription) -> None:
    found = grounded(pendulum)
    upright, middle = found["rod_up"], found["slider_position"]
    assert (upright.target, upright.origin, upright.word) == (1.0, -1.0, "upright")
    assert (middle.target, middle.origin, middle.word) == (0.0, None, "middle")
    assert upright.aim == 1.0
    assert middle.keep == 1.0


def test_a_quantity_that_the_task_asks_to_change_is_not_kept(pendulum: TaskDescription) -> None:
    assert all(g.posture == 0.0 for g in ground(visible_task(pendulum, 0, blind=False)))


def test_reaching_means_less_distance() -> None:
    task = described(
        "Reach the ball with the hand.",
        Signal("hand_velocity", 3, "m/s", "Velocity of the hand", "velocity"),
        Signal("gap", None, "m", "Distance from the hand to the ball", "distance"),
    )
    best = TermGrammar(visible_task(task, 0, blind=False)).for_use("aim")[0].factor
    assert best.quantity is not None and best.quantity.parameter == "gap"
    assert best.code("scale") == "-gap.abs()"


def test_an_unknown_sentence_still_leaves_something_to_aim_for(hopper: TaskDescription) -> None:
    task = described("Xyzzy!", *hopper.signals)
    assert TermGrammar(visible_task(task, 0, blind=False)).for_use("aim")
