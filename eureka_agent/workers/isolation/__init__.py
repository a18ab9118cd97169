"""Isolation: what a worker process gives up before it receives the first program.

This file imports nothing, like that of `workers`.
"""
