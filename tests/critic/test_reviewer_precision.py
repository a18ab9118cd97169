"""Whether objections were right is counted within generations, and said with its uncertainty."""

import pytest

from eureka_agent.common.statistics import Proportion
from eureka_agent.critic.review import Reviewed, ReviewerPrecision, reviewer_precision


def reviewed(*cases: tuple[bool, float | None], generation: int = 0) -> list[Reviewed]:
    return [Reviewed(generation, objected, fitness) for objected, fitness in cases]


def shares(found: ReviewerPrecision | None) -> tuple[tuple[int, int], ...]:
    assert found is not None
    return tuple((s.hits, s.of) for s in (found.precision, found.recall, found.chance))


def test_a_reviewer_who_names_the_worse_half_is_always_right() -> None:
    found = reviewer_precision(reviewed((True, 1.0), (True, 2.0), (False, 3.0), (False, 4.0)))
    assert shares(found) == ((2, 2), (2, 2), (2, 4))


def test_a_failed_training_run_is_worse_than_any_fitness() -> None:
    assert shares(reviewer_precision(reviewed((True, None), (False, -1e9)))) == (
        (1, 1),
        (1, 1),
        (1, 2),
    )


def test_the_middle_of_an_odd_number_belongs_to_neither_half() -> None:
    found = reviewer_precision(reviewed((True, 2.0), (False, 1.0), (False, 3.0)))
    assert shares(found) == ((0, 1), (0, 1), (1, 3))


def test_among_equals_none_is_low() -> None:
    assert shares(reviewer_precision(reviewed((True, 1.0), (False, 1.0)))) == (
        (0, 1),
        (0, 0),
        (0, 2),
    )


def test_generations_are_not_compared_with_each_other() -> None:
    early = reviewed((False, 1.0), (True, 2.0))
    late = reviewed((True, 8.0), (False, 9.0), generation=1)
    assert shares(reviewer_precision([*early, *late])) == ((1, 2), (1, 2), (2, 4))


def test_a_program_alone_in_its_generation_does_not_count() -> None:
    assert reviewer_precision([]) is None
    assert reviewer_precision(reviewed((True, 1.0))) is None


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(0, 0, 0.0, 1.0), (5, 10, 0.2366, 0.7634), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0)],
)
def test_intervals_are_those_of_wilson(hits: int, of: int, low: float, high: float) -> None:
    assert Proportion(hits, of).interval == pytest.approx((low, high), abs=1e-4)


def test_the_sentence_holds_the_counts_and_intervals() -> None:
    found = reviewer_precision(reviewed((True, 1.0), (True, 2.0), (False, 3.0), (False, 4.0)))
    assert found is not None
    assert "2 of 2 ended in the lower half" in found.sentence()
    assert found.sentence().count("95 % interval 34 to 100 %") == 2
    assert found.as_dict()["chance"] == {
        "hits": 2,
        "of": 4,
        "interval": [*Proportion(2, 4).interval],
    }


def test_without_an_objection_the_sentence_says_so() -> None:
    found = reviewer_precision(reviewed((False, 1.0), (False, 2.0)))
    assert found is not None
    assert found.sentence() == "The reviewer had no objection left to any of 2 programs."
