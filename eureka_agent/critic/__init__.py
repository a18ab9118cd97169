"""The critic: what is wrong with a reward program, before it costs any training.

The checks of the text are in `reward`; here a program is called, which only a child process does.
"""

from eureka_agent.critic.batch import Batch, recorded_batch, sampled_batch
from eureka_agent.critic.dry_run import TOO_SLOW_US, dry_run
from eureka_agent.critic.sampling import sample_transitions
from eureka_agent.critic.scoring import pay, score

__all__ = [
    "TOO_SLOW_US",
    "Batch",
    "dry_run",
    "pay",
    "recorded_batch",
    "sample_transitions",
    "sampled_batch",
    "score",
]
