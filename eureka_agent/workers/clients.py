"""The parent's view of its two kinds of child: a worker that trains, a judge that evaluates."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np

from eureka_agent.common.errors import EnvironmentFailed, EurekaError
from eureka_agent.config import SearchConfig
from eureka_agent.environment import Environment, Episodes
from eureka_agent.reward import RewardRejected, parse
from eureka_agent.workers import replies
from eureka_agent.workers.levels import demand
from eureka_agent.workers.process import Child, Progress, Spare
from eureka_agent.workers.protocol import ChildFailed, Garbled, JobFailed, Message
from eureka_agent.workers.replies import Expected, Judgement, Report, Weights

T = TypeVar("T")

SHORT_S = 120.0
"""Deadline for requests that train nothing."""
LONG_S = 24 * 3600.0
"""Deadline for requests that do; they are watched by their heartbeat."""
MEMORY_GIB, WORKER_ADDRESS_SPACE_GIB, SILENCE_S = 4.0, 12.0, 60.0
GPU_OPEN_S, GPU_SILENCE_S, GPU_MEMORY_GIB = 1800.0, 900.0, 16.0
"""Of a worker on a GPU: the first one on a machine compiles kernels, without a word and for
minutes; and the driver maps far more address space than it uses. Making many environments of
Gymnasium one by one may take as long to open."""

WORKER, JUDGE = "eureka_agent.workers.trainer_server", "eureka_agent.workers.judge_server"


class JudgeFailed(EurekaError):
    """Raised when policies cannot be judged; without a judge a search cannot go on."""


def start_worker(
    config: SearchConfig, module: str = WORKER, import_path: Sequence[Path] = ()
) -> Child:
    """Start a worker's process, which takes seconds to import everything."""
    on_gpu = config.device != "cpu"
    return Child(
        module,
        memory_gib=GPU_MEMORY_GIB if on_gpu else MEMORY_GIB,
        address_space_gib=None if on_gpu else WORKER_ADDRESS_SPACE_GIB,
        heartbeat_timeout_s=GPU_SILENCE_S if on_gpu else SILENCE_S,
        import_path=import_path,
        wrapper=demand(config.sandbox).wrapper,
    )


