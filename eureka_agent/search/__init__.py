"""The search: generations of candidates, and the comparison of the best.

What a configuration is does not wait for what runs it, which loads torch and MuJoCo.
"""

import importlib
from typing import TYPE_CHECKING, Any

from eureka_agent.search.config import SearchConfig, parse_setting

if TYPE_CHECKING:
    from eureka_agent.search.launch import Launch, new_search, resumed_search
    from eureka_agent.search.loop import evaluate, search

__all__ = [
    "Launch",
    "SearchConfig",
    "evaluate",
    "new_search",
    "parse_setting",
    "resumed_search",
    "search",
]

_LATER = {
    "Launch": "launch",
    "evaluate": "loop",
    "new_search": "launch",
    "resumed_search": "launch",
    "search": "loop",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
