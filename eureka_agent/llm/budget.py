"""The limits on tokens and costs of a search's language model."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from eureka_agent.common.errors import EurekaError
from eureka_agent.llm import ChatMessage, Reply
from eureka_agent.llm.messages import CHARACTERS_PER_TOKEN, length
from eureka_agent.store import Run

Key = TypeVar("Key")

FIRST_GUESS = 2000
"""Expected tokens of an answer, until there is one."""


class BudgetSpent(EurekaError):
    """Raised when a designer may not spend what the next programs would cost."""


class Budget:
    """Tokens and US dollars; questions under way count at their expected size.

    Args:
        run: holds what was spent, also before it was resumed.
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
        usage = self._run.usage()
        calls = sum(row.calls for row in usage)
        answers = sum(row.completion_tokens for row in usage)
        tokens = sum(row.prompt_tokens for row in usage) + answers
        cost = sum(row.cost or 0.0 for row in usage)
        answer = answers // calls if calls else FIRST_GUESS
        chosen: list[Key] = []
        for key, messages in questions.items():
            asked = length(messages) // CHARACTERS_PER_TOKEN
            tokens += asked + answer
            cost += self._priced(asked, answer)
            if 0 < self._max_tokens < tokens or 0 < self._max_cost < cost:
                break
            chosen.append(key)
        if not chosen:
            limits = [f"--max-tokens {self._max_tokens}"] if self._max_tokens else []
            limits += [f"--max-cost {self._max_cost:g}"] if self._max_cost else []
            raise BudgetSpent(
                f"The next answer may cost more than is left of {' and '.join(limits)}."
            )
        return chosen

    def _priced(self, prompt_tokens: int, completion_tokens: int) -> float:
        prompt_price, completion_price = self._prices
        return (prompt_tokens * prompt_price + completion_tokens * completion_price) / 1e6
