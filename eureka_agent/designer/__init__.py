"""GENERATE: designers write reward programs and learn from the results of earlier ones."""
