"""Isolation: what a child process gives up before it receives the first program.

This file imports nothing, as that of `workers`.
"""
