"""The search: generations of candidates, and the comparison of the best."""

from eureka_agent.search.config import SearchConfig, parse_setting
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
