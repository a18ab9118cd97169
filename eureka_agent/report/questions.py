"""What the language model was asked, each passage kept once: most of them stand in many questions.

`report.js` puts the passages together again when a candidate is opened.
"""

from collections.abc import Sequence

from eureka_agent.store import ExchangeRow
from eureka_agent.ui.format import clean

BETWEEN = "\n\n"
"""Where a passage ends: at an empty line."""
AUTHORS_OWN = "repair"
"""The role whose question begins with all that was said to the author before."""


class Passages:
    """Texts as the numbers of their passages.

    Attributes:
        texts: the passages, by number.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def add(self, text: str) -> str:
        """Numbers of the passages of a text, with spaces between them."""
        return " ".join(str(self._number(passage)) for passage in clean(text).split(BETWEEN))

    def _number(self, passage: str) -> int:
        number = self._numbers.setdefault(passage, len(self.texts))
        if number == len(self.texts):
            self.texts.append(passage)
        return number


def questions(exchanges: Sequence[ExchangeRow], passages: Passages) -> list[list[tuple[str, str]]]:
    """Of each exchange the messages that are new in it: who speaks, and the passages' numbers.

    Args:
        exchanges: about one candidate, first to last.
        passages: are added to.
    """
    found = []
    seen = 0
    for exchange in exchanges:
        new = exchange.messages[seen if exchange.role == AUTHORS_OWN else 0 :]
        found.append(
            [(entry.get("role", ""), passages.add(entry.get("content", ""))) for entry in new]
        )
        if exchange.role == "designer":
            seen = len(exchange.messages) + 1  # with these and an answer each repair begins
    return found
