"""Tools for people who write environments: a scaffold to start from, and checks."""
