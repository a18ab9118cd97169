"""Reward programs: a text that passed the check, and what it can be compiled to."""

import ast
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from eureka_agent.reward.check import outline
from eureka_agent.reward.findings import RewardRejected
from eureka_agent.reward.function import RewardFunction
from eureka_agent.reward.signals import Signal


@dataclass(frozen=True)
class RewardProgram:
    """A reward program that passed the check.

    Attributes:
        text: as it was written.
        thought: the idea behind it: the docstring's first paragraph.
        weights: what each component is multiplied by, in the order of the text.
        scales: numbers that the program asks for by name.
        parameters: those of `compute_reward` in order, keys of `scales` among them.
        tree: the checked and rewritten functions, with the lines of `text`.
    """

    text: str
    thought: str
    weights: dict[str, float]
    scales: dict[str, float]
    parameters: tuple[str, ...]
    tree: ast.Module

    def compile(self) -> RewardFunction:
        """A function that evaluates transitions; its own namespace, nothing shared."""
        return RewardFunction(self.tree, self.weights, self.scales, self.parameters)

    @cached_property
    def fingerprint(self) -> str:
        """A name for what the program computes: docstrings, comments and layout do not matter."""
        numbers = json.dumps([list(self.weights.items()), sorted(self.scales.items())])
        return hashlib.sha256(f"{ast.unparse(self.tree)}\n{numbers}".encode()).hexdigest()


def parse(text: str, signals: Sequence[Signal]) -> RewardProgram:
    """Check and rewrite a program. Nothing of it is executed.

    Args:
        text: the program.
        signals: what the environment offers.

    Raises:
        RewardRejected: the text is no acceptable program; its findings say why.
    """
    parts = outline(text, signals)
    if any(finding.severity == "error" for finding in parts.findings):
        raise RewardRejected(parts.findings)
    return RewardProgram(
        text, parts.thought, parts.weights, parts.scales, parts.parameters, parts.tree
    )
