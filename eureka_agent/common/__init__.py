"""The ground that everything stands on: errors, paths, text, statistics."""
