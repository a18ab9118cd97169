"""The search: generations of candidates, and the comparison of the best."""
