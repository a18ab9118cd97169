"""Runs for other people's tools: event files that TensorBoard shows."""
