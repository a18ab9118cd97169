"""The arm of `reacher`, which has to stay at its target."""

from eureka_agent.environment import variant_of

Base = variant_of("reacher")


class ReacherHold(Base):
    """All as in `reacher` but the task."""

    task = "Bring the fingertip within 2 cm of the target soon, and keep it there at rest."
