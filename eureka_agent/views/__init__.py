"""What people see of a run: terminal, live view, dashboard and HTML report."""
