"""Score programs on recorded episodes, step by step, and on standing still in them."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from eureka_agent.environment import Episodes, SignalLayout
from eureka_agent.reward import RewardProgram, RewardValues, split_prefix
from eureka_agent.reward.signals import STANDARD_PARAMETERS


def score_episodes(
    program: RewardProgram, episodes: Episodes, layout: SignalLayout, still: bool
) -> dict[str, np.ndarray]:
    """Score a program on `E` episodes of `L` steps; rows beyond an end repeat the last step.

    Args:
        program: to be called.
        episodes: recorded ones.
        layout: of their states.
        still: whether to score the components also on transitions that stand still, in the state
            ahead of each step and in the one after it: a potential is mostly one of them.

    Returns:
        `total [L, E]` and `components [C, L, E]`, in the order of WEIGHTS and without the weights;
        if asked for also `here` and `there`, shaped as the components. All float32.

    Raises:
        RewardFailed: the program raised, or broke the contract.
    """
    shape = tuple(episodes.actions.shape[:2])
    function = program.compile()
    arguments = episodes.arguments(layout, _with_states(function.parameters))
    paid = function(arguments)
    scores = {"total": paid.total.view(shape).numpy(), "components": _components(paid, shape)}
    if still:
        here = {name: _ahead(arguments, name, shape) for name in function.parameters}
        there = {name: _after(arguments, name) for name in function.parameters}
        scores["here"] = _components(function(here), shape)
        scores["there"] = _components(function(there), shape)
    return scores


def score_rows(
    program: RewardProgram, arguments: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Score a program on `M` transitions that may never have happened.

    Args:
        program: to be called.
        arguments: by parameter, `[M]` or `[M, d]` each.

    Returns:
        `total [M]` and `components [C, M]`, as of `score_episodes`.

    Raises:
        RewardFailed: the program raised, or broke the contract.
        ValueError: an argument is missing, or numbers of rows differ.
    """
    paid = program.compile()({name: torch.from_numpy(value) for name, value in arguments.items()})
    return {"total": paid.total.numpy(), "components": _components(paid, paid.total.shape)}


def _components(paid: RewardValues, shape: tuple[int, ...]) -> np.ndarray:
    """`[C, *shape]`."""
    return torch.stack(list(paid.components.values())).view(-1, *shape).numpy()


def _with_states(parameters: tuple[str, ...]) -> tuple[str, ...]:
    """The parameters, and those that transitions that stand still need besides."""
    names = dict.fromkeys(parameters)
    for parameter in parameters:
        _, name = split_prefix(parameter)
        if name not in STANDARD_PARAMETERS:
            names |= dict.fromkeys([name, f"prev_{name}"])
    return tuple(names | dict.fromkeys(("action", "prev_action", "time_left")))


def _after(arguments: Mapping[str, Tensor], parameter: str) -> Tensor:
    """An argument, standing still in the state after each step: its action continues."""
    prefix, name = split_prefix(parameter)
    if parameter in STANDARD_PARAMETERS:
        return _plain(arguments, parameter, "action")
    return arguments[name if prefix in ("", "prev") else parameter]


def _ahead(arguments: Mapping[str, Tensor], parameter: str, shape: tuple[int, ...]) -> Tensor:
    """An argument, standing still in the state ahead of each step: the last action continues."""
    prefix, name = split_prefix(parameter)
    if parameter == "time_left":
        return arguments[parameter] + 1.0 / shape[0]
    if parameter in STANDARD_PARAMETERS:
        return _plain(arguments, parameter, "prev_action")
    if prefix in ("max", "min"):
        steps = arguments[parameter].unflatten(0, shape)
        first = arguments[f"prev_{name}"].unflatten(0, shape)[:1]
        return torch.cat([first, steps[:-1]]).flatten(0, 1)
    return arguments[parameter if prefix == "start" else f"prev_{name}"]


def _plain(arguments: Mapping[str, Tensor], parameter: str, action: str) -> Tensor:
    """A plain argument of a transition on which nothing ends, and one action continues."""
    if parameter == "terminated":
        return torch.zeros_like(arguments[parameter])
    return arguments[action if parameter.endswith("action") else parameter]
