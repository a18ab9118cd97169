"""What an environment declares for the exam of rewards: `contrasts.py` beside its fitness.

It lies in a file of its own, as no designer of rewards may know it and no training reads it.
"""

from typing import Any

from eureka_agent.environment.base import Environment
from eureka_agent.environment.discovery import load_module
from eureka_agent.errors import UsageError
from eureka_agent.reward.contrasts import Contrast

FILE = "contrasts.py"


def contrasts_of(environment: Environment) -> tuple[Contrast, ...]:
    """The contrasts of an environment; none where it has no such file.

    Raises:
        UsageError: the file is broken, or its CONTRASTS are none.
    """
    path = environment.fitness_path.with_name(FILE)
    if not path.is_file():
        return ()
    declared: Any = getattr(load_module(path), "CONTRASTS", None)
    if not isinstance(declared, tuple) or not all(isinstance(c, Contrast) for c in declared):
        raise UsageError(
            f"{path} defines no contrasts.",
            "Write CONTRASTS = (Contrast(...), ...), see eureka_agent.reward.contrasts.",
        )
    return declared
