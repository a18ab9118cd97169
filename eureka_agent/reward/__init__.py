"""Reward programs: what they may say, whether a text is one, and what it pays."""

from eureka_agent.reward.check import check
from eureka_agent.reward.findings import Finding, RewardRejected
from eureka_agent.reward.helpers import LIBRARY
from eureka_agent.reward.program import (
    Evaluation,
    RewardFailed,
    RewardFunction,
    RewardProgram,
    parse,
)
from eureka_agent.reward.signals import KINDS, PREFIXES, Signal, did_you_mean, parse_parameter

__all__ = [
    "KINDS",
    "LIBRARY",
    "PREFIXES",
    "Evaluation",
    "Finding",
    "RewardFailed",
    "RewardFunction",
    "RewardProgram",
    "RewardRejected",
    "Signal",
    "check",
    "did_you_mean",
    "parse",
    "parse_parameter",
]
