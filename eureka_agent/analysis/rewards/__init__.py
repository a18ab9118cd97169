"""Reward comparison: what programs ask for, and what they return on each other's policies."""
