"""Reward programs: what they may say, whether a text is one, and what it pays."""

from eureka_agent.reward.check import check
from eureka_agent.reward.findings import Finding, RewardRejected
from eureka_agent.reward.function import Evaluation, RewardFailed, RewardFunction
from eureka_agent.reward.helpers import LIBRARY
from eureka_agent.reward.parameters import PREFIXES, did_you_mean, parse_parameter
from eureka_agent.reward.program import RewardProgram, parse
from eureka_agent.reward.signals import KINDS, Signal

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
