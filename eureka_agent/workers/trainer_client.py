"""The client of the trainer: has a population train on programs, and checks its reports."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import AfterValidator, Field

from eureka_agent.common.text import log_text
from eureka_agent.config import SearchConfig
from eureka_agent.environment import Environment, Episodes, make_worlds
from eureka_agent.reward import RewardRejected, parse
from eureka_agent.reward.language import NAME_PATTERN
from eureka_agent.training.networks import initial_weights
from eureka_agent.workers.isolation.bootstrap import Wrapper
from eureka_agent.workers.process import WorkerProcess
from eureka_agent.workers.protocol import InvalidReply, JobFailed, Message
from eureka_agent.workers.replies import (
    Arrays,
    Number,
    Reason,
    Reply,
    Shape,
    Weights,
    at_most,
    read_arrays,
    read_fields,
)
from eureka_agent.workers.sandbox import require_isolation
from eureka_agent.workers.session import (
    GPU_OPEN_S,
    LONG_S,
    SHORT_S,
    ClientSession,
    Locked,
    PrestartedWorker,
    thread_count,
)

MODULE = "eureka_agent.workers.trainer_server"
SILENCE_S, GPU_SILENCE_S = 60.0, 900.0
"""Silence after which a worker counts as hung: on a GPU, the first one on a machine compiles
kernels for minutes without a heartbeat."""
MEMORY_GIB, GPU_MEMORY_GIB, ADDRESS_SPACE_GIB = 4.0, 16.0, 12.0
"""Limits of a worker's memory; a GPU's driver maps far more address space than it uses, so there is
no limit of that on a GPU."""

STATISTICS = ("mean", "min", "max", "share")
"""Reported statistics of a component's values."""


def _complete(values: dict[str, float]) -> dict[str, float]:
    if values.keys() != set(STATISTICS):
        raise ValueError(f"it needs {', '.join(STATISTICS)}")
    return values


Diagnostic = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]
Statistics = Annotated[dict[str, Number], at_most(len(STATISTICS)), AfterValidator(_complete)]


class LaneReply(Reply):
    """A lane's report on an advance.

    Attributes:
        lane: its number.
        steps: environment steps since it was loaded.
        evicted: why the lane stopped, printable; None while it trains.
        line: line of the program that failed, 0 if unknown.
        diagnostics: of the trainer by name; NaN stands for any number that is not finite.
        components: by name, their `STATISTICS`; NaN as above.
    """

    lane: int
    steps: int
    evicted: Reason | None
    line: Annotated[int, Field(ge=0, le=100_000)]
    diagnostics: Annotated[dict[Diagnostic, Number], at_most(32)]
    components: Annotated[dict[str, Statistics], at_most(1000)]


class AdvanceReply(Reply):
    """The reply to an advance: a report of every lane, and the overflow of the physics."""

    reports: Annotated[list[LaneReply], at_most(1000)]
    overflow: Annotated[str, AfterValidator(partial(log_text, limit=1000))] | None


class _Progress(Reply):
    done: Annotated[int, Field(ge=0)]


@dataclass
class Lane:
    """A loaded lane as the client knows it: its component names and its environment steps."""

    components: Collection[str]
    steps: int = 0


def read_advance(reply: Message, lanes: Mapping[int, Lane], trained: int) -> AdvanceReply:
    """The reply to an advance: one report of each lane, and no other.

    Args:
        reply: of the worker.
        lanes: as they were before the advance.
        trained: environment steps of the advance, which only evicted lanes may fall short of.
    """
    advance = read_fields(AdvanceReply, reply.fields)
    reported = [report.lane for report in advance.reports]
    if sorted(reported) != sorted(lanes):
        said = f"The worker reported on the lanes {reported}, not on {sorted(lanes)}."
        raise InvalidReply(log_text(said))
    for report in advance.reports:
        lane = lanes[report.lane]
        least = 0 if report.evicted is not None else trained
        if not least <= report.steps - lane.steps <= trained:
            raise InvalidReply(log_text(f"The worker reported {report.steps} steps of a lane."))
        if not report.components.keys() <= set(lane.components):
            raise InvalidReply("The worker reported on components that the program does not have.")
    return advance


def read_progress(fields: Mapping[str, Any], most: int) -> int:
    """Steps done in an advance, from a heartbeat; at most `most`."""
    done = read_fields(_Progress, fields).done
    if done > most:
        raise InvalidReply(f"The worker reported more than the {most} steps of its advance.")
    return done


def read_weights(
    reply: Message, lanes: Collection[int], shapes: Mapping[str, Shape]
) -> dict[int, Weights]:
    """Policies by lane, all of their entries of the expected shapes and finite."""
    expected: Arrays = {f"{k}/{name}": (np.float32, shapes[name]) for k in lanes for name in shapes}
    for name, array in read_arrays(reply, expected).items():
        if not np.isfinite(array).all():
            raise InvalidReply(f"The worker sent weights that are not finite: {name}.")
    return {
        lane: {name: torch.from_numpy(reply.arrays[f"{lane}/{name}"]) for name in shapes}
        for lane in lanes
    }


def read_returns(reply: Message, episodes: int) -> np.ndarray:
    """Returns of scored episodes `[E]` float64, finite or not."""
    return read_arrays(reply, {"returns": (np.float64, (episodes,))})["returns"]


