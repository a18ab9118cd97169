"""What a call must leave as it found it in the process that it shares with others."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TorchState:
    """Settings of torch that hold for the whole process.

    The reward language has no words to change them. That they are compared all the same costs
    some microseconds per call, and a gap in the language would otherwise stay unnoticed.

    Attributes:
        dtype: of new floating-point tensors.
        threads: of operations on the CPU.
        gradients: whether operations are recorded for derivatives.
        random: state of the CPU's generator, bytes.
    """

    dtype: torch.dtype
    threads: int
    gradients: bool
    random: Tensor

    @classmethod
    def now(cls) -> "TorchState":
        """The settings as they are."""
        return cls(
            torch.get_default_dtype(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            torch.get_rng_state(),
        )

    def restore(self) -> str:
        """Set back what has changed since; returns what that was, empty if nothing."""
        now, changed = TorchState.now(), []
        if now.dtype != self.dtype:
            torch.set_default_dtype(self.dtype)
            changed.append("default type")
        if now.threads != self.threads:
            torch.set_num_threads(self.threads)
            changed.append("number of threads")
        if now.gradients != self.gradients:
            torch.set_grad_enabled(self.gradients)
            changed.append("gradient mode")
        if not torch.equal(now.random, self.random):
            torch.set_rng_state(self.random)
            changed.append("random state")
        return " and ".join(changed)
