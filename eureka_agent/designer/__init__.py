"""Designers: they write reward programs, and learn from what became of earlier ones."""

from eureka_agent.designer.base import Broken, BudgetSpent, Designer, Past, Proposal
from eureka_agent.designer.offline import OfflineDesigner

__all__ = ["Broken", "BudgetSpent", "Designer", "OfflineDesigner", "Past", "Proposal"]
