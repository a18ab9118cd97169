"""What a reward for swinging a pole up must tell apart."""

from eureka_agent.environment.contrasts import Contrast, harder, mirrored

CONTRASTS = (
    Contrast(
        "hanging",
        "poles that hang where they stood",
        "less",
        change=mirrored({"pole_up": None}),
    ),
    Contrast("harder", "the same with twice the force", "no more", change=harder()),
)
