"""The client of the judge: sends it policies, and checks what it says of them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from eureka_agent.common.errors import EnvironmentFailed, EurekaError
from eureka_agent.config import SearchConfig
from eureka_agent.environment import Environment, Episodes
from eureka_agent.workers.process import WorkerProcess
from eureka_agent.workers.protocol import InvalidReply, JobFailed, Message, WorkerFailed
from eureka_agent.workers.replies import Weights, _array
from eureka_agent.workers.session import GPU_OPEN_S, LONG_S, SHORT_S, T, thread_count
from eureka_agent.workers.trainer_client import JUDGE


@dataclass
class EvaluatedEpisodes:
    """What the judge says of one policy.

    Attributes:
        fitness: per episode `[E]` float64, finite; NaN where nothing measures the task.
        diverged: whether the episode ended because the physics failed `[E]` bool.
        episodes: as they went.
        progress: per episode by the environment's dense measure `[E]` float64, NaN where it says
            nothing; None without such a measure.
    """

    fitness: np.ndarray
    diverged: np.ndarray
    episodes: Episodes
    progress: np.ndarray | None = None

    @property
    def nearness(self) -> float | None:
        """Mean progress over the episodes that have one; None where none has."""
        known = np.array([]) if self.progress is None else self.progress[np.isfinite(self.progress)]
        return float(known.mean()) if len(known) else None

    @property
    def mean_fitness(self) -> float | None:
        """Over the episodes; None where nothing measures the task."""
        mean = float(self.fitness.mean())
        return mean if math.isfinite(mean) else None


def read_judgements(
    reply: Message,
    policies: int,
    episodes: int,
    environment: Environment,
    measured: bool = True,
) -> list[EvaluatedEpisodes]:
    """What the judge says of each policy; without a fitness if nothing measured it."""
    if measured:
        fitness = _array(reply, "fitness", (policies, episodes), np.float64)
        if not np.isfinite(fitness).all():
            raise InvalidReply("The judge sent a fitness that is not finite.")
    else:
        fitness = np.full((policies, episodes), np.nan)
    diverged = _array(reply, "diverged", (policies, episodes), np.bool_)
    progress = None
    if "progress" in reply.arrays:
        progress = _array(reply, "progress", (policies, episodes), np.float64)
    limit, width = environment.episode_steps, environment.layout.width
    found = []
    for p in range(policies):
        recorded = {
            "states": _array(reply, f"{p}/states", (limit + 1, episodes, width), np.float32),
            "actions": _array(
                reply, f"{p}/actions", (limit, episodes, environment.action_size), np.float32
            ),
            "lengths": _array(reply, f"{p}/lengths", (episodes,), np.int64),
            "terminated": _array(reply, f"{p}/terminated", (episodes,), np.bool_),
        }
        if environment.task_state:
            recorded["before"] = _array(reply, f"{p}/before", (limit, episodes, width), np.float32)
        lengths = recorded["lengths"]
        if not ((lengths >= 1) & (lengths <= limit)).all():
            raise InvalidReply(f"The judge sent episodes that are not 1 to {limit} steps long.")
        nearer = None if progress is None else progress[p]
        found.append(
            EvaluatedEpisodes(fitness[p], diverged[p], Episodes.from_arrays(recorded), nearer)
        )
    return found


def read_steps(reply: Message, shape: tuple[int, ...]) -> np.ndarray:
    """The fitness of each step of recorded episodes `[L, E]` float64."""
    return _array(reply, "steps", shape, np.float64)


class JudgeClient:
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
        self._child: WorkerProcess | None = None
        self.measure: dict[str, Any] = {}

    def open(self) -> None:
        """Load the task and try the fitness, which `judge` does by itself when it is first called.

        Raises:
            JudgeFailed: the fitness file is broken.
        """
        self._persist(lambda child: None)

    def judge(
        self, policies: Sequence[Weights], pool: int, episodes: int
    ) -> list[EvaluatedEpisodes]:
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

        def ask(child: WorkerProcess) -> list[EvaluatedEpisodes]:
            reply = child.request(message, deadline_s=LONG_S)
            return self._read(reply, len(policies), episodes)

        return self._persist(ask)

    def run_scripted(
        self, kinds: Sequence[str], pool: int, episodes: int
    ) -> list[EvaluatedEpisodes]:
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

        def ask(child: WorkerProcess) -> list[EvaluatedEpisodes]:
            reply = child.request(Message("run_scripted", fields), deadline_s=LONG_S)
            return self._read(reply, len(kinds), episodes)

        return self._persist(ask)

    def steps(self, episodes: Episodes) -> np.ndarray:
        """The fitness of each step of recorded episodes `[L, E]`.

        Raises:
            JudgeFailed: as `judge`.
        """
        message = Message("steps", {}, episodes.arrays())
        shape = tuple(episodes.actions.shape[:2])

        def ask(child: WorkerProcess) -> np.ndarray:
            return read_steps(child.request(message, deadline_s=LONG_S), shape)

        return self._persist(ask)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._drop()

    def _read(self, reply: Message, policies: int, episodes: int) -> list[EvaluatedEpisodes]:
        measured = self._fitness is not None
        return read_judgements(reply, policies, episodes, self._environment, measured)

    def _persist(self, ask: Callable[[WorkerProcess], T]) -> T:
        """Ask a judge, and another one if it dies."""
        last: WorkerFailed | None = None
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
                    f"{error.message.removesuffix(' Fix that file.')}",
                    "Fix that file, then resume the run.",
                ) from error
            except WorkerFailed as error:
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

    def _opened(self) -> WorkerProcess:
        if self._child is not None and self._child.alive:
            return self._child
        self._drop()
        self._child = WorkerProcess(self._module, import_path=self._import_path)
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


class JudgeFailed(EurekaError):
    """Raised when policies cannot be judged; without a judge a search cannot go on."""
