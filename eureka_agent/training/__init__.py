"""Training: a population of PPO policies in one simulator, exported as stock SB3 zips."""

from eureka_agent.training.lane import LaneReport, Reward
from eureka_agent.training.networks import PolicyStack, save_policy
from eureka_agent.training.population import Population

__all__ = [
    "LaneReport",
    "PolicyStack",
    "Population",
    "Reward",
    "save_policy",
]
