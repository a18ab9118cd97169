"""The client of the prober: has programs called in a worker process, which may die of it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from eureka_agent.common.errors import EnvironmentFailed
from eureka_agent.common.text import log_text
from eureka_agent.environment import Environment, Episodes
from eureka_agent.reward import Finding, RewardRejected, check, parse
from eureka_agent.reward.findings import MAX_FINDING_LENGTH, MAX_FINDINGS, Severity, has_errors
from eureka_agent.workers.isolation.bootstrap import Wrapper
from eureka_agent.workers.probe import HINTS
from eureka_agent.workers.process import WorkerProcess
from eureka_agent.workers.protocol import (
    InvalidReply,
    JobFailed,
    MemoryExceeded,
    Message,
    WorkerDied,
    WorkerFailed,
    WorkerHung,
)
from eureka_agent.workers.replies import (
    Arrays,
    Reason,
    Reply,
    Shape,
    at_most,
    read_arrays,
    read_fields,
)
from eureka_agent.workers.session import DEATHS, ClientSession, Locked, T

MODULE = "eureka_agent.workers.probe_server"
DEADLINE_S = 20.0
"""Processor time for one probe; an ordinary program takes a few hundredths of a second."""
PATIENCE = 10.0
"""Multiple of that by the clock: others may use the machine, too."""
MEMORY_GIB, ADDRESS_SPACE_GIB = 2.0, 8.0
"""The libraries alone reserve a good part of the address space."""

_Text = Annotated[str, AfterValidator(partial(log_text, limit=MAX_FINDING_LENGTH))]
_Place = Annotated[int, Field(ge=1)]


class FindingReply(Reply):
    """A `Finding`, with its texts made printable and short."""

    rule: Annotated[str, AfterValidator(partial(log_text, limit=40))]
    severity: Severity
    line: _Place
    column: _Place
    message: _Text
    hint: _Text


class ProbeReply(Reply):
    """The reply to a probe."""

    findings: Annotated[list[FindingReply], at_most(MAX_FINDINGS)]


class ScoreReply(Reply):
    """The reply to a request to score: why programs have no arrays, by their number."""

    failures: Annotated[dict[str, Reason], at_most(1000)]


@dataclass(frozen=True)
class Score:
    """A program's rewards for the steps of E recorded episodes, finite or not; all float32.

    Of a sweep's M rows it is the same with `[M]` in place of `[L, E]`.

    Attributes:
        total: reward `[L, E]`; rows beyond an end repeat the last step.
        components: without their weights `[C, L, E]`.
        here: components, standing still in the state ahead of each step; none unless asked for.
        there: the same in the state after it.
    """

    total: np.ndarray
    components: np.ndarray
    here: np.ndarray
    there: np.ndarray

    @property
    def finite(self) -> bool:
        """Whether all rewards are finite."""
        return bool(np.isfinite(self.total).all() and np.isfinite(self.components).all())


class ProbeClient(ClientSession):
    """Checks programs: their text here, their rewards in a worker; a context manager.

    The worker starts with the first program that gets so far, and anew after one that ended it.
    Where it cannot start or load the environment, requests raise `WorkerFailed` or `JobFailed`, or
    `EnvironmentFailed` if code of the environment ends it: no program is to blame for that.

    Args:
        environment: the task.
        sandbox: policy of the worker's lock-down.
        rows: number that a training run gives a program at once; None to follow the environment's
            settings.
        deadline_s: seconds of processor time after which a program counts as hung.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        sandbox: str = "auto",
        rows: int | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        opening = {"environment": environment.source}
        super().__init__(_start, opening, Locked, sandbox=sandbox)
        training = environment.training
        self._rows = rows or training.n_steps * training.worlds
        self._environment, self._deadline_s = environment, deadline_s

    def probe(self, text: str, episodes: Episodes | None = None) -> list[Finding]:
        """The faults of a program, in order of line.

        Args:
            text: the program.
            episodes: recorded ones of the same environment to try it on, too.
        """
        findings = check(text, self._environment.signals_described)
        if has_errors(findings):
            return findings
        arrays = episodes.arrays() if episodes is not None else {}
        request = Message("probe", {"program": text, "rows": self._rows}, arrays)
        found = self._try(request, lambda reply: read_findings(reply, text))
        if isinstance(found, WorkerFailed | JobFailed):
            found = [_fatal(found, text, self._deadline_s)]
        return sorted([*findings, *found], key=lambda finding: (finding.line, finding.column))

    def score(
        self, texts: Sequence[str], episodes: Episodes, *, still: bool = False
    ) -> list[Score | str]:
        """Scores of programs on recorded episodes, or a text that says why there is none.

        When the worker ends, each program is scored alone; one that ends its own is to blame.

        Args:
            texts: programs that passed the check.
            episodes: recorded ones of the same environment.
            still: whether to score also transitions that stand still.
        """
        if not texts:
            return []
        fields = {"programs": list(texts), "still": still}
        steps = tuple(episodes.actions.shape[:2])
        found = self._score(texts, Message("score", fields, episodes.arrays()), steps, still)
        if isinstance(found, list):
            return found
        if len(texts) == 1:
            return [found]
        return [paid for text in texts for paid in self.score([text], episodes, still=still)]

    def sweep(self, text: str, arguments: Mapping[str, NDArray[Any]]) -> Score | str:
        """The score of a program on made-up transitions, or a text that says why there is none.

        Args:
            text: a program that passed the check.
            arguments: by parameter, `[M]` or `[M, d]` each.
        """
        request = Message("sweep", {"program": text}, dict(arguments))
        found = self._score([text], request, (len(next(iter(arguments.values()))),))
        return found if isinstance(found, str) else found[0]

    def _score(
        self, texts: Sequence[str], request: Message, steps: Shape, still: bool = False
    ) -> list[Score | str] | str:
        """The worker's answer to a request to score, or a text that says why there is none."""
        try:
            programs = [parse(text, self._environment.signals_described) for text in texts]
        except RewardRejected as error:  # it passed the check of another version
            return log_text(error.message, MAX_FINDING_LENGTH)
        counts = [len(program.weights) for program in programs]
        found = self._try(
            request,
            lambda reply: read_scores(reply, counts, steps, still),
            programs=len(texts),
            attempts=DEATHS if len(texts) == 1 else 1,
        )
        return found if isinstance(found, list) else log_text(found.message, MAX_FINDING_LENGTH)

    def _try(
        self,
        request: Message,
        read: Callable[[Message], T],
        programs: int = 1,
        attempts: int = DEATHS,
    ) -> T | WorkerFailed | JobFailed:
        """The worker's answer, or how a program ended it."""
        limit = self._deadline_s * programs
        while True:
            attempts -= 1
            self.ensure_open()  # its errors are raised: no program is to blame for them
            try:
                return self.ask(request, read, deadline_s=PATIENCE * limit, processor_s=limit)
            except (WorkerFailed, JobFailed) as error:
                if attempts <= 0 or not isinstance(error, WorkerDied):
                    return error

    def ensure_open(self) -> None:
        """Open as every session does; an environment that ends the worker is to blame for it."""
        try:
            super().ensure_open()
        except WorkerFailed as error:
            if not self._environment.reads_files:
                raise
            raise EnvironmentFailed(
                f"{self._environment.name} could not be stepped: {error.message}",
                "No reward program was there: fix the environment.",
            ) from error


