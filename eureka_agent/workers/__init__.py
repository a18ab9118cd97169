"""TRAIN and JUDGE: processes that run reward programs or judge policies, beside their clients.

This file imports nothing: `isolation.bootstrap` runs in a worker before numpy and torch may load.
"""
