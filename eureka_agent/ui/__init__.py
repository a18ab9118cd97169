"""What people see of a run: the live view, `runs` and `show`. It knows nothing but the store."""
