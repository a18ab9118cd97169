"""Recorded episodes of which it is known how good they are, and what they return."""
