"""What a program pays for recorded episodes, step by step, and what it says of standing still."""

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
        still: whether to ask also what the components are on transitions that stand still, in the
            state ahead of each step and in the one after it: a potential is mostly one of them.

    Returns:
        `total [L, E]` and `components [C, L, E]`, in the order of WEIGHTS and without the weights;
        if asked for also `here` and `there`, shaped as the components. All float32.

    Raises:
        RewardFailed: the program raised, or broke the contract.
    """
    shape = tuple(episodes.actions.shape[:2])
    function = program.compile()
    names = _with_states(function.parameters)
    arguments = episodes.arguments(layout, names)
    paid = function(arguments)
    found = {"total": paid.total.view(shape).numpy(), "components": _components(paid, shape)}
    if still:
        for name, standing in (
            ("here", _ahead(arguments, function.parameters, shape)),
            ("there", _after(arguments, function.parameters)),
        ):
            found[name] = _components(function(standing), shape)
    return found


def score_rows(
    program: RewardProgram, arguments: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """What a program pays for `M` transitions that may never have happened.

    Args:
        program: to be called.
        arguments: what it reads, by parameter, `[M]` or `[M, d]` each.

    Returns:
        `total [M]` and `components [C, M]`, as of `score`.

    Raises:
        RewardFailed: the program raised, or broke the contract.
        ValueError: an argument is missing, or numbers of rows differ.
    """
    given = {name: torch.from_numpy(value) for name, value in arguments.items()}
    paid = program.compile()(given)
    return {"total": paid.total.numpy(), "components": _components(paid, paid.total.shape)}


def _components(paid: RewardValues, shape: tuple[int, ...]) -> np.ndarray:
    """`[C, *shape]`."""
    return torch.stack(list(paid.components.values())).view(-1, *shape).numpy()


def _with_states(parameters: tuple[str, ...]) -> tuple[str, ...]:
    """The parameters, and what else it takes to make transitions that stand still of them."""
    names = dict.fromkeys(parameters)
    for parameter in parameters:
        _, name = split_prefix(parameter)
        if name not in STANDARD_PARAMETERS:
            names |= dict.fromkeys([name, f"prev_{name}"])
    return tuple(names | dict.fromkeys(("action", "prev_action", "time_left")))


def _after(arguments: Mapping[str, Tensor], parameters: tuple[str, ...]) -> dict[str, Tensor]:
    """Standing still in the state after each step: the action of the step goes on."""
    standing: dict[str, Tensor] = {}
    for parameter in parameters:
        prefix, name = split_prefix(parameter)
        if parameter in STANDARD_PARAMETERS:
            standing[parameter] = _plain(arguments, parameter, "action")
        else:
            standing[parameter] = arguments[name if prefix in ("", "prev") else parameter]
    return standing


def _ahead(
    arguments: Mapping[str, Tensor], parameters: tuple[str, ...], shape: tuple[int, ...]
) -> dict[str, Tensor]:
    """Standing still in the state ahead of each step: the action before it goes on."""
    standing: dict[str, Tensor] = {}
    for parameter in parameters:
        prefix, name = split_prefix(parameter)
        if parameter == "time_left":
            standing[parameter] = arguments[parameter] + 1.0 / shape[0]
        elif parameter in STANDARD_PARAMETERS:
            standing[parameter] = _plain(arguments, parameter, "prev_action")
        elif prefix in ("max", "min"):
            steps = arguments[parameter].unflatten(0, shape)
            first = arguments[f"prev_{name}"].unflatten(0, shape)[:1]
            standing[parameter] = torch.cat([first, steps[:-1]]).flatten(0, 1)
        else:
            standing[parameter] = arguments[parameter if prefix == "start" else f"prev_{name}"]
    return standing


def _plain(arguments: Mapping[str, Tensor], parameter: str, action: str) -> Tensor:
    """A plain argument of a transition on which nothing ends, and one action goes on."""
    if parameter == "terminated":
        return torch.zeros_like(arguments[parameter])
    return arguments[action if parameter.endswith("action") else parameter]