def policy_shapes(environment: Environment) -> dict[str, Shape]:
    """Names and shapes of the entries of a policy's state dict."""
    worlds = make_worlds(environment, 1, threads=1)
    size = worlds.observation.shape[1]
    template = initial_weights(size, worlds.action_size, environment.training, seed=0)
    return {name: tuple(value.shape) for name, value in template.items()}


def start_trainer(
    config: SearchConfig, module: str = MODULE, import_path: Sequence[Path] = ()
) -> WorkerProcess:
    """Start a worker's process, which takes seconds to import everything."""
    on_gpu = config.device != "cpu"
    return WorkerProcess(
        module,
        memory_gib=GPU_MEMORY_GIB if on_gpu else MEMORY_GIB,
        address_space_gib=None if on_gpu else ADDRESS_SPACE_GIB,
        heartbeat_timeout_s=GPU_SILENCE_S if on_gpu else SILENCE_S,
        import_path=import_path,
        wrapper=require_isolation(config.sandbox).wrapper,
    )


class TrainerClient(ClientSession):
    """A population that trains in a worker process; a context manager.

    Args:
        environment: the task.
        config: gives K, N, the trainer, the device, the number of threads and the sandbox policy.
        fitness: train on this fitness, bare; None to train on programs.
        prestarted: has the process, if it is an ordinary one; None to start one.
        module: the module that runs in the process.
        import_path: folders that it imports from beside the parent's.

    Attributes:
        overflow: the parts that the physics of the last advance had no room for, if any.

    Raises:
        JobFailed: the population cannot be set up; no program had any part in it.
    """

    def __init__(
        self,
        environment: Environment,
        config: SearchConfig,
        fitness: Path | None,
        *,
        prestarted: PrestartedWorker | None = None,
        module: str = MODULE,
        import_path: Sequence[Path] = (),
    ) -> None:
        def start(wrapper: Wrapper | None) -> WorkerProcess:
            if prestarted is not None and module == MODULE:
                return prestarted.take()
            return start_trainer(config, module, import_path)

        opening = {
            "environment": environment.source,
            "lanes": config.candidates,
            "worlds": config.worlds,
            "threads": thread_count(config),
            "trainer": config.trainer,
            "device": config.device,
            "fitness": str(fitness) if fitness else None,
        }
        open_s = GPU_OPEN_S if config.device != "cpu" or environment.reads_files else SHORT_S
        super().__init__(start, opening, Locked, sandbox=config.sandbox, open_s=open_s)
        self._environment = environment
        self._shapes = policy_shapes(environment)
        self._rollout = environment.training.n_steps * config.worlds
        self._lanes: dict[int, Lane] = {}
        self.overflow: str | None = None
        self.ensure_open()

    def load(self, lane: int, program: str | None, seed: int) -> None:
        """Begin a training run on a program, or on the bare fitness when it is None.

        Raises:
            JobFailed: the program cannot be trained on.
        """
        components = ("fitness",) if program is None else self._components(program)
        request = Message("load", {"lane": lane, "program": program, "seed": seed})
        self.ask(request, lambda reply: read_fields(Reply, reply.fields))
        self._lanes[lane] = Lane(components)

    def advance(self, steps: int, on_progress: Callable[[int], None]) -> dict[int, LaneReply]:
        """Train all loaded lanes; returns their reports, after which evicted lanes are empty."""
        trained = -(-steps // self._rollout) * self._rollout  # whole rollouts
        advance = self.ask(
            Message("advance", {"steps": steps}),
            lambda reply: read_advance(reply, self._lanes, trained),
            deadline_s=LONG_S,
            on_progress=lambda fields: on_progress(read_progress(fields, trained)),
            refusable=False,
        )
        self.overflow = advance.overflow
        reports = {report.lane: report for report in advance.reports}
        self._lanes = {
            lane: Lane(self._lanes[lane].components, report.steps)
            for lane, report in reports.items()
            if report.evicted is None
        }
        return reports

    def weights(self, lanes: Sequence[int]) -> dict[int, Weights]:
        """Policies of lanes as folded state dicts."""
        return self.ask(
            Message("weights", {"lanes": list(lanes)}),
            lambda reply: read_weights(reply, lanes, self._shapes),
            refusable=False,
        )

    def score(self, lane: int, episodes: Episodes) -> np.ndarray:
        """The return of each episode under the lane's own reward `[E]`, finite or not.

        Raises:
            JobFailed: the reward cannot be evaluated on these episodes.
        """
        request = Message("score", {"lane": lane}, episodes.arrays())
        return self.ask(request, lambda reply: read_returns(reply, len(episodes.lengths)))

    def _components(self, program: str) -> tuple[str, ...]:
        """The program's components, as its text has them."""
        try:
            return tuple(parse(program, self._environment.signals_described).weights)
        except RewardRejected as error:
            raise JobFailed("RewardRejected", error.message) from error


def rows_per_call(config: SearchConfig, environment: Environment) -> int:
    """Number of transitions per call of a program in training: a rollout's, or a step's."""
    return config.worlds * (environment.training.n_steps if config.trainer == "population" else 1)
