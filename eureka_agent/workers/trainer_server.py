"""The worker that trains: the only process that trains on reward programs. See `serve`.

It holds one population for its whole life. It never holds the fitness, unless it was opened to
train on it bare; then it refuses programs. Opening it ends with its lock-down: no program comes
before that.
"""

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from eureka_agent.common.errors import UsageError
from eureka_agent.environment import (
    Environment,
    Episodes,
    find_environment,
    load_fitness,
    make_worlds,
)
from eureka_agent.reward import parse
from eureka_agent.simulation import resolve_device
from eureka_agent.training import LaneReport, Population, Reward
from eureka_agent.training.lane import TimeLimitedReward
from eureka_agent.training.sb3 import Sb3Trainer
from eureka_agent.workers.isolation.lock import lock
from eureka_agent.workers.protocol import Message, done
from eureka_agent.workers.serve import Reporter, serve, watch_steps
from eureka_agent.workers.warm_up import (
    PROGRAMS,
    brief,
    still_episode,
    warm_up,
)

TRAINERS: dict[str, type[Population] | type[Sb3Trainer]] = {
    "population": Population,
    "sb3": Sb3Trainer,
}
"""Trainers, by their names in a search's configuration."""
_WARM_UP_WORLDS = 4


class TrainerServer:
    """Answers the client's requests about one population."""

    def __init__(self) -> None:
        self._environment: Environment
        self._population: Population | Sb3Trainer
        self._rewards: dict[int, Reward] = {}
        self._fitness: Reward | None = None
        self._clock: Callable[[], float] = time.thread_time

    def open(self, request: Message, reporter: Reporter) -> Message:
        """Load the task, warm up, lock this process, and set up the population.

        Fields: `environment` (its source), `lanes`, `worlds`, `threads`, `trainer` (a key of
        `TRAINERS`), `device` (a name for `resolve_device`; without it the CPU), `fitness` (file to
        train on, bare; None to train on programs), `layers` (of the lock-down; without it all that
        there are). Replies with the `layers` that hold.
        """
        fields = request.fields
        self._environment = find_environment(fields["environment"])
        self._fitness = load_fitness(Path(fields["fitness"])) if fields["fitness"] else None
        trainer = TRAINERS[fields.get("trainer", "population")]
        device = resolve_device(fields.get("device", "cpu"))
        on_gpu = device.type != "cpu"
        if on_gpu:  # its work is in no process's processor time
            self._clock = time.perf_counter

        def population() -> Population | Sb3Trainer:
            return trainer(
                self._environment,
                fields["lanes"],
                fields["worlds"],
                threads=fields["threads"],
                device=device,
                watch=reporter.mark_lane,
            )

        # It comes first where it reads files: on a GPU, as it compiles kernels and loads them, and
        # with Gymnasium. On the CPU it comes last, as its threads must be locked as well.
        foreign = self._environment.reads_files
        watch_steps(self._environment, reporter)
        early = population() if on_gpu or foreign else None
        layers = fields.get("layers")
        if layers != []:
            self._warm_up(trainer, device)
            tried = make_worlds(self._environment, 1) if foreign else None
            layers = lock(layers, cuda=on_gpu)
            self._environment.locked = True
            if tried is not None:
                tried.try_out()  # so faults of the lock-down show before anything trains
        self._population = early or population()
        return done({"layers": layers})

    def load(self, request: Message, reporter: Reporter) -> Message:
        """Begin a training run.

        Fields: `lane`, `seed`, `program` (text; None for the bare fitness).
        """
        fields, lane = request.fields, request.fields["lane"]
        if (fields["program"] is None) != (self._fitness is not None):
            raise UsageError("A worker trains either programs or the bare fitness, never both.")
        reporter.mark_lane(lane)
        if self._fitness is not None:
            reward: Reward = self._fitness
        else:
            signals = self._environment.signals_described
            reward = TimeLimitedReward(
                parse(fields["program"], signals).compile(),
                partial(self._population.non_reward_s, lane),
                self._clock,
            )
        self._rewards[lane] = reward
        self._population.load(lane, reward, fields["seed"])
        return done()

    def advance(self, request: Message, reporter: Reporter) -> Message:
        """Train all loaded lanes. Fields: `steps`.

        Replies with a report per lane, and the `overflow` of the physics, or None.
        """
        trained, turn = 0, threading.Lock()

        def alive() -> None:
            with turn:  # groups of lanes step in threads of their own
                reporter.heartbeat(done=trained)

        def beat(steps: int) -> None:
            nonlocal trained
            trained = steps
            alive()

        self._environment.alive = alive
        reports = self._population.advance(request.fields["steps"], heartbeat=beat)
        said = {"reports": [_report(report) for report in reports]}
        return done(said | {"overflow": self._population.overflow})

    def weights(self, request: Message, reporter: Reporter) -> Message:
        """Policies of lanes, normalisers folded in. Fields: `lanes`. Arrays: `<lane>/<name>`."""
        arrays: dict[str, np.ndarray] = {}
        for lane in request.fields["lanes"]:
            for name, value in self._population.weights(lane).items():
                arrays[f"{lane}/{name}"] = value.numpy()
        return done(arrays=arrays)

    def score(self, request: Message, reporter: Reporter) -> Message:
        """Score recorded episodes by a lane's reward. Fields: `lane`; arrays as of `Episodes`."""
        lane = request.fields["lane"]
        reward, episodes = self._rewards[lane], Episodes.from_arrays(request.arrays)
        arguments = episodes.arguments(self._population.layout, reward.parameters)
        reporter.mark_lane(lane)
        returns = episodes.sums(reward(arguments))
        return done(arrays={"returns": returns.numpy()})

    def stop(self, request: Message, reporter: Reporter) -> Message:
        """Empty a lane. Fields: `lane`."""
        self._population.stop(request.fields["lane"])
        self._rewards.pop(request.fields["lane"], None)
        return done()

    def _warm_up(self, trainer: type[Population] | type[Sb3Trainer], device: torch.device) -> None:
        """Let another server train a little, and fail at it."""
        other = TrainerServer()
        other._environment, other._fitness = brief(self._environment), self._fitness
        population = other._population = trainer(
            other._environment, 1, _WARM_UP_WORLDS, threads=1, device=device
        )
        episode = still_episode(self._environment)
        requests = []
        for program in PROGRAMS if self._fitness is None else (None,):
            requests += [
                Message("load", {"lane": 0, "program": program, "seed": 0}),
                Message("advance", {"steps": 2 * population.rollout_steps}),
                Message("weights", {"lanes": [0]}),
                Message("score", {"lane": 0}, episode),
                Message("stop", {"lane": 0}),
            ]
        warm_up((other.load, other.advance, other.weights, other.score, other.stop), requests)


def _report(report: LaneReport) -> dict[str, Any]:
    """A lane's report as plain data."""
    components = {
        name: {"mean": c.mean, "min": c.minimum, "max": c.maximum, "share": c.share}
        for name, c in report.components.items()
    }
    return vars(report) | {"components": components}


def main() -> None:
    """Serve until the client hangs up."""
    server = TrainerServer()
    serve(server.open, server.load, server.advance, server.weights, server.score, server.stop)


if __name__ == "__main__":
    main()
