"""The robot of `half_cheetah`, which runs the other way."""

from eureka_agent.environment import variant_of

HalfCheetah = variant_of("half_cheetah")


class HalfCheetahBackward(HalfCheetah):
    """Everything but the task is as in `half_cheetah`."""

    task = "Run backward as fast as possible."
