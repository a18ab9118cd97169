"""Reward programs: what they may say, whether a text is one, and what it pays."""

from eureka_agent.reward.check import check
from eureka_agent.reward.findings import Finding, RewardRejected
from eureka_agent.reward.library import LIBRARY
from eureka_agent.reward.program import (
    RewardFailed,
    RewardFunction,
    RewardProgram,
    RewardValues,
    parse,
)
from eureka_agent.reward.signals import (
    SIGNAL_KINDS,
    SIGNAL_PREFIXES,
    Signal,
    did_you_mean,
    split_prefix,
)

__all__ = [
    "LIBRARY",
    "SIGNAL_KINDS",
    "SIGNAL_PREFIXES",
    "Finding",
    "RewardFailed",
    "RewardFunction",
    "RewardProgram",
    "RewardRejected",
    "RewardValues",
    "Signal",
    "check",
    "did_you_mean",
    "parse",
    "split_prefix",
]
