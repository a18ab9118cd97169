"""What a search may spend on its language model."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from eureka_agent.common.errors import EurekaError
from eureka_agent.llm import ChatMessage, Reply
from eureka_agent.store import Run

Key = TypeVar("Key")

CHARACTERS_PER_TOKEN = 4
FIRST_GUESS = 2000
"""Tokens that an answer is expected to have before there was any."""
MILLION = 1e6


class Budget:
    """Tokens and US dollars, with what is asked at the moment counted at its expected size.

    Args:
        run: holds what was spent, over all sittings.
        max_tokens: of questions and answers together; 0 for no limit.
        max_cost: US dollars; 0 for no limit.
        prompt_price: US dollars per million tokens of questions.
        completion_price: US dollars per million tokens of answers.
    """

    def __init__(
        self,
        run: Run,
        *,
        max_tokens: int = 0,
        max_cost: float = 0.0,
        prompt_price: float = 0.0,
        completion_price: float = 0.0,
    ) -> None:
        self._run = run
        self._max_tokens, self._max_cost = max_tokens, max_cost
        self._prices = (prompt_price, completion_price)

    def cost(self, reply: Reply) -> float | None:
        """US dollars of an answer, by its server or else by the prices; None if neither says."""
        if reply.cost is not None or not any(self._prices):
            return reply.cost
        return self._priced(reply.prompt_tokens, reply.completion_tokens)

    def affordable(self, questions: Mapping[Key, Sequence[ChatMessage]]) -> list[Key]:
        """The first questions that there is room for.

        Raises:
            BudgetSpent: there is room for none.
        """
        tokens, cost, answer = self._spent()
        chosen: list[Key] = []
        for key, messages in questions.items():
            asked = _tokens(messages)
            tokens += asked + answer
            cost += self._priced(asked, answer)
            over_tokens = 0 < self._max_tokens < tokens
            over_cost = 0 < self._max_cost < cost
            if over_tokens or over_cost:
                break
            chosen.append(key)
        if not chosen:
            raise BudgetSpent(f"The next answer may cost more than is left of {self._limits()}.")
        return chosen

    def _spent(self) -> tuple[int, float, int]:
        """Tokens, US dollars, and how many tokens the next answer is expected to have."""
        usage = self._run.usage()
        calls = sum(row.calls for row in usage)
        answers = sum(row.completion_tokens for row in usage)
        tokens = sum(row.prompt_tokens for row in usage) + answers
        cost = sum(row.cost or 0.0 for row in usage)
        return tokens, cost, answers // calls if calls else FIRST_GUESS

    def _priced(self, prompt_tokens: int, completion_tokens: int) -> float:
        prompt_price, completion_price = self._prices
        return (prompt_tokens * prompt_price + completion_tokens * completion_price) / MILLION

    def _limits(self) -> str:
        limits = [f"--max-tokens {self._max_tokens}"] if self._max_tokens else []
        limits += [f"--max-cost {self._max_cost:g}"] if self._max_cost else []
        return " and ".join(limits)


def _tokens(messages: Iterable[ChatMessage]) -> int:
    return sum(message.characters for message in messages) // CHARACTERS_PER_TOKEN


class BudgetSpent(EurekaError):
    """Raised when a designer may not spend what the next programs would cost."""
