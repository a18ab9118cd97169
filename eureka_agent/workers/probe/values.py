"""What the values of the components tell: warnings only, as random actions show one side of a task.

A component that stays where it is under random actions may be what a good policy is paid for.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from eureka_agent.reward import Evaluation
from eureka_agent.reward.findings import Report
from eureka_agent.workers.probe.origins import Origin

FLAT = 1e-6
"""Spread, relative to the size of the values, that rounding alone can make."""
SATURATED_SHARE = 0.98
NEAR_END = 0.01
"""Fraction of a component's range that counts as one end of it."""
NEGLIGIBLE = 1e-3
"""Weighted spread, relative to the largest one, that no policy gradient would notice."""


def check_values(
    evaluation: Evaluation,
    weights: Mapping[str, float],
    origins: Mapping[str, Origin],
    where: str,
    report: Report,
) -> None:
    """Warn of components that teach nothing on the rows that were tried.

    Args:
        evaluation: of all rows.
        weights: of the components; those of weight 0 are only shown, so nothing is said of them.
        origins: where the components come from; "" is the reward as a whole.
        where: completes "on 10 transitions ...".
        report: where the findings go.
    """
    paid = {name: v for name, v in evaluation.components.items() if weights[name] != 0.0}
    if _is_flat(evaluation.total):
        message = (
            f"The whole reward is {_said(evaluation.total[0])} on all {len(evaluation.total):,} "
            f"transitions {where}: nothing can be learned from it there."
        )
        hint = "Pay for something that changes with every action, such as a velocity or a distance."
        report.warning("constant-reward", origins[""].line, message, hint)
        return
    for name, values in paid.items():
        if _is_flat(values):
            _warn_constant(name, values, origins[name].line, where, report)
        else:
            _check_saturated(name, values, origins[name].line, where, report)
    _check_negligible(paid, weights, origins, where, report)


def _warn_constant(name: str, values: Tensor, line: int, where: str, report: Report) -> None:
    message = (
        f'"{name}" is {_said(values[0])} on all {len(values):,} transitions {where}: '
        "it teaches nothing there."
    )
    hint = (
        "If a better policy would change it, leave it; otherwise widen its scale, or pay for a "
        "quantity that changes by degrees."
    )
    report.warning("constant", line, message, hint)


def _check_saturated(name: str, values: Tensor, line: int, where: str, report: Report) -> None:
    low, high = float(values.min()), float(values.max())
    margin = NEAR_END * (high - low)
    at_low = float((values <= low + margin).float().mean())
    at_high = float((values >= high - margin).float().mean())
    share, end, other = (at_low, low, high) if at_low > at_high else (at_high, high, low)
    if share < SATURATED_SHARE:
        return
    on = f"on {_percent(share)} of the transitions {where}"
    if bool(((values == low) | (values == high)).all()):
        message = f'"{name}" is {_said(end)} {on}, and {_said(other)} on the few others.'
        hint = "Such an event guides nobody before it happens: pay by degrees beside it."
    else:
        side = "lowest" if end == low else "highest"
        message = (
            f'"{name}" stays near its {side} value, {_said(end)}, {on}; '
            f"its other end is {_said(other)}."
        )
        hint = (
            "Widen its scale so that it changes where policies begin, or clamp rare large values."
        )
    report.warning("saturated", line, message, hint)


def _check_negligible(
    paid: Mapping[str, Tensor],
    weights: Mapping[str, float],
    origins: Mapping[str, Origin],
    where: str,
    report: Report,
) -> None:
    spreads = {
        name: abs(weights[name]) * float(values.double().std()) for name, values in paid.items()
    }
    largest = max(spreads, key=lambda name: spreads[name])
    for name, spread in spreads.items():
        if not _is_flat(paid[name]) and spread < NEGLIGIBLE * spreads[largest]:
            share = spread / spreads[largest]
            message = (
                f'"{name}" times its weight varies {share:.1g} times as much as "{largest}" '
                f"does {where}: it makes no difference there."
            )
            hint = f'Raise the weight of "{name}", lower that of "{largest}", or leave it out.'
            report.warning("negligible", origins[name].line, message, hint)


def _is_flat(values: Tensor) -> bool:
    spread = values.max() - values.min()
    return bool(spread <= FLAT * values.abs().max())


def _said(value: float | Tensor) -> str:
    return f"{float(torch.as_tensor(value)):.3g}"


def _percent(share: float) -> str:
    """A share that is nearly all, never rounded to all of it."""
    return f"{min(100 * share, 99.9):.1f} %"
