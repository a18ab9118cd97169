"""Environments: the base class, discovery, and worlds that run one in many copies."""

from eureka_agent.common.environments import list_environments
from eureka_agent.environment import pools
from eureka_agent.environment.base import Environment, signal
from eureka_agent.environment.description import TaskDescription, TrainingSettings
from eureka_agent.environment.discovery import find_environment, load_environment, variant_of
from eureka_agent.environment.episodes import Act, Episodes, record
from eureka_agent.environment.fitness import Fitness, load_fitness
from eureka_agent.environment.load import load_module
from eureka_agent.environment.random import ResetNoise, mix
from eureka_agent.environment.state import State
from eureka_agent.environment.task_state import Stateful, under
from eureka_agent.environment.transitions import Memory, SignalLayout, Transitions
from eureka_agent.environment.worlds import Worlds, make_worlds
from eureka_agent.environment.worlds_base import AnyWorlds, Step

__all__ = [
    "Act",
    "AnyWorlds",
    "Environment",
    "Episodes",
    "Fitness",
    "Memory",
    "ResetNoise",
    "SignalLayout",
    "State",
    "Stateful",
    "Step",
    "TaskDescription",
    "TrainingSettings",
    "Transitions",
    "Worlds",
    "find_environment",
    "list_environments",
    "load_environment",
    "load_fitness",
    "load_module",
    "make_worlds",
    "mix",
    "pools",
    "record",
    "signal",
    "under",
    "variant_of",
]
