"""A child that cannot even be imported."""

raise RuntimeError("no such luck")
