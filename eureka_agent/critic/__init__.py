"""VERIFY: what is wrong with a reward program before it costs any training."""
