"""Environments: the base class, discovery, and worlds that run one in many copies."""

from eureka_agent.common.environments import list_environments
from eureka_agent.environment import pools
from eureka_agent.environment.base import Environment, TaskDescription, TrainingSettings, signal
from eureka_agent.environment.discovery import (
    find_environment,
    load_environment,
    make_worlds,
    variant_of,
)
from eureka_agent.environment.episodes import Episodes, Memory, SignalLayout, Transitions
from eureka_agent.environment.fitness import Fitness, load_fitness
from eureka_agent.environment.random import ResetNoise, mix
from eureka_agent.environment.source_files import load_module
from eureka_agent.environment.state import State, Stateful, substate
from eureka_agent.environment.worlds import Act, MujocoWorlds, Step, Worlds, record

__all__ = [
    "Act",
    "Environment",
    "Episodes",
    "Fitness",
    "Memory",
    "MujocoWorlds",
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
    "substate",
    "variant_of",
]
