"""The parent's side of calling programs: a child does it, and may die of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from eureka_agent.common.errors import EnvironmentFailed
from eureka_agent.common.text import log_text
from eureka_agent.environment import Environment, Episodes
from eureka_agent.reward import Finding, RewardRejected, check, parse
from eureka_agent.reward.findings import MAX_FINDING_LENGTH, MAX_FINDINGS
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
from eureka_agent.workers.replies import REASON_LIMIT, _array, _object
from eureka_agent.workers.sandbox import require_isolation


@dataclass(frozen=True)
class Score:
    """What a program pays for the steps of E recorded episodes, finite or not; all float32.

    Of a sweep's M rows it is the same with `[M]` in place of `[L, E]`.

    Attributes:
        total: reward `[L, E]`; rows beyond an end repeat the last step.
        components: without their weights `[C, L, E]`.
        here: likewise, standing still in the state ahead of each step; of no component if that
            was not asked for.
        there: standing still in the state after it.
    """

    total: np.ndarray
    components: np.ndarray
    here: np.ndarray
    there: np.ndarray

    @property
    def finite(self) -> bool:
        """Whether all that was paid is a number."""
        return bool(np.isfinite(self.total).all() and np.isfinite(self.components).all())


def read_scores(
    reply: Message, components: Sequence[int], steps: tuple[int, ...], still: bool
) -> list[Score | str]:
    """What programs pay for episodes, or in words why they do not say.

    Args:
        reply: to a request to score.
        components: how many each of the programs has.
        steps: L and E; of a sweep its rows.
        still: whether standing still was asked for.
    """
    failures = _object(reply.fields.get("failures"), "failures", len(components))
    if not failures.keys() <= set(map(str, range(len(components)))):
        raise InvalidReply("The prober reported of programs that it was not given.")
    found: list[Score | str] = []
    for k, count in enumerate(components):
        reason = failures.get(str(k))
        if isinstance(reason, str):
            found.append(log_text(reason, REASON_LIMIT))
            continue
        arrays = {"total": _array(reply, f"{k}/total", steps, np.float32)}
        for name in ("components", "here", "there"):
            if name == "components" or still:
                arrays[name] = _array(reply, f"{k}/{name}", (count, *steps), np.float32)
            else:
                arrays[name] = np.zeros((0, *steps), np.float32)
        found.append(Score(**arrays))
    return found


DEADLINE_S = 20.0
"""Processor time for one probe; an ordinary program takes a few hundredths of a second."""
PATIENCE = 10.0
"""Times that on the clock: others may use the machine, too."""
OPEN_S = 120.0
MEMORY_GIB = 2.0
ADDRESS_SPACE_GIB = 8.0
"""Of which the libraries alone reserve a good part."""

DEATHS = 2
"""Children of its own that a program may end before it is blamed."""

_SEED = 0
_RULE_LENGTH = 40
_HINTS = {
    "too-slow": "Write few tensor operations on [M] and [M, d] tensors, and no long loops.",
    "memory": "Write operations on [M] and [M, d] tensors, never on all pairs of rows.",
    "exception": "Write plain tensor operations on [M] and [M, d] tensors.",
    "died": "Write plain tensor operations on [M] and [M, d] tensors.",
}


class ProbeClient:
    """Checks programs: their text here, what they pay in a child; a context manager.

    The child starts with the first program that gets so far, and anew after one that ended it.

    Args:
        environment: the task.
        threads: physics threads of the child.
        sandbox: policy of the child's lock-down.
        rows: how many a training gives a program at once; as the environment's settings say when
            None.
        deadline_s: seconds of processor time after which a program counts as hung.
    """

    def __init__(
        self,
        environment: Environment,
        threads: int = 1,
        *,
        sandbox: str = "auto",
        rows: int | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        training = environment.training
        self._rows = rows or training.n_steps * training.worlds
        self._environment, self._threads, self._sandbox = environment, threads, sandbox
        self._deadline_s = deadline_s
        self._child: WorkerProcess | None = None
        self._counts: dict[str, int | str] = {}

    def probe(self, text: str, episodes: Episodes | None = None) -> list[Finding]:
        """Everything that is wrong with a program, in order of line.

        Args:
            text: the program.
            episodes: recorded ones of the same environment to try it on, too.

        Raises:
            ChildFailed: the child cannot start, for which no program is to blame.
            EnvironmentFailed: code of the environment ends it.
            JobFailed: the environment cannot be set up.
        """
        findings = check(text, self._environment.signals_described)
        if any(finding.severity == "error" for finding in findings):
            return findings
        findings += self._dry_run(text, episodes)
        return sorted(findings, key=lambda finding: (finding.line, finding.column))

    def score(
        self, texts: Sequence[str], episodes: Episodes, *, still: bool = False
    ) -> list[Score | str]:
        """What programs pay for recorded episodes, or in words why one does not say.

        When the child ends, each program is scored alone; one that ends its own is to blame.

        Args:
            texts: programs that passed the check.
            episodes: recorded ones of the same environment.
            still: whether to score also transitions that stand still.

        Raises:
            ChildFailed: the child cannot start, for which no program is to blame.
            JobFailed: the environment cannot be set up.
        """
        if not texts:
            return []
        fields = {"programs": list(texts), "still": still}
        request = Message("score", fields, episodes.arrays())
        steps = (episodes.actions.shape[0], episodes.actions.shape[1])
        counts = [self._components(text) for text in texts]
        alone = len(texts) == 1
        found: list[Score | str] | str = next((c for c in counts if isinstance(c, str)), "")
        if not found:
            numbers = [count for count in counts if isinstance(count, int)]
            found = self._scores(request, numbers, steps, still, attempts=DEATHS if alone else 1)
        if isinstance(found, list):
            return found
        if alone:
            return [found]
        return [paid for text in texts for paid in self.score([text], episodes, still=still)]

    def sweep(self, text: str, arguments: Mapping[str, NDArray[Any]]) -> Score | str:
        """What a program pays for made-up transitions, or in words why it does not say.

        Args:
            text: a program that passed the check.
            arguments: what it reads, by parameter, `[M]` or `[M, d]` each.

        Raises:
            ChildFailed: the child cannot start, for which no program is to blame.
            JobFailed: the environment cannot be set up.
        """
        request = Message("sweep", {"program": text}, dict(arguments))
        rows, count = len(next(iter(arguments.values()))), self._components(text)
        found = count if isinstance(count, str) else self._scores(request, [count], (rows,))
        return found if isinstance(found, str) else found[0]

    def close(self) -> None:
        """End the child, if there is one."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _components(self, text: str) -> int | str:
        """How many components a program has, or why it is none; asked for again and again."""
        if text not in self._counts:
            try:
                program = parse(text, self._environment.signals_described)
                self._counts[text] = len(program.weights)
            except RewardRejected as error:  # it passed the check of another version
                self._counts[text] = log_text(error.message, MAX_FINDING_LENGTH)
        return self._counts[text]

    def _scores(
        self,
        request: Message,
        components: Sequence[int],
        steps: tuple[int, ...],
        still: bool = False,
        attempts: int = DEATHS,
    ) -> list[Score | str] | str:
        """What the child answers to a request to score, or in words why it does not."""
        reason = ""
        # A child may have died before the programs came: one alone is asked twice.
        for _ in range(attempts):
            child = self._opened()
            try:
                reply = self._ask(child, request, len(components))
                return read_scores(reply, components, steps, still)
            except (WorkerFailed, JobFailed) as error:
                self.close()
                reason = log_text(error.message, MAX_FINDING_LENGTH)
                if not isinstance(error, WorkerDied):
                    break
        return reason

    def _dry_run(self, text: str, episodes: Episodes | None) -> list[Finding]:
        arrays = episodes.arrays() if episodes is not None else {}
        request = Message("probe", {"program": text, "rows": self._rows}, arrays)
        failure: WorkerFailed | JobFailed | None = None
        # A child may have died before the program came, or of somebody else: only twice counts.
        for _ in range(DEATHS):
            child = self._opened()
            try:
                reply = self._ask(child, request)
                return read_findings(reply.fields, text)
            except JobFailed as error:
                failure = error
                break
            except WorkerFailed as error:
                self.close()
                failure = error
                if not isinstance(error, WorkerDied):
                    break
        assert failure is not None
        return [_fatal(failure, text, self._deadline_s)]

    def _ask(self, child: WorkerProcess, request: Message, programs: int = 1) -> Message:
        limit = self._deadline_s * programs
        return child.request(request, deadline_s=PATIENCE * limit, processor_s=limit)

    def _opened(self) -> WorkerProcess:
        if self._child is not None and self._child.alive:
            return self._child
        self.close()
        isolation = require_isolation(self._sandbox)
        self._child = WorkerProcess(
            "eureka_agent.workers.probe_server",
            memory_gib=MEMORY_GIB,
            heartbeat_timeout_s=math.inf,  # each request has limits of its own
            address_space_gib=ADDRESS_SPACE_GIB,
            wrapper=isolation.wrapper,
        )
        fields = {
            "environment": self._environment.source,
            "seed": _SEED,
            "threads": self._threads,
            "layers": list(isolation.layers),
        }
        try:
            self._child.request(Message("open", fields), deadline_s=OPEN_S)
        except WorkerFailed as error:
            self.close()
            if not self._environment.reads_files:
                raise
            raise EnvironmentFailed(
                f"{self._environment.name} could not be stepped: {error.message}",
                "No reward program was there: fix the environment.",
            ) from error
        except BaseException:
            self.close()
            raise
        return self._child


