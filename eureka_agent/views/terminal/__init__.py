"""Views for a terminal: `runs`, `show`, `runs compare`."""
