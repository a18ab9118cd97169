"""The prober: calls reward programs on real transitions. Run as a child, see `serve`.

It holds the transitions of one environment for its whole life, and no fitness. Opening it ends
with its lock-down: no program comes before that.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from eureka_agent.environment import Environment, Episodes, Transitions, find_environment
from eureka_agent.reward import RewardFailed, RewardRejected, parse
from eureka_agent.workers.isolation.lock import lock
from eureka_agent.workers.probe.dry_run import TOO_SLOW_US, dry_run
from eureka_agent.workers.probe.samples import recorded_batch, sample_transitions, sampled_batch
from eureka_agent.workers.probe.score import score_episodes, score_rows
from eureka_agent.workers.protocol import Message
from eureka_agent.workers.serve import Reporter, serve, watch_steps
from eureka_agent.workers.warm_up import FAILING, REJECTED, SOUND, a_row, rehearse, still_episode

GRACE_S = 5.0
"""Seconds of processor time that scoring a program may take in any case, all calls together."""


@dataclass
class Bill:
    """What scoring a program has cost so far: seconds of processor time, and for how many rows."""

    seconds: float = 0.0
    rows: int = 0

    @property
    def too_slow(self) -> bool:
        """Whether it took far longer than to train on as many rows."""
        return self.seconds > GRACE_S + self.rows * TOO_SLOW_US / 1e6


class ProbeServer:
    """Answers the parent's requests about one environment."""

    def __init__(self) -> None:
        self._environment: Environment
        self._transitions: Transitions
        self._bills: dict[str, Bill] = {}

    def open(self, request: Message, reporter: Reporter) -> Message:
        """Sample transitions, rehearse, and lock this process.

        Fields: `environment` (its source), `seed`, `threads` (for physics), `layers` (of the
        lock-down; without it all that there are). Replies with the `layers` that hold.
        """
        fields = request.fields
        self._environment = environment = find_environment(fields["environment"])
        watch_steps(environment, reporter)
        self._transitions = sample_transitions(environment, fields["seed"], fields["threads"])
        layers = fields.get("layers")
        if layers != []:
            episode = still_episode(environment)
            programs = (SOUND, FAILING, REJECTED)
            rehearse(
                {"probe": self.probe, "score": self.score, "sweep": self.sweep},
                [Message("probe", {"program": program}, episode) for program in programs]
                + [Message("score", {"programs": programs, "still": True}, episode)]
                + [
                    Message("sweep", {"program": program}, a_row(environment))
                    for program in programs
                ],
            )
            layers = lock(layers)
        return Message("opened", {"layers": layers})

    def probe(self, request: Message, reporter: Reporter) -> Message:
        """Try a program.

        Fields: `program` (text), `rows` (how many a training gives it at once, if known); arrays:
        as of `Episodes`, or none.

        Replies with `findings`, those of the dry run as plain data.
        """
        layout = self._environment.layout
        program = parse(request.fields["program"], self._environment.signals_described)
        batches = [sampled_batch(self._transitions, layout, program.parameters)]
        if request.arrays:
            episodes = Episodes.from_arrays(request.arrays)
            batches.append(recorded_batch(episodes, layout, program.parameters))
        findings = dry_run(program, batches, request.fields.get("rows"))
        return Message("probed", {"findings": [finding.as_dict() for finding in findings]})

    def score(self, request: Message, reporter: Reporter) -> Message:
        """Say what programs pay for recorded episodes, step by step.

        Fields: `programs` (texts), `still` (whether to score standing still, too); arrays: as of
        `Episodes`. Replies with arrays `<k>/<name of critic.score>` for each program, or with the
        reason why it has none: `failures`, by k.
        """
        episodes, still = Episodes.from_arrays(request.arrays), request.fields["still"]
        rows = episodes.actions[..., 0].numel()
        failures: dict[str, str] = {}
        arrays: dict[str, np.ndarray] = {}
        for k, text in enumerate(request.fields["programs"]):
            try:
                program = parse(text, self._environment.signals_described)
                with self._charged(text, rows):
                    paid = score_episodes(program, episodes, self._environment.layout, still)
            except (RewardRejected, RewardFailed) as error:
                failures[str(k)] = error.message
                continue
            arrays |= {f"{k}/{name}": value for name, value in paid.items()}
            reporter.heartbeat(scored=k)
        return Message("scored", {"failures": failures}, arrays)

    def sweep(self, request: Message, reporter: Reporter) -> Message:
        """Say what a program pays for made-up transitions.

        Fields: `program` (text); arrays: what it reads, by parameter. Replies as `score` does for
        one program, with the arrays of `workers.probe.score.pay`.
        """
        try:
            text, rows = request.fields["program"], len(next(iter(request.arrays.values())))
            program = parse(text, self._environment.signals_described)
            with self._charged(text, rows):
                paid = score_rows(program, request.arrays)
        except (RewardRejected, RewardFailed) as error:
            return Message("swept", {"failures": {"0": error.message}})
        arrays = {f"0/{name}": value for name, value in paid.items()}
        return Message("swept", {"failures": {}}, arrays)

    @contextmanager
    def _charged(self, text: str, rows: int) -> Iterator[None]:
        """Charge a program for what is done within, over and over in a search.

        Raises:
            RewardFailed: it has cost too much; then nothing more is done for it.
        """
        bill = self._bills.setdefault(text, Bill())
        if not bill.too_slow:
            begun = time.process_time()
            try:
                yield
            finally:
                bill.seconds += time.process_time() - begun
                bill.rows += rows
        if bill.too_slow:
            said = f"{bill.seconds:.1f} s of processor time for {bill.rows:,} transitions"
            raise RewardFailed(f"The program is too slow: it took {said}.", 0)


def main() -> None:
    """Serve until the parent hangs up."""
    prober = ProbeServer()
    jobs = (prober.open, prober.probe, prober.score, prober.sweep)
    serve({job.__name__: job for job in jobs})


if __name__ == "__main__":
    main()
