"""Gymnasium's own environments with the compiled models of ours: the same physics for both."""

import copy
from typing import Any

import gymnasium
import mujoco

from eureka_agent.common.errors import MissingError, UsageError
from eureka_agent.environment import Environment

# What ours leave out of observation and reward, these leave out as well.
TWINS: dict[str, tuple[str, dict[str, Any]]] = {
    "half_cheetah": ("HalfCheetah-v5", {}),
    "hopper": ("Hopper-v5", {}),
    "ant": ("Ant-v5", {"include_cfrc_ext_in_observation": False, "contact_cost_weight": 0.0}),
    "humanoid": (
        "Humanoid-v5",
        {
            "include_cfrc_ext_in_observation": False,
            "include_cinert_in_observation": False,
            "include_cvel_in_observation": False,
            "include_qfrc_actuator_in_observation": False,
            "contact_cost_weight": 0.0,
        },
    ),
}
"""Gymnasium's name of an environment, and the arguments of `gymnasium.make`."""


def gymnasium_twin(environment: Environment) -> gymnasium.Env[Any, Any]:
    """Gymnasium's environment with our compiled model and our time limit.

    Raises:
        UsageError: there is none, or its control step is another.
        MissingError: a package that Gymnasium's environments import is not installed.
    """
    if environment.name not in TWINS:
        raise UsageError(
            f"Gymnasium has no twin of {environment.name!r}.", f"Known: {', '.join(TWINS)}."
        )
    name, arguments = TWINS[environment.name]
    try:
        twin = gymnasium.make(
            name,
            max_episode_steps=environment.episode_steps,
            disable_env_checker=True,
            **arguments,
        )
    except ModuleNotFoundError as error:
        raise MissingError(
            f"Gymnasium's {name} needs the package {error.name}.", f"pip install {error.name}"
        ) from error
    inner: Any = twin.unwrapped
    inner.model = copy.deepcopy(environment.model)
    inner.data = mujoco.MjData(inner.model)
    if abs(inner.dt - environment.control_step) > 1e-9:
        raise UsageError(
            f"{name} acts every {inner.dt:g} s, {environment.name} every "
            f"{environment.control_step:g} s.",
            "Make them the same: steps per second are compared.",
        )
    return twin
