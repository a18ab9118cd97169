"""What a program makes of contrasts: does its reward move as it must?"""

from dataclasses import dataclass

import numpy as np

from eureka_agent.analysis.arrays import FloatArray
from eureka_agent.common.errors import UsageError
from eureka_agent.common.plain_text import percent
from eureka_agent.environment.contrasts import Contrast

RIGHT = 0.8
"""Share of the episodes, or pairs, on which a reward must move as expected."""
LEAST = 0.05
"""Share of what is at stake, between good and failed episodes, below which a move is as good as
none: training would not find it among all else that moves the reward."""
_ROUNDING = 1e-6
"""Relative difference that float32 makes of nothing."""


@dataclass(frozen=True)
class ContrastResult:
    """How a program's returns moved.

    Attributes:
        contrast: as declared.
        share: of the episodes or pairs on which they moved as expected; NaN without any.
        count: how many there were.
        contrary: share on which they moved the other way, where they must move.
    """

    contrast: Contrast
    share: float
    count: int
    contrary: float = 0.0

    @property
    def must_move(self) -> bool:
        """Whether returns were told to move, rather than not to."""
        return self.contrast.expect in ("less", "more")

    @property
    def passed(self) -> bool:
        """Whether the reward moves as it must; it does as long as nothing tells otherwise."""
        return not self.share < RIGHT

    @property
    def reason(self) -> str:
        """The same in a sentence."""
        contrast = self.contrast
        if not self.count:
            return f"{contrast.name}: not tried, for want of recorded episodes."
        verb = "must earn" if self.must_move else "may earn"
        unit = "pairs" if contrast.change is None else "episodes"
        return (
            f"{contrast.name}: {contrast.meaning} {verb} {contrast.expect}, and do on "
            f"{percent(self.share)} of {self.count} {unit}."
        )


def contrast_result(
    contrast: Contrast, first: FloatArray, others: FloatArray, at_stake: float = 0.0
) -> ContrastResult:
    """Compare what a program pays for both sides of a contrast.

    Args:
        contrast: as declared.
        first: returns of the episodes that it begins with `[E]`.
        others: returns of the same episodes after the change `[E]`, or of the other kind `[F]`.
            Those that are not finite are left out.
        at_stake: by how much good and failed episodes differ; 0 if that is not known.

    Raises:
        UsageError: a change gave another number of episodes.
    """
    if contrast.change is None:
        gain = (others[None, :] - first[:, None]).ravel()
    elif first.shape == others.shape:
        gain = others - first
    else:
        raise UsageError(
            f'The change of the contrast "{contrast.name}" makes {others.shape} returns of '
            f"{first.shape}.",
            "It must keep the episodes and their order.",
        )
    gain = gain[np.isfinite(gain)]
    if not len(gain):
        return ContrastResult(contrast, float("nan"), 0)
    both = np.concatenate([first, others])
    rounding = _ROUNDING * float(np.abs(both[np.isfinite(both)]).max())
    nothing = max(rounding, LEAST * at_stake)
    moved = {
        "less": gain < -nothing,
        "more": gain > nothing,
        "no more": gain <= nothing,
        "no less": gain >= -nothing,
    }[contrast.expect]
    contrary = {"less": gain > nothing, "more": gain < -nothing}.get(
        contrast.expect, np.isnan(gain)
    )
    return ContrastResult(contrast, float(moved.mean()), len(gain), float(contrary.mean()))
