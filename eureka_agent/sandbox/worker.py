"""The worker: the only process that calls reward programs. Run as a child, see `serve`.

It holds one population for its whole life. It never holds the fitness, unless it was opened to
train on it bare; then it refuses programs.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from eureka_agent.environment import Environment, Episodes, load_environment, load_fitness
from eureka_agent.errors import UsageError
from eureka_agent.reward import parse
from eureka_agent.sandbox.protocol import Message
from eureka_agent.sandbox.serve import Reporter, serve
from eureka_agent.training import Population, Reward


class Worker:
    """Answers the parent's requests about one population."""

    def __init__(self) -> None:
        self._environment: Environment
        self._population: Population
        self._rewards: dict[int, Reward] = {}
        self._fitness: Path | None = None

    def open(self, request: Message, reporter: Reporter) -> Message:
        """Set up the population.

        Fields: `environment` (folder), `lanes`, `worlds`, `threads`, `fitness` (file to train on,
        bare; None to train on programs).
        """
        fields = request.fields
        self._fitness = Path(fields["fitness"]) if fields["fitness"] else None
        self._environment = load_environment(Path(fields["environment"]))
        self._population = Population(
            self._environment,
            fields["lanes"],
            fields["worlds"],
            threads=fields["threads"],
            watch=reporter.blame,
        )
        return Message("opened")

    def load(self, request: Message, reporter: Reporter) -> Message:
        """Begin a training. Fields: `lane`, `seed`, `program` (text; None for the bare fitness)."""
        fields = request.fields
        if (fields["program"] is None) != (self._fitness is not None):
            raise UsageError("A worker trains either programs or the bare fitness, never both.")
        if self._fitness is not None:
            reward: Reward = load_fitness(self._fitness)
        else:
            signals = self._environment.signals_described
            reward = parse(fields["program"], signals).compile()
        self._rewards[fields["lane"]] = reward
        self._population.load(fields["lane"], reward, fields["seed"])
        return Message("loaded")

    def advance(self, request: Message, reporter: Reporter) -> Message:
        """Train all loaded lanes. Fields: `steps`. Replies with a report per lane."""
        reports = self._population.advance(
            request.fields["steps"], heartbeat=lambda done: reporter.heartbeat(done=done)
        )
        return Message("advanced", {"reports": [asdict(report) for report in reports]})

    def weights(self, request: Message, reporter: Reporter) -> Message:
        """Policies of lanes, normalisers folded in. Fields: `lanes`. Arrays: `<lane>/<name>`."""
        arrays: dict[str, np.ndarray] = {}
        for lane in request.fields["lanes"]:
            for name, value in self._population.weights(lane).items():
                arrays[f"{lane}/{name}"] = value.numpy()
        return Message("weights", {}, arrays)

    def score(self, request: Message, reporter: Reporter) -> Message:
        """What a lane's reward pays recorded episodes. Fields: `lane`; arrays as of `Episodes`."""
        lane = request.fields["lane"]
        reward, episodes = self._rewards[lane], Episodes.from_arrays(request.arrays)
        arguments = episodes.arguments(self._population.layout, reward.parameters)
        reporter.blame(lane)
        returns = episodes.sums(reward(arguments))
        return Message("scored", {}, {"returns": returns.numpy()})

    def stop(self, request: Message, reporter: Reporter) -> Message:
        """Empty a lane. Fields: `lane`."""
        self._population.stop(request.fields["lane"])
        self._rewards.pop(request.fields["lane"], None)
        return Message("stopped")


def main() -> None:
    """Serve until the parent hangs up."""
    worker = Worker()
    jobs = (worker.open, worker.load, worker.advance, worker.weights, worker.score, worker.stop)
    serve({job.__name__: job for job in jobs})


if __name__ == "__main__":
    main()
