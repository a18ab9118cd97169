"""Small searches whose programs come from a scripted model server."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loopback import Answer, Received
from support import TINY

from eureka_agent.config import SearchConfig
from eureka_agent.search.setup import SearchSetup, new_search

NO_ANALYSIS = {"analyzer": False, "lens": False, "checkpoints": 1, "ranking_episodes": 1}
"""Settings of a search whose results do not matter to a test."""
_TURN = re.compile(r"You are designer (\d+) of \d+ in generation (\d+)")


def place(received: Received) -> tuple[int, int, int]:
    """Generation, slot and attempt that a request is about."""
    turn = _TURN.search(received.messages[1]["content"])
    assert turn is not None
    repair = re.search(r"\(Repair (\d+) of \d+\.\)", received.messages[-1]["content"])
    return int(turn[2]), int(turn[1]) - 1, int(repair[1]) if repair else 0


def program(number: float) -> str:
    """A sound program for cartpole; different numbers, different programs."""
    return f'''"""Keep the pole up, number {number}."""

WEIGHTS = {{"upright": 1.0, "middle": {number}}}


def compute_reward(pole_up, cart_position):
    return {{"upright": pole_up, "middle": -cart_position.square()}}
'''


def fenced(text: str) -> str:
    """A reply that holds a program as it should."""
    return f"Here it is.\n\n```python\n{text}```\n"


def sound(received: Received) -> str:
    """A good reply, another one for each place."""
    generation, slot, attempt = place(received)
    return fenced(program(1 + generation + slot / 64 + attempt / 256))


def author_search(runs: Path, url: str, **changes: Any) -> SearchSetup:
    """A small search on cartpole with the model behind `url`."""
    tiny = {**TINY, "retrainings": 0, "generations": 1, "designer": "openai", "model": "scripted"}
    config = {**tiny, "base_url": url, **changes}
    initial = config.pop("initial", None)
    return new_search(
        "cartpole",
        runs,
        lambda found: SearchConfig.for_environment(found, **config),
        initial=initial,
    )


Script = Callable[[Received], Answer | str]
