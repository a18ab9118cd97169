"""Trajectory analysis: what policies do, how they fail, in rules and in a model's words."""
