"""Probing: a reward program is called on real transitions before it costs any training."""