def read_findings(fields: Mapping[str, Any], text: str) -> list[Finding]:
    """Findings out of a child's reply, which says what it likes.

    Args:
        fields: of the reply.
        text: the program, on whose lines the findings must lie.

    Raises:
        Garbled: they are no findings.
    """
    entries = fields.get("findings")
    if not isinstance(entries, list) or len(entries) > MAX_FINDINGS:
        raise InvalidReply("The prober process sent no list of findings.")
    lines = text.count("\n") + 1
    return [_read_finding(entry, lines) for entry in entries]


def _read_finding(entry: object, lines: int) -> Finding:
    match entry:
        case {
            "rule": str() as rule,
            "severity": "error" | "warning" as severity,
            "line": int() as line,
            "column": int() as column,
            "message": str() as message,
            "hint": str() as hint,
        } if type(line) is type(column) is int and 1 <= line <= lines and column >= 1:
            return Finding(
                log_text(rule, _RULE_LENGTH),
                severity,
                line,
                column,
                log_text(message, MAX_FINDING_LENGTH),
                log_text(hint, MAX_FINDING_LENGTH),
            )
    raise InvalidReply(f"The prober process sent a finding that is none: {log_text(repr(entry))}.")


def _fatal(failure: WorkerFailed | JobFailed, text: str, deadline_s: float) -> Finding:
    """The finding about a program that ended its child, or took all of its memory."""
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
    return Finding(
        rule, "error", _entry_line(text), 1, log_text(message, MAX_FINDING_LENGTH), _HINTS[rule]
    )


def _entry_line(text: str) -> int:
    starts = (i for i, line in enumerate(text.split("\n"), 1) if "def compute_reward" in line)
    return next(starts, 1)
