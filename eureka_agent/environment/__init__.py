"""Environments: the base class, discovery, worlds that step one in many copies, and recordings.

Other packages import from here. Four modules are faces of their own: `contrasts`, which an
environment's `contrasts.py` uses; `gymnasium_models`, which its `env.py` may use; `episodes`, for
the types of what is recorded; and `model_facts`.
"""

from eureka_agent.common.environments import list_environments
from eureka_agent.environment import pools
from eureka_agent.environment.base import Environment, TaskDescription, TrainingSettings, signal
from eureka_agent.environment.discovery import (
    find_environment,
    load_environment,
    make_worlds,
    variant_of,
)
from eureka_agent.environment.episodes import (
    Episodes,
    Memory,
    SignalLayout,
    Transitions,
    concatenate,
)
from eureka_agent.environment.fitness import Fitness, ProgressMeasure, Reduce, load_fitness
from eureka_agent.environment.random import ResetNoise, mix
from eureka_agent.environment.scripted_policies import (
    SCRIPTED_POLICIES,
    hold_actions,
    scripted_actions,
)
from eureka_agent.environment.source_files import (
    PLACEHOLDER,
    foreign_code,
    placeholder_lines,
    placeholders,
)
from eureka_agent.environment.state import State, Stateful, substate
from eureka_agent.environment.worlds import (
    Act,
    ActionError,
    MujocoWorlds,
    SimulatedEnv,
    Step,
    Worlds,
    read_actions,
    record,
)

__all__ = [
    "PLACEHOLDER",
    "SCRIPTED_POLICIES",
    "Act",
    "ActionError",
    "Environment",
    "Episodes",
    "Fitness",
    "Memory",
    "MujocoWorlds",
    "ProgressMeasure",
    "Reduce",
    "ResetNoise",
    "SignalLayout",
    "SimulatedEnv",
    "State",
    "Stateful",
    "Step",
    "TaskDescription",
    "TrainingSettings",
    "Transitions",
    "Worlds",
    "concatenate",
    "find_environment",
    "foreign_code",
    "hold_actions",
    "list_environments",
    "load_environment",
    "load_fitness",
    "make_worlds",
    "mix",
    "placeholder_lines",
    "placeholders",
    "pools",
    "read_actions",
    "record",
    "scripted_actions",
    "signal",
    "substate",
    "variant_of",
]
