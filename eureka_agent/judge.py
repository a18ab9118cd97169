"""The judge: evaluates policies on held-out episodes against the fitness, which it alone holds.

It runs as a child process of its own, on the CPU, and never loads a reward program: what a policy
is worth cannot be touched by the code that trained it. See `serve` for the conversation.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from eureka_agent.environment import (
    Environment,
    Episodes,
    Fitness,
    SignalLayout,
    Worlds,
    load_environment,
    load_fitness,
    pools,
)
from eureka_agent.sandbox.protocol import Message
from eureka_agent.sandbox.serve import Reporter, serve
from eureka_agent.training import PolicyStack

HEARTBEAT_STEPS = 20


class Judge:
    """Answers the parent's requests about one environment."""

    def __init__(self) -> None:
        self._environment: Environment
        self._fitness: Fitness
        self._threads = 0
        self._layout: SignalLayout
        self._worlds: dict[int, Worlds] = {}

    def open(self, request: Message, reporter: Reporter) -> Message:
        """Load the task. Fields: `environment` (folder), `fitness` (file), `threads`."""
        fields = request.fields
        self._threads = fields["threads"]
        self._environment = load_environment(Path(fields["environment"]))
        self._layout = SignalLayout(self._environment.signals_described)
        self._fitness = load_fitness(Path(fields["fitness"]))
        return Message("opened", {"meaning": self._fitness.meaning})

    def judge(self, request: Message, reporter: Reporter) -> Message:
        """Run policies without action noise, all of them on the same episodes of a pool.

        Fields: `policies` (P), `episodes` (E), `pool`, `seed`. Arrays: `<p>/<name>`, folded state
        dicts. Replies with `fitness [P, E]` and, per policy, arrays `<p>/<field of Episodes>`.
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
        arrays: dict[str, np.ndarray] = {}
        fitness = np.zeros((count, each), dtype=np.float64)
        for p, episodes in enumerate(self._run(policies, streams, reporter)):
            fitness[p] = self._measure(episodes)
            arrays |= {f"{p}/{name}": value for name, value in episodes.arrays().items()}
        return Message("judged", {}, arrays | {"fitness": fitness})

    def _measure(self, episodes: Episodes) -> np.ndarray:
        arguments = episodes.arguments(self._layout, self._fitness.parameters)
        steps = self._fitness(arguments).total.view(episodes.actions.shape[:2])
        return self._fitness.episode(steps.double(), episodes.lengths).numpy()

    @torch.no_grad()
    def _run(
        self, policies: Sequence[Mapping[str, Tensor]], streams: np.ndarray, reporter: Reporter
    ) -> list[Episodes]:
        count, each = len(policies), len(streams)
        activation = self._environment.training.activation
        stack = PolicyStack(policies[0], count, activation)
        for lane, weights in enumerate(policies):
            stack.load(lane, weights)
        views = stack.views()
        if count * each not in self._worlds:
            self._worlds[count * each] = Worlds(self._environment, count * each, self._threads)
        worlds = self._worlds[count * each]
        everyone = slice(0, worlds.n)
        worlds.start(everyone, np.tile(streams, count), torch.zeros(worlds.n, dtype=torch.int64))
        limit = self._environment.episode_steps
        states, actions = [worlds.signals], []
        lengths = torch.full((worlds.n,), limit)
        terminated = torch.zeros(worlds.n, dtype=torch.bool)
        for t in range(limit):
            seen = worlds.observation.view(count, each, -1)
            action = stack.actor(views, seen).reshape(worlds.n, -1).clamp(-1.0, 1.0)
            step = worlds.step(action)
            states.append(step.after)
            actions.append(action)
            for world in (step.terminated & ~terminated).nonzero()[:, 0].tolist():
                terminated[world], lengths[world] = True, t + 1
                worlds.stop(slice(world, world + 1))
            if t % HEARTBEAT_STEPS == 0:
                reporter.heartbeat(step=t)
        recorded = Episodes(torch.stack(states), torch.stack(actions), lengths, terminated)
        parts = (slice(p * each, (p + 1) * each) for p in range(count))
        return [recorded.part(part) for part in parts]


def main() -> None:
    """Serve until the parent hangs up."""
    judge = Judge()
    serve({"open": judge.open, "judge": judge.judge})


if __name__ == "__main__":
    main()
