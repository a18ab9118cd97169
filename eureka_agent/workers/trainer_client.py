"""The parent's view of its two kinds of child: a worker that trains, a judge that evaluates."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from eureka_agent.common.text import log_text
from eureka_agent.config import SearchConfig
from eureka_agent.environment import Environment, Episodes, make_worlds
from eureka_agent.reward import RewardRejected, parse
from eureka_agent.reward.language import NAME_PATTERN
from eureka_agent.training.networks import initial_weights
from eureka_agent.workers.process import OnProgress, WorkerProcess
from eureka_agent.workers.protocol import InvalidReply, JobFailed, Message, WorkerFailed
from eureka_agent.workers.replies import (
    REASON_LIMIT,
    Shapes,
    Weights,
    _array,
    _integer,
    _items,
    _number,
    _object,
    _shown,
)
from eureka_agent.workers.sandbox import require_isolation
from eureka_agent.workers.session import (
    GPU_MEMORY_GIB,
    GPU_OPEN_S,
    GPU_SILENCE_S,
    LONG_S,
    SHORT_S,
    PrestartedWorker,
    T,
    thread_count,
)


@dataclass(frozen=True)
class Expected:
    """What a lane may report of an advance.

    Attributes:
        components: names of the components of what it trains on.
        before: its environment steps before the advance.
        after: its environment steps after it, if it was not evicted.
    """

    components: Collection[str]
    before: int
    after: int


@dataclass(frozen=True)
class LaneReply:
    """What happened to a lane during an advance.

    Attributes:
        steps: environment steps since it was loaded.
        evicted: why the lane stopped, printable; None while it trains.
        line: line of the program that failed, 0 if unknown.
        diagnostics: of the trainer by name; NaN stands for all that is not finite.
        components: by name `mean`, `min`, `max` and `share`; NaN as above.
    """

    steps: int
    evicted: str | None
    line: int
    diagnostics: dict[str, float]
    components: dict[str, dict[str, float]]


MOST_LINES = 100_000


MOST_DIAGNOSTICS = 32


_STATISTICS = {"mean": "mean", "minimum": "min", "maximum": "max", "share": "share"}


def read_reports(reply: Message, expected: Mapping[int, Expected]) -> dict[int, LaneReply]:
    """The reports of an advance by lane: one of each lane in `expected`, and no other."""
    reports: dict[int, LaneReply] = {}
    for entry in _items(reply.fields.get("reports"), "reports", len(expected)):
        said = _object(entry, "a report", 6)
        lane = _integer(said.get("lane"), "a lane", 0, max(expected, default=0))
        if lane not in expected or lane in reports:
            raise InvalidReply(f"The worker reported of lane {lane}, which it was not asked about.")
        reports[lane] = _report(said, expected[lane])
    if reports.keys() != expected.keys():
        raise InvalidReply(f"The worker reported of {len(reports)} of {len(expected)} lanes.")
    return reports


def read_overflow(reply: Message) -> str | None:
    """What the physics of an advance had no room for, if anything."""
    said = reply.fields.get("overflow")
    if said is None:
        return None
    if not isinstance(said, str):
        raise InvalidReply("The worker said of an overflow what is no text.")
    return log_text(said, REASON_LIMIT)


def read_progress(fields: Mapping[str, Any], most: int) -> int:
    """Steps done in an advance, from a heartbeat; at most `most`."""
    return _integer(fields.get("done"), "the progress", 0, most)


def read_weights(reply: Message, lanes: Collection[int], shapes: Shapes) -> dict[int, Weights]:
    """Policies by lane, all of their entries of the expected shapes and finite."""
    wanted = {f"{lane}/{name}": shape for lane in lanes for name, shape in shapes.items()}
    if reply.arrays.keys() != wanted.keys():
        raise InvalidReply(
            "The worker sent other weights than those of the lanes it was asked for."
        )
    for name, shape in wanted.items():
        _array(reply, name, shape, np.float32)
        if not np.isfinite(reply.arrays[name]).all():
            raise InvalidReply(f"The worker sent weights that are not finite: {name}.")
    return {
        lane: {name: torch.from_numpy(reply.arrays[f"{lane}/{name}"]) for name in shapes}
        for lane in lanes
    }


def read_returns(reply: Message, episodes: int) -> np.ndarray:
    """Returns of scored episodes `[E]` float64, finite or not."""
    return _array(reply, "returns", (episodes,), np.float64)


def policy_shapes(environment: Environment) -> Shapes:
    """Names and shapes of the entries of a policy's state dict."""
    worlds = make_worlds(environment, 1, threads=1)
    size = worlds.observation.shape[1]
    template = initial_weights(size, worlds.action_size, environment.training, seed=0)
    return {name: tuple(value.shape) for name, value in template.items()}


