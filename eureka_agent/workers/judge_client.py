"""The client of the judge: sends it policies, and checks its verdicts."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from eureka_agent.common.errors import EnvironmentFailed, EurekaError
from eureka_agent.config import SearchConfig
from eureka_agent.environment import Environment, Episodes
from eureka_agent.environment.episodes import EvaluatedEpisodes
from eureka_agent.workers.process import WorkerProcess
from eureka_agent.workers.protocol import InvalidReply, JobFailed, Message, WorkerFailed
from eureka_agent.workers.replies import Arrays, Reply, Weights, read_arrays
from eureka_agent.workers.session import (
    GPU_OPEN_S,
    LONG_S,
    SHORT_S,
    ClientSession,
    T,
    thread_count,
)

MODULE = "eureka_agent.workers.judge_server"


class JudgeFailed(EurekaError):
    """Raised when policies cannot be judged; without a judge a search cannot continue."""


class Measure(Reply):
    """The judge's report on the fitness, if there is one; see `RunRow.measure`."""

    range: Annotated[list[int | float | None], Field(min_length=2, max_length=2)] | None = None
    progress: str | None = None


class JudgeClient(ClientSession):
    """The judge in a process of its own; a context manager.

    The client replaces a judge that dies: it holds no state, so only time is lost. Requests raise
    `JudgeFailed` if it died again and again, or if the fitness cannot measure an episode.

    Args:
        environment: the task.
        config: gives K, the seed and the number of threads.
        fitness: the file that it judges by; None where nothing measures the task.
        module: the module that runs in the process.
        import_path: folders that it imports from beside the parent's.
    """

    ATTEMPTS = 3

    def __init__(
        self,
        environment: Environment,
        config: SearchConfig,
        fitness: Path | None,
        *,
        module: str = MODULE,
        import_path: Sequence[Path] = (),
    ) -> None:
        opening = {
            "environment": environment.source,
            "fitness": str(fitness) if fitness else None,
            "lanes": config.candidates,
            "threads": thread_count(config),
        }
        super().__init__(
            lambda wrapper: WorkerProcess(module, import_path=import_path),
            opening,
            Measure,
            open_s=GPU_OPEN_S if environment.reads_files else SHORT_S,
        )
        self._environment, self._config, self._fitness = environment, config, fitness

    @property
    def measure(self) -> dict[str, Any]:
        """The judge's report on the fitness, once it is open: part of `RunRow.measure`."""
        return self.opened.model_dump(exclude_unset=True) if self.opened is not None else {}

    def open(self) -> None:
        """Load the task and try the fitness, as the first request does otherwise."""
        self._persist(None, lambda reply: None)

    def judge(
        self, policies: Sequence[Weights], pool: int, episodes: int
    ) -> list[EvaluatedEpisodes]:
        """Run policies, at most K, on the first `episodes` of a pool."""
        arrays = {
            f"{p}/{name}": value.numpy()
            for p, weights in enumerate(policies)
            for name, value in weights.items()
        }
        fields = {"policies": len(policies)}
        return self._run(Message("judge", fields, arrays), len(policies), pool, episodes)

    def run_scripted(
        self, kinds: Sequence[str], pool: int, episodes: int
    ) -> list[EvaluatedEpisodes]:
        """Run scripted policies, one of each of `SCRIPTED_POLICIES`'s kinds, as `judge` does."""
        message = Message("run_scripted", {"kinds": list(kinds)})
        return self._run(message, len(kinds), pool, episodes)

    def steps(self, episodes: Episodes) -> np.ndarray:
        """The fitness of each step of recorded episodes `[L, E]`."""
        expected: Arrays = {"steps": (np.float64, tuple(episodes.actions.shape[:2]))}
        message = Message("steps", {}, episodes.arrays())
        return self._persist(message, lambda reply: read_arrays(reply, expected)["steps"])

    def _run(
        self, message: Message, policies: int, pool: int, episodes: int
    ) -> list[EvaluatedEpisodes]:
        message.fields.update(pool=pool, episodes=episodes, seed=self._config.seed)
        measured = self._fitness is not None

        def read(reply: Message) -> list[EvaluatedEpisodes]:
            return read_judgements(reply, policies, episodes, self._environment, measured)

        return self._persist(message, read)

    def _persist(self, message: Message | None, read: Callable[[Message], T]) -> T:
        """Ask an open judge, and another one if it dies; without a message only open it."""
        last = WorkerFailed("")
        for _ in range(self.ATTEMPTS):
            try:
                self.ensure_open()
                if message is None:
                    return read(Message("done"))
                return self.ask(message, read, deadline_s=LONG_S)
            except JobFailed as error:
                self.close()
                raise self._cannot_judge(error) from error
            except WorkerFailed as error:
                last = error
        runs = [f"steps {self._environment.name}"] if self._environment.reads_files else []
        runs += [f"runs {self._fitness}"] if self._fitness else []
        does = f", which {' and '.join(runs)}," if runs else ""
        raise JudgeFailed(
            f"The judge{does} failed {self.ATTEMPTS} times in a row: {last.message}",
            f"{'If what it runs is sound, free' if runs else 'Free'} some memory; "
            "then resume the run.",
        ) from last

    def _cannot_judge(self, error: JobFailed) -> JudgeFailed:
        said = error.message
        if error.type == EnvironmentFailed.__name__:
            return JudgeFailed(said, "Then resume the run.")
        if self._fitness is None:
            return JudgeFailed(f"The judge cannot run policies: {said}")
        fix = "Then" if said.endswith("that file.") else "Fix that file, then"
        return JudgeFailed(
            f"The judge cannot measure by {self._fitness}: {said}", f"{fix} resume the run."
        )


def read_judgements(
    reply: Message,
    policies: int,
    episodes: int,
    environment: Environment,
    measured: bool = True,
) -> list[EvaluatedEpisodes]:
    """The judge's verdicts on P policies; without a fitness if nothing measured them."""
    limit, width = environment.episode_steps, environment.layout.width
    each: Arrays = {
        "states": (np.float32, (limit + 1, episodes, width)),
        "actions": (np.float32, (limit, episodes, environment.action_size)),
        "lengths": (np.int64, (episodes,)),
        "terminated": (np.bool_, (episodes,)),
    }
    if environment.task_state:
        each["before"] = (np.float32, (limit, episodes, width))
    expected: Arrays = {"diverged": (np.bool_, (policies, episodes))}
    if measured:
        expected["fitness"] = (np.float64, (policies, episodes))
    if "progress" in reply.arrays:
        expected["progress"] = (np.float64, (policies, episodes))
    expected |= {f"{p}/{name}": each[name] for p in range(policies) for name in each}
    arrays = read_arrays(reply, expected)
    fitness = arrays.get("fitness", np.full((policies, episodes), np.nan))
    if measured and not np.isfinite(fitness).all():
        raise InvalidReply("The judge sent a fitness that is not finite.")
    found = []
    for p in range(policies):
        recorded = {name: arrays[f"{p}/{name}"] for name in each}
        if not ((recorded["lengths"] >= 1) & (recorded["lengths"] <= limit)).all():
            raise InvalidReply(f"The judge sent episodes that are not 1 to {limit} steps long.")
        progress = arrays["progress"][p] if "progress" in arrays else None
        played = Episodes.from_arrays(recorded)
        found.append(EvaluatedEpisodes(fitness[p], arrays["diverged"][p], played, progress))
    return found
