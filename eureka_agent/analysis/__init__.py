"""LEARN: what trainings say about their rewards."""