def _report(said: Mapping[str, Any], expected: Expected) -> LaneReply:
    evicted = said.get("evicted")
    if evicted is not None and not isinstance(evicted, str):
        raise InvalidReply(f"The worker gave {_shown(evicted)} as a reason.")
    least = expected.after if evicted is None else expected.before
    components = _object(said.get("components"), "components", len(expected.components))
    if not components.keys() <= set(expected.components):
        raise InvalidReply("The worker reported of components that the program does not have.")
    diagnostics = _object(said.get("diagnostics"), "diagnostics", MOST_DIAGNOSTICS)
    if not all(re.fullmatch(NAME_PATTERN, name) for name in diagnostics):
        raise InvalidReply("The worker named a diagnostic in a way that is no name.")
    return LaneReply(
        steps=_integer(said.get("steps"), "the steps", least, expected.after),
        evicted=None if evicted is None else log_text(evicted, REASON_LIMIT, newlines=True),
        line=_integer(said.get("line"), "a line", 0, MOST_LINES),
        diagnostics={name: _number(value) for name, value in diagnostics.items()},
        components={name: _statistics(value) for name, value in components.items()},
    )


def _statistics(said: object) -> dict[str, float]:
    values = _object(said, "a component", len(_STATISTICS))
    if values.keys() != _STATISTICS.keys():
        raise InvalidReply("The worker reported other statistics of a component than it should.")
    return {_STATISTICS[name]: _number(value) for name, value in values.items()}


MEMORY_GIB, WORKER_ADDRESS_SPACE_GIB, SILENCE_S = 4.0, 12.0, 60.0

WORKER, JUDGE = "eureka_agent.workers.trainer_server", "eureka_agent.workers.judge_server"


def start_trainer(
    config: SearchConfig, module: str = WORKER, import_path: Sequence[Path] = ()
) -> WorkerProcess:
    """Start a worker's process, which takes seconds to import everything."""
    on_gpu = config.device != "cpu"
    return WorkerProcess(
        module,
        memory_gib=GPU_MEMORY_GIB if on_gpu else MEMORY_GIB,
        address_space_gib=None if on_gpu else WORKER_ADDRESS_SPACE_GIB,
        heartbeat_timeout_s=GPU_SILENCE_S if on_gpu else SILENCE_S,
        import_path=import_path,
        wrapper=require_isolation(config.sandbox).wrapper,
    )


class TrainerClient:
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
        prestarted: PrestartedWorker | None = None,
        module: str = WORKER,
        import_path: Sequence[Path] = (),
    ) -> None:
        self._environment = environment
        self._shapes = policy_shapes(environment)
        self._rollout = environment.training.n_steps * config.worlds
        self._components: dict[int, tuple[str, ...]] = {}
        self._steps: dict[int, int] = {}
        self.overflow: str | None = None
        if prestarted is not None and module == WORKER:
            self._child = prestarted.take()
        else:
            self._child = start_trainer(config, module, import_path)
        fields = {
            "environment": environment.source,
            "lanes": config.candidates,
            "worlds": config.worlds,
            "threads": thread_count(config),
            "trainer": config.trainer,
            "device": config.device,
            "fitness": str(fitness) if fitness else None,
            "layers": list(require_isolation(config.sandbox).layers),
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

    def advance(self, steps: int, on_progress: Callable[[int], None]) -> dict[int, LaneReply]:
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
            on_progress=lambda said: on_progress(read_progress(said, trained)),
        )
        reports = self._read(lambda: read_reports(reply, expected))
        self.overflow = self._read(lambda: read_overflow(reply))
        self._steps = {lane: r.steps for lane, r in reports.items() if r.evicted is None}
        return reports

    def weights(self, lanes: Sequence[int]) -> dict[int, Weights]:
        """Policies of lanes as folded state dicts.

        Raises:
            ChildFailed: the worker ended.
        """
        reply = self._demand(Message("weights", {"lanes": list(lanes)}), "weights")
        return self._read(lambda: read_weights(reply, lanes, self._shapes))

    def score(self, lane: int, episodes: Episodes) -> np.ndarray:
        """What the lane's own reward pays each episode `[E]`, finite or not.

        Raises:
            JobFailed: the reward cannot be evaluated on these episodes.
            ChildFailed: the worker ended.
        """
        reply = self._ask(Message("score", {"lane": lane}, episodes.arrays()), "scored")
        return self._read(lambda: read_returns(reply, len(episodes.lengths)))

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
        on_progress: OnProgress | None = None,
    ) -> Message:
        """Ask for what no sound worker refuses."""
        try:
            return self._ask(message, answer, deadline_s=deadline_s, on_progress=on_progress)
        except JobFailed as error:
            self._child.kill()
            said = f"The worker process refused to {message.kind}: {error.message}"
            raise WorkerFailed(said) from error

    def _ask(
        self,
        message: Message,
        answer: str,
        *,
        deadline_s: float = SHORT_S,
        on_progress: OnProgress | None = None,
    ) -> Message:
        reply = self._child.request(message, deadline_s=deadline_s, on_progress=on_progress)
        if reply.kind != answer:
            self._child.kill()
            raise InvalidReply(f"The worker process answered {message.kind} with another reply.")
        return reply

    def _read(self, read: Callable[[], T]) -> T:
        """Read a reply; one that makes no sense ends the worker."""
        try:
            return read()
        except InvalidReply:
            self._child.kill()
            raise


def rows_per_call(config: SearchConfig, environment: Environment) -> int:
    """How many transitions a program is called with in a training: a rollout's, or a step's."""
    return config.worlds * (environment.training.n_steps if config.trainer == "population" else 1)
