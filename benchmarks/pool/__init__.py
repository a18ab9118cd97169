"""A pool of reward programs whose true worth is known, to compare ways of guessing it."""
