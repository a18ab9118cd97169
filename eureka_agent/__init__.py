"""Finds reward functions: describe a task, search over reward programs, get a trained policy."""

__version__ = "0.1.0"
