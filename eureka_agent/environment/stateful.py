"""Objects whose state is a few tensors: read as plain arrays, restored in place."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor


class Stateful:
    """Base of what a checkpoint holds; a subclass names its attributes in `STATE`."""

    STATE: ClassVar[tuple[str, ...]]
    """Attributes that are tensors or arrays of a fixed shape, or stateful themselves."""

    def state(self) -> dict[str, np.ndarray]:
        """Copies of everything that decides what happens next, by dotted name."""
        result: dict[str, np.ndarray] = {}
        for name in self.STATE:
            value = getattr(self, name)
            if isinstance(value, Stateful):
                result |= {f"{name}.{key}": part for key, part in value.state().items()}
            else:
                array = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
                result[name] = array.copy()
        return result

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go back to a state; attributes keep their memory, which others may share."""
        for name in self.STATE:
            value = getattr(self, name)
            if isinstance(value, Stateful):
                value.restore(under(state, f"{name}."))
            elif isinstance(value, Tensor):
                value.copy_(torch.from_numpy(np.array(state[name])))
            else:
                value[...] = state[name]


def under(state: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The entries whose names begin with a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
