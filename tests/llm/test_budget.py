"""A search asks its language model nothing that it may not pay for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from eureka_agent.llm import ChatMessage, Reply
from eureka_agent.llm.budget import FIRST_GUESS, Budget, BudgetSpent
from eureka_agent.llm.messages import CHARACTERS_PER_TOKEN
from eureka_agent.store import Run

ASKED = 1000
QUESTION = [ChatMessage("user", "x" * ASKED * CHARACTERS_PER_TOKEN)]
QUESTIONS = {name: QUESTION for name in "abc"}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Run.create(tmp_path, "cartpole", goal="", seed=0, config={}) as run:
        yield run


def spend(run: Run, slot: int, answer: int, cost: float | None = None, asked: int = ASKED) -> None:
    run.add_exchange(
        "designer",
        (0, slot, 0),
        model="m",
        messages=[],
        reply="",
        reasoning="",
        finish_reason="stop",
        prompt_tokens=asked,
        completion_tokens=answer,
        estimated=False,
        cost=cost,
        seconds=1.0,
    )


def reply(cost: float | None) -> Reply:
    return Reply("", "", "m", 3_000_000, 500_000, False, cost, 1.0, "stop")


def test_without_limits_everything_is_affordable(run: Run) -> None:
    spend(run, 0, 10**9, cost=1e6)
    assert Budget(run).affordable(QUESTIONS) == ["a", "b", "c"]


@pytest.mark.parametrize(("answers", "expected"), [(1, "a"), (2, "ab"), (3, "abc"), (9, "abc")])
def test_concurrent_questions_share_the_remaining_tokens(
    run: Run, answers: int, expected: str
) -> None:
    limit = answers * (ASKED + FIRST_GUESS)
    assert Budget(run, max_tokens=limit).affordable(QUESTIONS) == list(expected)
    assert Budget(run, max_tokens=limit + 1).affordable(QUESTIONS) == list(expected)


def test_earlier_answers_count_and_set_the_expected_length(run: Run) -> None:
    spend(run, 0, 100)
    spend(run, 1, 300)
    spent, next_one = 2 * ASKED + 400, ASKED + 200
    assert Budget(run, max_tokens=spent + 2 * next_one).affordable(QUESTIONS) == ["a", "b"]
    with pytest.raises(BudgetSpent):
        Budget(run, max_tokens=spent + next_one - 1).affordable(QUESTIONS)


def test_a_limit_in_dollars_covers_spent_and_expected_costs(run: Run) -> None:
    spend(run, 0, 500, cost=0.75)
    one = (ASKED * 2.0 + 500 * 10.0) / 1e6

    def budget(left: float) -> Budget:
        return Budget(run, max_cost=0.75 + left, prompt_price=2.0, completion_price=10.0)

    assert budget(2.5 * one).affordable(QUESTIONS) == ["a", "b"]
    assert budget(9.0 * one).affordable(QUESTIONS) == ["a", "b", "c"]
    with pytest.raises(BudgetSpent):
        budget(0.5 * one).affordable(QUESTIONS)


def test_without_prices_dollars_end_the_search_by_what_the_server_charged(run: Run) -> None:
    budget = Budget(run, max_cost=1.0)
    spend(run, 0, 100, cost=0.9)
    assert budget.affordable(QUESTIONS) == ["a", "b", "c"]
    spend(run, 1, 100, cost=0.2)
    with pytest.raises(BudgetSpent):
        budget.affordable(QUESTIONS)


def test_a_question_that_does_not_fit_stops_the_later_ones(run: Run) -> None:
    questions = {"a": QUESTION, "long": QUESTION * 100, "b": QUESTION}
    limit = 3 * (ASKED + FIRST_GUESS)
    assert Budget(run, max_tokens=limit).affordable(questions) == ["a"]


def test_a_spent_budget_names_its_limits(run: Run) -> None:
    spend(run, 0, 5000, cost=2.0)
    with pytest.raises(BudgetSpent, match=r"left of --max-tokens 100 and --max-cost 1\.5\.$"):
        Budget(run, max_tokens=100, max_cost=1.5).affordable(QUESTIONS)
    with pytest.raises(BudgetSpent, match=r"left of --max-cost 1\.5\.$"):
        Budget(run, max_cost=1.5).affordable(QUESTIONS)


def test_the_servers_cost_takes_precedence_over_the_prices(run: Run) -> None:
    priced = Budget(run, prompt_price=2.0, completion_price=10.0)
    assert priced.cost(reply(0.5)) == 0.5
    assert priced.cost(reply(0.0)) == 0.0
    assert priced.cost(reply(None)) == pytest.approx(3 * 2.0 + 0.5 * 10.0)
    assert Budget(run).cost(reply(0.5)) == 0.5


def test_without_prices_or_a_cost_from_the_server_the_cost_is_unknown(run: Run) -> None:
    assert Budget(run).cost(reply(None)) is None
