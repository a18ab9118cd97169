"""The scaffold of a new environment."""
