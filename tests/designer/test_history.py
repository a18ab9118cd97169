"""A designer is shown the earlier programs that teach most, and the others in brief."""

import re
from dataclasses import replace

import pytest

from eureka_agent.designer.base import PastCandidate
from eureka_agent.designer.prompts import LESSONS, LINE, best_of, history


def past(
    number: int,
    generation: int,
    fitness: float | None,
    *,
    failure: str = "",
    lesson: str = "",
    thought: str = "",
) -> PastCandidate:
    return PastCandidate(
        id=number,
        generation=generation,
        text=f'"""Program {number}."""\n',
        parents=(),
        fitness=fitness,
        failure=failure or None,
        thought=thought or f"Thought {number}.",
        lesson=lesson,
        reflection=f"Reflection {number}.\n",
    )


PAST = [
    past(1, 0, 9.0),
    past(2, 0, 2.0),
    past(3, 0, None, failure="error[no-weights]\n  The program has no WEIGHTS."),
    past(4, 1, 3.0),
    past(5, 1, 5.0),
    past(6, 1, 1.0),
    past(7, 1, 4.0),
]


def shown(text: str) -> list[int]:
    """Numbers of the programs whose code and reflection stand in the text, in that order."""
    numbers = [int(number) for number in re.findall(r'"""Program (\d+)\."""', text)]
    assert numbers == [int(number) for number in re.findall(r"Reflection (\d+)\.", text)]
    return numbers


def briefly(text: str) -> list[str]:
    return re.findall(r"^- (#.*)$", text, re.MULTILINE)


def test_the_history_is_empty_before_the_first_generation() -> None:
    assert history([], 3, 1000) == ""
    assert best_of([]) is None


def test_the_best_of_all_generations_is_shown_first() -> None:
    text = history(PAST, 2, 200_000)
    assert shown(text)[0] == 1
    assert "## The best so far: program #1, fitness 9\n" in text
    assert "7 programs in 2 generations" in text
    assert "200,000 steps" in text


def test_a_forgetful_history_says_that_its_program_is_the_last_generations_best() -> None:
    text = history(PAST[-1:], 0, 1000, forgetful=True)
    assert "## The best of the last generation: program #7" in text
    assert "shown only one of all programs" in text
    assert "so far, of which" not in text


def test_the_earlier_of_equals_is_the_best() -> None:
    best = best_of([past(1, 0, -2.0), past(2, 0, -1.0), past(3, 1, -1.0), past(4, 1, None)])
    assert best is not None
    assert best.id == 2


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        (0, [1]),
        (2, [1, 5, 6]),  # of generation 1 the fittest, and the weakest as a contrast
        (3, [1, 5, 7, 6]),
        (4, [1, 5, 7, 4, 6]),
        (6, [1, 5, 7, 4, 6, 2, 3]),
        (99, [1, 5, 7, 4, 6, 2, 3]),
    ],
)
def test_the_latest_are_shown_fittest_first_with_the_weakest_as_a_contrast(
    turns: int, expected: list[int]
) -> None:
    assert shown(history(PAST, turns, 1000)) == expected


def test_every_program_is_shown_in_full_or_in_brief() -> None:
    for turns in range(8):
        text = history(PAST, turns, 1000)
        told = [int(re.findall(r"\d+", line)[0]) for line in briefly(text)]
        assert sorted(shown(text) + told) == [1, 2, 3, 4, 5, 6, 7]


def test_a_brief_line_has_fitness_and_thought_or_the_reason_for_none() -> None:
    assert briefly(history(PAST, 4, 1000)) == [
        '#2, fitness 2: "Thought 2."',
        '#3, rejected or failed, no fitness: "error[no-weights] The program has no WEIGHTS."',
    ]


def test_a_brief_entry_takes_one_short_line() -> None:
    text = history([PAST[0], past(2, 0, 1.0, thought="word\n" * 200)], 0, 1000)
    (line,) = briefly(text)
    assert len(line) == LINE
    assert line.endswith('..."')


def test_lessons_are_listed_once_newest_first_with_their_programs() -> None:
    lessons = ["Old.", "Twice.", "Three.", "Four.", "Five.", "Twice.", "", "Last."]
    text = history([past(i, i, 1.0, lesson=lesson) for i, lesson in enumerate(lessons)], 1, 1000)
    told = [line.strip() for line in text[text.index("Lessons") :].split("- ")[1:]]
    said = [line.split(": ")[1].strip('"') for line in told]
    assert said == ["Last.", "Twice.", "Five.", "Four.", "Three."]
    assert len(told) == LESSONS
    assert told[:2] == ['#7 (fitness 1): "Last."', '#5 (fitness 1): "Twice."']


def test_a_lesson_whose_program_was_rewritten_since_says_so() -> None:
    rewritten = replace(past(1, 0, 1.0, lesson="Gate."), rewritten=True)
    text = history([rewritten], 1, 1000)
    assert '#1 (fitness 1, by a program that was rewritten since): "Gate."' in text


def test_without_lessons_there_is_no_heading_for_them() -> None:
    assert "Lessons" not in history(PAST, 2, 1000)


def test_the_history_says_that_all_were_rejected() -> None:
    text = history([past(1, 0, None), past(2, 0, None)], 2, 1000)
    assert "None of them has a fitness yet" in text
    assert "The best so far" not in text
    assert shown(text) == [1, 2]
    assert "## Program #1, generation 0: rejected or failed, no fitness" in text


def test_a_candidate_without_a_program_is_shown_as_one() -> None:
    empty = PastCandidate(1, 0, "", (), None, "The reply was empty.")
    assert "(no program)" in history([empty], 1, 1000)


def test_a_program_that_is_far_too_long_is_not_shown() -> None:
    told = history([replace(PAST[0], text="x" * 30_000), PAST[1]], 2, 1000)
    assert "a program of 30,000 characters" in told and "xxx" not in told
    assert "Program 2" in told
