"""The worker without its check: any text is a reward program, with all of Python at its disposal.

What attacks would have to import is there before the lock-down, so that nothing is stopped merely
because it cannot be imported.
"""

import ctypes
import ctypes.util
import inspect
import mmap
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping

import numpy as np
import torch
import torch.distributed
from torch import Tensor

from eureka_agent.reward import RewardValues
from eureka_agent.workers import trainer_server

TOOLS = (
    *(ctypes, mmap, multiprocessing, os, shutil, signal, socket, subprocess, sys, time, np, torch),
)


class Anything:
    """Stands in for a program and for its compiled function."""

    def __init__(self, text: str) -> None:
        scope = {tool.__name__: tool for tool in TOOLS} | {"np": np}
        exec(text, scope)
        self._compute = scope["compute_reward"]
        self.parameters = tuple(inspect.signature(self._compute).parameters)
        self.weights = scope["WEIGHTS"]

    def compile(self) -> "Anything":
        return self

    def __call__(self, arguments: Mapping[str, Tensor]) -> RewardValues:
        given = {name: arguments[name] for name in self.parameters}
        components = self._compute(**given)
        return RewardValues(sum(components.values()), components)


if __name__ == "__main__":
    trainer_server.parse = lambda text, signals: Anything(text)  # type: ignore[assignment]
    trainer_server.main()