class Worker:
    """One population in a child process; a context manager.

    Everything it says is checked. A reply that is not what was asked for ends the process and is
    raised as a `ChildFailed`, as any other death.

    Args:
        environment: the task.
        config: gives K, N, the trainer, the device, the number of threads and the sandbox policy.
        fitness: train on this fitness, bare; None to train on programs.
        spare: has the process, if it is an ordinary one; None to start one.
        module: what runs in the child.
        import_path: folders that it imports from beside the parent's.

    Attributes:
        overflow: what the physics of the last advance had no room for, if anything.

    Raises:
        JobFailed: the population cannot be set up; no program had any part in it.
    """

    def __init__(
        self,
        environment: Environment,
        config: SearchConfig,
        fitness: Path | None,
        *,
        spare: Spare | None = None,
        module: str = WORKER,
        import_path: Sequence[Path] = (),
    ) -> None:
        self._environment = environment
        self._shapes = replies.policy_shapes(environment)
        self._rollout = environment.training.horizon * config.worlds
        self._components: dict[int, tuple[str, ...]] = {}
        self._steps: dict[int, int] = {}
        self.overflow: str | None = None
        if spare is not None and module == WORKER:
            self._child = spare.take()
        else:
            self._child = start_worker(config, module, import_path)
        fields = {
            "environment": environment.source,
            "lanes": config.candidates,
            "worlds": config.worlds,
            "threads": thread_count(config),
            "trainer": config.trainer,
            "device": config.device,
            "fitness": str(fitness) if fitness else None,
            "layers": list(demand(config.sandbox).layers),
        }
        slow = config.device != "cpu" or environment.reads_files
        open_s = GPU_OPEN_S if slow else SHORT_S
        self._ask(Message("open", fields), "opened", deadline_s=open_s)

    def load(self, lane: int, program: str | None, seed: int) -> None:
        """Begin a training on a program, or on the bare fitness when it is None.

        Raises:
            JobFailed: the program cannot be trained on.
            ChildFailed: the worker ended.
        """
        self._components[lane] = ("fitness",) if program is None else self._names(program)
        self._ask(Message("load", {"lane": lane, "program": program, "seed": seed}), "loaded")
        self._steps[lane] = 0

    def advance(self, steps: int, on_progress: Callable[[int], None]) -> dict[int, Report]:
        """Train all loaded lanes; returns their reports, after which evicted lanes are empty.

        Raises:
            ChildFailed: the worker ended.
        """
        trained = -(-steps // self._rollout) * self._rollout  # whole rollouts
        expected = {
            lane: Expected(self._components[lane], before, before + trained)
            for lane, before in self._steps.items()
        }
        reply = self._demand(
            Message("advance", {"steps": steps}),
            "advanced",
            deadline_s=LONG_S,
            on_progress=lambda said: on_progress(replies.read_progress(said, trained)),
        )
        reports = self._read(lambda: replies.read_reports(reply, expected))
        self.overflow = self._read(lambda: replies.read_overflow(reply))
        self._steps = {lane: r.steps for lane, r in reports.items() if r.evicted is None}
        return reports

    def weights(self, lanes: Sequence[int]) -> dict[int, Weights]:
        """Policies of lanes as folded state dicts.

        Raises:
            ChildFailed: the worker ended.
        """
        reply = self._demand(Message("weights", {"lanes": list(lanes)}), "weights")
        return self._read(lambda: replies.read_weights(reply, lanes, self._shapes))

    def score(self, lane: int, episodes: Episodes) -> np.ndarray:
        """What the lane's own reward pays each episode `[E]`, finite or not.

        Raises:
            JobFailed: the reward cannot be evaluated on these episodes.
            ChildFailed: the worker ended.
        """
        reply = self._ask(Message("score", {"lane": lane}, episodes.arrays()), "scored")
        return self._read(lambda: replies.read_returns(reply, len(episodes.lengths)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._child.close()

    def _names(self, program: str) -> tuple[str, ...]:
        """The program's components, by the parent's own reading of its text."""
        try:
            return tuple(parse(program, self._environment.signals_described).weights)
        except RewardRejected as error:
            raise JobFailed("RewardRejected", error.message) from error

    def _demand(
        self,
        message: Message,
        answer: str,
        *,
        deadline_s: float = SHORT_S,
        on_progress: Progress | None = None,
    ) -> Message:
        """Ask for what no sound worker refuses."""
        try:
            return self._ask(message, answer, deadline_s=deadline_s, on_progress=on_progress)
        except JobFailed as error:
            self._child.kill()
            said = f"The worker process refused to {message.kind}: {error.message}"
            raise ChildFailed(said) from error

    def _ask(
        self,
        message: Message,
        answer: str,
        *,
        deadline_s: float = SHORT_S,
        on_progress: Progress | None = None,
    ) -> Message:
        reply = self._child.request(message, deadline_s=deadline_s, on_progress=on_progress)
        if reply.kind != answer:
            self._child.kill()
            raise Garbled(f"The worker process answered {message.kind} with another reply.")
        return reply

    def _read(self, read: Callable[[], T]) -> T:
        """Read a reply; one that makes no sense ends the worker."""
        try:
            return read()
        except Garbled:
            self._child.kill()
            raise


class Judge:
    """The judge in a child process, started anew when it died; a context manager.

    Args:
        environment: the task.
        config: gives K, the seed and the number of threads.
        fitness: the file that it judges by; None where nothing measures the task.
        module: what runs in the child.
        import_path: folders that it imports from beside the parent's.

    Attributes:
        measure: what it says of the fitness, once it is open: `range` and `progress`, as in
            `RunRow.measure`.
    """

    ATTEMPTS = 3

    def __init__(
        self,
        environment: Environment,
        config: SearchConfig,
        fitness: Path | None,
        *,
        module: str = JUDGE,
        import_path: Sequence[Path] = (),
    ) -> None:
        self._environment, self._config, self._fitness = environment, config, fitness
        self._module, self._import_path = module, import_path
        self._child: Child | None = None
        self.measure: dict[str, Any] = {}

    def open(self) -> None:
        """Load the task and try the fitness, which `judge` does by itself when it is first called.

        Raises:
            JudgeFailed: the fitness file is broken.
        """
        self._persist(lambda child: None)

    def judge(self, policies: Sequence[Weights], pool: int, episodes: int) -> list[Judgement]:
        """Run policies, at most K, on the first `episodes` of a pool.

        A judge that dies is replaced: it holds no state, so nothing is lost but time.

        Raises:
            JudgeFailed: it died again and again, or the fitness cannot measure what it saw.
        """
        arrays = {
            f"{p}/{name}": value.numpy()
            for p, weights in enumerate(policies)
            for name, value in weights.items()
        }
        fields = {
            "policies": len(policies),
            "episodes": episodes,
            "pool": pool,
            "seed": self._config.seed,
        }
        message = Message("judge", fields, arrays)

        def ask(child: Child) -> list[Judgement]:
            reply = child.request(message, deadline_s=LONG_S)
            return self._read(reply, len(policies), episodes)

        return self._persist(ask)

    def roam(self, kinds: Sequence[str], pool: int, episodes: int) -> list[Judgement]:
        """Run untrained policies, one of each kind, on the first `episodes` of a pool.

        Args:
            kinds: of `environment.roaming.ROAMING`.
            pool: of episodes.
            episodes: how many.

        Raises:
            JudgeFailed: as `judge`.
        """
        seed = self._config.seed
        fields = {"kinds": list(kinds), "episodes": episodes, "pool": pool, "seed": seed}

        def ask(child: Child) -> list[Judgement]:
            reply = child.request(Message("roam", fields), deadline_s=LONG_S)
            return self._read(reply, len(kinds), episodes)

        return self._persist(ask)

    def steps(self, episodes: Episodes) -> np.ndarray:
        """The fitness of each step of recorded episodes `[L, E]`.

        Raises:
            JudgeFailed: as `judge`.
        """
        message = Message("steps", {}, episodes.arrays())
        shape = tuple(episodes.actions.shape[:2])

        def ask(child: Child) -> np.ndarray:
            return replies.read_steps(child.request(message, deadline_s=LONG_S), shape)

        return self._persist(ask)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._drop()

    def _read(self, reply: Message, policies: int, episodes: int) -> list[Judgement]:
        measured = self._fitness is not None
        return replies.read_judgements(reply, policies, episodes, self._environment, measured)

    def _persist(self, ask: Callable[[Child], T]) -> T:
        """Ask a judge, and another one if it dies."""
        last: ChildFailed | None = None
        for _ in range(self.ATTEMPTS):
            try:
                return ask(self._opened())
            except JobFailed as error:
                self._drop()
                if error.type == EnvironmentFailed.__name__:
                    raise JudgeFailed(error.message, "Then resume the run.") from error
                if self._fitness is None:
                    raise JudgeFailed(f"The judge cannot play policies: {error.message}") from error
                raise JudgeFailed(
                    f"The judge cannot measure by {self._fitness}: "
                    f"{error.message.removesuffix(' Mend that file.')}",
                    "Fix that file, then resume the run.",
                ) from error
            except ChildFailed as error:
                self._drop()
                last = error
        steps = [f"steps {self._environment.name}"] if self._environment.reads_files else []
        runs = [f"runs {self._fitness}"] if self._fitness else []
        does = f", which {' and '.join([*steps, *runs])}," if steps or runs else ""
        raise JudgeFailed(
            f"The judge{does} failed {self.ATTEMPTS} times in a row: "
            f"{last.message if last else ''}",
            f"{'If what it runs is sound, free' if does else 'Free'} some memory; "
            "then resume the run.",
        ) from last

    def _opened(self) -> Child:
        if self._child is not None and self._child.alive:
            return self._child
        self._drop()
        self._child = Child(self._module, import_path=self._import_path)
        fields = {
            "environment": self._environment.source,
            "fitness": str(self._fitness) if self._fitness else None,
            "lanes": self._config.candidates,
            "threads": thread_count(self._config),
        }
        open_s = GPU_OPEN_S if self._environment.reads_files else SHORT_S
        said = self._child.request(Message("open", fields), deadline_s=open_s).fields
        self.measure = {key: said[key] for key in ("range", "progress") if key in said}
        return self._child

    def _drop(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None


def rows_at_once(config: SearchConfig, environment: Environment) -> int:
    """How many transitions a program is called with in a training: a rollout's, or a step's."""
    return config.worlds * (environment.training.horizon if config.trainer == "population" else 1)


def thread_count(config: SearchConfig) -> int:
    """Physics threads: as configured, or one per core that this process may use.

    The networks run on one thread, which children have by default: they are so small that a second
    costs more than it brings, and their results then do not depend on the number of cores.
    """
    if config.threads:
        return config.threads
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
