"""The robot of `half_cheetah`, which keeps a speed."""

from eureka_agent.environment import variant_of

HalfCheetah = variant_of("half_cheetah")


class HalfCheetahTargetSpeed(HalfCheetah):
    """Everything but the task is as in `half_cheetah`."""

    task = "Run forward at a steady speed of 2 m/s."