def _start(wrapper: Wrapper | None) -> WorkerProcess:
    return WorkerProcess(
        MODULE,
        memory_gib=MEMORY_GIB,
        address_space_gib=ADDRESS_SPACE_GIB,
        heartbeat_timeout_s=math.inf,  # each request has limits of its own
        wrapper=wrapper,
    )


def read_findings(reply: Message, text: str) -> list[Finding]:
    """The findings about a program, which must lie on its lines.

    Raises:
        InvalidReply: they are no findings.
    """
    found = [Finding(**vars(said)) for said in read_fields(ProbeReply, reply.fields).findings]
    if any(finding.line > text.count("\n") + 1 for finding in found):
        raise InvalidReply("The prober sent a finding on a line that the program does not have.")
    return found


def read_scores(
    reply: Message, components: Sequence[int], steps: Shape, still: bool
) -> list[Score | str]:
    """Scores of programs on episodes, or texts that say why there are none.

    Args:
        reply: to a request to score.
        components: their number in each program.
        steps: L and E; of a sweep its rows.
        still: whether standing still was asked for.

    Raises:
        InvalidReply: the reply does not fit these programs.
    """
    failures = read_fields(ScoreReply, reply.fields).failures
    scored = {k: count for k, count in enumerate(components) if str(k) not in failures}
    if len(scored) + len(failures) != len(components):
        raise InvalidReply("The prober reported on programs that it was not given.")
    parts = ("components", "here", "there") if still else ("components",)
    expected: Arrays = {f"{k}/total": (np.float32, steps) for k in scored}
    expected |= {f"{k}/{p}": (np.float32, (c, *steps)) for k, c in scored.items() for p in parts}
    arrays = read_arrays(reply, expected)
    nothing = np.zeros((0, *steps), np.float32)
    return [
        Score(*(arrays.get(f"{k}/{name}", nothing) for name in Score.__annotations__))
        if k in scored
        else failures[str(k)]
        for k in range(len(components))
    ]


def _fatal(failure: WorkerFailed | JobFailed, text: str, deadline_s: float) -> Finding:
    """The finding about a program that ended its worker, or took all of its memory."""
    match failure:
        case WorkerHung():
            rule = "too-slow"
            message = "The program did not get through the rows of a rollout in "
            message += f"{deadline_s:g} s of processor time."
        case JobFailed(type=name) if name != "MemoryError":
            rule, message = "exception", f"The program cannot be tried: {failure.message}"
        case MemoryExceeded() | JobFailed():
            rule = "memory"
            message = f"The program takes more than {MEMORY_GIB:g} GiB for the rows of a rollout."
        case _:
            rule, message = "died", f"The program ended its process: {failure.message}"
    lines = enumerate(text.split("\n"), 1)
    entry = next((i for i, line in lines if "def compute_reward" in line), 1)
    return Finding(rule, "error", entry, 1, log_text(message, MAX_FINDING_LENGTH), HINTS[rule])
