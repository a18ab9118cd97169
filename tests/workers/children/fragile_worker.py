"""A worker that dies of programs that say so, as of a fault in native code."""

import signal
from collections.abc import Mapping

from torch import Tensor

from eureka_agent.reward import RewardFunction, RewardProgram, RewardValues, parse
from eureka_agent.workers import trainer_server


class Deadly(RewardFunction):
    """Ends its process when it is called."""

    def __call__(self, arguments: Mapping[str, Tensor]) -> RewardValues:
        signal.raise_signal(signal.SIGSEGV)  # of this very thread, as a fault is
        return super().__call__(arguments)


class Program(RewardProgram):
    """A program that compiles to what it says it is."""

    def compile(self) -> RewardFunction:
        kind = Deadly if self.thought == "Crash." else RewardFunction
        return kind(self.tree, self.weights, self.scales, self.parameters)


if __name__ == "__main__":
    trainer_server.parse = lambda text, signals: Program(**vars(parse(text, signals)))
    trainer_server.main()
