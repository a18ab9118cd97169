"""The judge: evaluates policies on held-out episodes against the fitness, which it alone holds.

It runs as a worker of its own, on the CPU, and never loads a reward program: code that trains a
policy cannot touch its verdict. See `serve` for the conversation.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from eureka_agent.common.errors import UsageError
from eureka_agent.environment import (
    Act,
    Environment,
    Episodes,
    Fitness,
    Worlds,
    find_environment,
    foreign_code,
    load_fitness,
    make_worlds,
    pools,
    record,
    scripted_actions,
)
from eureka_agent.training import PolicyStack
from eureka_agent.workers.protocol import Message, done
from eureka_agent.workers.serve import Reporter, serve, watch_steps

TRIED = 3
"""Rows on which a fitness is tried: a sum over rows would look right for a single one."""


Played = tuple[Episodes, Tensor]
"""One policy's episodes, and which of them ended as the physics failed `[E]` bool."""


class JudgeServer:
    """Answers the client's requests about one environment."""

    def __init__(self) -> None:
        self._environment: Environment
        self._fitness: Fitness | None = None
        self._lanes = 0
        self._threads = 0
        self._worlds: dict[int, Worlds] = {}

    def open(self, request: Message, reporter: Reporter) -> Message:
        """Load the task and try the fitness on one step.

        Fields: `environment` (its source), `fitness` (file; None where nothing measures the task),
        `lanes` (K of the run), `threads`.
        """
        fields = request.fields
        self._lanes, self._threads = fields["lanes"], fields["threads"]
        self._environment = find_environment(fields["environment"])
        watch_steps(self._environment, reporter)
        if self._environment.reads_files:
            make_worlds(self._environment, 1, self._threads).try_out()
        if fields["fitness"] is None:
            return done()
        fitness = self._fitness = load_fitness(Path(fields["fitness"]))
        fitness.require_signals(self._environment.layout.signals)
        boolean = self._try_fitness(fitness)
        bounds = fitness.bounds(boolean=boolean, steps=self._environment.episode_steps)
        progress = fitness.progress.meaning if fitness.progress else None
        return done({"range": list(bounds), "progress": progress})

    def judge(self, request: Message, reporter: Reporter) -> Message:
        """Run policies without action noise, all of them on the same episodes of a pool.

        Fields: `policies` (P, at most K), `episodes` (E), `pool`, `seed`. Arrays: `<p>/<name>`,
        folded state dicts. Replies with `diverged [P, E]`, `fitness [P, E]` if there is one,
        `progress [P, E]` where the environment has a dense measure, and, per policy, arrays
        `<p>/<field of Episodes>`.
        """
        fields = request.fields
        count, each = fields["policies"], fields["episodes"]
        policies = [
            {
                name.partition("/")[2]: torch.from_numpy(value)
                for name, value in request.arrays.items()
                if name.startswith(f"{p}/")
            }
            for p in range(count)
        ]
        streams = pools.streams(fields["pool"], fields["seed"], each)
        return self._reply(self._run(policies, streams, reporter))

    def run_scripted(self, request: Message, reporter: Reporter) -> Message:
        """Run scripted policies, all of them on the same episodes of a pool.

        Fields: `kinds` (of `SCRIPTED_POLICIES`, P of them), `episodes` (E), `pool`, `seed`. Replies
        as `judge` does, with a policy of each kind.
        """
        fields = request.fields
        kinds, each, seed = fields["kinds"], fields["episodes"], fields["seed"]
        streams = pools.streams(fields["pool"], seed, each)
        worlds = make_worlds(self._environment, len(kinds) * each, self._threads)
        limit, step = self._environment.episode_steps, self._environment.control_step
        size = worlds.action_size
        actions = [scripted_actions(kind, limit, each, size, step, seed) for kind in kinds]
        side_by_side = torch.cat(actions, dim=1)
        played = self._record(worlds, streams, len(kinds), lambda t, _: side_by_side[t], reporter)
        return self._reply(played)

    def steps(self, request: Message, reporter: Reporter) -> Message:
        """The fitness of each step of recorded episodes: replies with `steps [L, E]`.

        Arrays: the fields of `Episodes`.
        """
        episodes = Episodes.from_arrays(request.arrays)
        if self._fitness is None:
            raise UsageError("The judge was opened without a fitness.")
        return done(arrays={"steps": self._steps(self._fitness, episodes).numpy()})

    def _reply(self, played: Sequence[Played]) -> Message:
        """The reply about some policies' episodes."""
        arrays = {"diverged": np.stack([diverged.numpy() for _, diverged in played])}
        if (fitness := self._fitness) is not None:
            values = [self._measure(fitness, *one) for one in played]
            arrays["fitness"] = np.stack(values).astype(np.float64)
            if fitness.progress is not None:
                arrays["progress"] = np.stack([self._progress(fitness, *one) for one in played])
        for p, (episodes, _) in enumerate(played):
            arrays |= {f"{p}/{name}": value for name, value in episodes.arrays().items()}
        return done(arrays=arrays)

    def _try_fitness(self, fitness: Fitness) -> bool:
        """Measure steps that stand still: most faults of a fitness show at once.

        Returns:
            Whether the fitness is a truth value.
        """
        worlds = make_worlds(self._environment, TRIED, self._threads)
        none = torch.zeros(TRIED, dtype=torch.bool)
        still = Episodes(
            states=torch.stack([worlds.signals, worlds.signals]),
            actions=torch.zeros(1, TRIED, worlds.action_size),
            lengths=torch.ones(TRIED, dtype=torch.int64),
            terminated=none,
        )
        self._measure(fitness, still, none)
        self._progress(fitness, still, none)
        arguments = still.arguments(self._environment.layout, fitness.parameters)
        return fitness.function(**arguments).dtype == torch.bool

    def _measure(self, fitness: Fitness, episodes: Episodes, diverged: Tensor) -> np.ndarray:
        """Fitness of each episode `[E]`."""
        values = fitness.episode(self._steps(fitness, episodes), episodes.lengths, diverged)
        if bad := int((~values.isfinite()).sum()):
            raise UsageError(
                f"{fitness.path}: the fitness of {bad} of {len(values)} episodes is not a "
                "finite number.",
                "Guard its divisions, roots and logarithms.",
            )
        return values.numpy()

    def _steps(self, fitness: Fitness, episodes: Episodes) -> Tensor:
        """Fitness of each step `[L, E]` float64."""
        arguments = episodes.arguments(self._environment.layout, fitness.parameters)
        return fitness.steps(arguments, *episodes.actions.shape[:2])

    def _progress(self, fitness: Fitness, episodes: Episodes, diverged: Tensor) -> np.ndarray:
        """Each episode by the dense measure `[E]` float64; NaN if unknown."""
        progress = fitness.progress
        if progress is None:
            return np.full(len(episodes.lengths), np.nan)
        arguments = episodes.arguments(self._environment.layout, progress.parameters)
        with foreign_code(fitness.path):
            values = progress.episode(arguments, episodes.lengths)
        # An episode whose physics failed came near to nothing.
        return torch.where(diverged, torch.nan, values).numpy()

    def _run(
        self, policies: Sequence[Mapping[str, Tensor]], streams: Tensor, reporter: Reporter
    ) -> list[Played]:
        """Run policies on the same episodes, side by side.

        The stack always has K lanes, as its results differ in the last bit between K = 1 and K = 2:
        a policy's verdict must not depend on the number of others. The worlds of empty lanes stand
        still.
        """
        count, each, lanes = len(policies), len(streams), self._lanes
        if not 1 <= count <= lanes:
            raise UsageError(f"The judge was opened for 1 to {lanes} policies, not {count}.")
        activation = self._environment.training.activation
        stack = PolicyStack(policies[0], lanes, activation)
        for lane, weights in enumerate(policies):
            stack.load(lane, weights)
        if each not in self._worlds:
            self._worlds[each] = make_worlds(self._environment, lanes * each, self._threads)

        def act(t: int, seen: Tensor) -> Tensor:
            actions = stack.actor(seen.view(lanes, each, -1))
            return actions.reshape(lanes * each, -1).clamp(-1.0, 1.0)

        return self._record(self._worlds[each], streams, count, act, reporter)

    def _record(
        self, worlds: Worlds, streams: Tensor, count: int, act: Act, reporter: Reporter
    ) -> list[Played]:
        """Let `count` policies act, each in a world for every stream; other worlds stand still."""

        def watch(t: int, ended: Tensor) -> None:
            reporter.heartbeat(step=t)

        each = len(streams)
        everyone = streams.repeat(worlds.n // each)
        episodes, diverged = record(worlds, everyone, act, living=count * each, watch=watch)
        parts = (slice(p * each, (p + 1) * each) for p in range(count))
        return [(episodes.part(part), diverged[part]) for part in parts]


def main() -> None:
    """Serve until the client hangs up."""
    judge = JudgeServer()
    serve(judge.open, judge.judge, judge.run_scripted, judge.steps)


if __name__ == "__main__":
    main()
