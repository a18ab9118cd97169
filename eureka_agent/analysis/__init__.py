"""What trainings teach about their rewards."""

from eureka_agent.analysis.behaviour import behaviour
from eureka_agent.analysis.reflection import reflect

__all__ = ["behaviour", "reflect"]
