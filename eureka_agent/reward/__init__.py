"""Reward programs: what they may contain, whether a text is one, and what it pays."""

from eureka_agent.reward.check import CheckedText
from eureka_agent.reward.findings import Finding, RewardRejected
from eureka_agent.reward.library import LIBRARY
from eureka_agent.reward.program import (
    RewardFailed,
    RewardFunction,
    RewardProgram,
    RewardValues,
    check,
    parse,
    read_program,
)
from eureka_agent.reward.signals import (
    SIGNAL_KINDS,
    SIGNAL_PREFIXES,
    Signal,
    split_prefix,
)

__all__ = [
    "LIBRARY",
    "SIGNAL_KINDS",
    "SIGNAL_PREFIXES",
    "CheckedText",
    "Finding",
    "RewardFailed",
    "RewardFunction",
    "RewardProgram",
    "RewardRejected",
    "RewardValues",
    "Signal",
    "check",
    "parse",
    "read_program",
    "split_prefix",
]
