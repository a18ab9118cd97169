"""What a reward may cost: processor time, beside that of everything else in its rollouts.

A program that takes a minute at each call shows a sign of life every minute, so that nothing else
would ever end it, and all that trains beside it waits.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor

from eureka_agent.reward import Evaluation, RewardFailed
from eureka_agent.training.lane import Reward

TIMES, GRACE_S = 10.0, 5.0
"""Times what its lane's physics and updates have taken that a reward may take, and what it may take
in any case. Rewards that people and models write take a hundredth of the former."""


class Elsewhere:
    """A watch that runs while anything but a reward does.

    Attributes:
        seconds: that have passed so.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since = time.perf_counter()

    def start(self) -> None:
        """Count from now on."""
        self._since = time.perf_counter()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Count what has passed since the start, and nothing within."""
        self.seconds += time.perf_counter() - self._since
        try:
            yield
        finally:
            self.start()


class Metered:
    """A reward that fails once it has cost too much.

    On a CPU it is charged the processor time of the thread that calls it, so that it does not
    matter who else uses the machine. What it is compared with is the time on the clock, which only
    grows with that.

    Args:
        reward: to be called.
        elsewhere: seconds that everything else has taken so far, its lane's share of them.
        clock: what it is charged by.
    """

    def __init__(
        self,
        reward: Reward,
        elsewhere: Callable[[], float],
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self._reward, self._elsewhere, self._clock = reward, elsewhere, clock
        self._begun, self._spent = elsewhere(), 0.0

    @property
    def parameters(self) -> tuple[str, ...]:
        """As of the reward."""
        return self._reward.parameters

    @property
    def weights(self) -> Mapping[str, float]:
        """As of the reward."""
        return self._reward.weights

    def __call__(self, arguments: Mapping[str, Tensor]) -> Evaluation:
        """Evaluate `M` transitions.

        Raises:
            RewardFailed: as the reward does, or all calls together have taken too long.
        """
        before = self._clock()
        try:
            evaluation = self._reward(arguments)
        finally:
            self._spent += self._clock() - before
        rest = self._elsewhere() - self._begun
        if self._spent > GRACE_S + TIMES * rest:
            raise RewardFailed(
                f"The program is too slow: its calls took {self._spent:.1f} s of processor time, "
                f"the physics and the updates of its lane {rest:.1f} s.",
                0,
            )
        return evaluation
