"""Multilayer perceptrons of K lanes, evaluated and differentiated together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Activation:
    """A hidden layer's function `[...] -> [...]` and its derivative, given what it returned."""

    value: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]
    """Gradient before the function from the gradient behind it, and from its output."""


def _tanh(x: Tensor) -> Tensor:
    if x.device.type != "cpu":
        return x.tanh()
    # NumPy's vectorised loop takes a seventh of the time of torch's, which was a quarter of all
    # that training cost beside the physics.
    array = x.contiguous().numpy()
    return torch.from_numpy(np.tanh(array))


ACTIVATIONS: dict[str, Activation] = {
    "tanh": Activation(_tanh, torch.ops.aten.tanh_backward),
    "relu": Activation(
        torch.relu, lambda gradient, y: torch.ops.aten.threshold_backward(gradient, y, 0)
    ),
    "elu": Activation(
        torch.nn.functional.elu,
        lambda gradient, y: torch.ops.aten.elu_backward(gradient, 1, 1, 1, True, y),
    ),
}


@dataclass
class Layer:
    """A linear layer of every lane, and where its gradients go.

    Attributes:
        weight: `[K, out, in]`.
        bias: `[K, out]`.
        weight_gradient: `[K, out, in]`.
        bias_gradient: `[K, out]`.
    """

    weight: Tensor
    bias: Tensor
    weight_gradient: Tensor
    bias_gradient: Tensor


class LaneMlp:
    """K networks of one shape; the activation stands between layers.

    The gradient is written out by hand: with networks this small automatic differentiation took
    almost as long again as the arithmetic.

    Args:
        layers: first to last.
        activation: name of the hidden layers' function.
    """

    def __init__(self, layers: Sequence[Layer], activation: str) -> None:
        self._layers = tuple(layers)
        self._activation = ACTIVATIONS[activation]

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs `[K, B, out]` for inputs `[K, B, in]`."""
        return self.forward(x)[0]

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Outputs, and the input of every layer, which `backward` wants."""
        inputs = []
        for layer in self._layers:
            if inputs:
                x = self._activation.value(x)
            inputs.append(x)
            x = torch.baddbmm(layer.bias[:, None], x, layer.weight.transpose(1, 2))
        return x, inputs

    def backward(self, gradient: Tensor, inputs: Sequence[Tensor]) -> None:
        """Write the gradient of every weight and bias.

        Args:
            gradient: of the loss with respect to the outputs `[K, B, out]`.
            inputs: from `forward`.
        """
        for layer, x in zip(reversed(self._layers), reversed(inputs), strict=True):
            layer.weight_gradient.copy_(torch.bmm(gradient.transpose(1, 2), x))
            layer.bias_gradient.copy_(gradient.sum(1))
            if layer is not self._layers[0]:
                behind = torch.bmm(gradient, layer.weight)
                gradient = self._activation.backward(behind, x)
