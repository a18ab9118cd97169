"""The offline designer: composes, learns and mutates, with no language model and no network."""
