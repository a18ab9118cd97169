"""TRAIN and JUDGE: processes that run reward programs or judge policies, and their clients.

This file imports nothing: `isolation.bootstrap` and `isolation.limits` run in a child before numpy
and torch may load.
"""
