"""The prober: calls reward programs on real transitions. Runs as a worker, see `serve`.

It holds the transitions of one environment for its whole life, and no fitness. Opening it ends
with its lock-down: no program comes before that.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from eureka_agent.environment import Environment, Episodes, Transitions, find_environment
from eureka_agent.reward import RewardFailed, RewardProgram, RewardRejected, parse
from eureka_agent.reward.program import GRACE_S
from eureka_agent.workers.isolation.lock import lock
from eureka_agent.workers.probe.dry_run import TOO_SLOW_US, dry_run
from eureka_agent.workers.probe.samples import recorded_batch, sample_transitions, sampled_batch
from eureka_agent.workers.probe.score import score_episodes, score_rows
from eureka_agent.workers.protocol import Message, done
from eureka_agent.workers.serve import Reporter, serve, watch_steps
from eureka_agent.workers.warm_up import PROGRAMS, still_episode, warm_up


@dataclass
class Cost:
    """Cost of scoring a program so far: seconds of processor time, and the number of rows."""

    seconds: float = 0.0
    rows: int = 0

    @property
    def too_high(self) -> bool:
        """Whether scoring took far longer than to train on as many rows."""
        return self.seconds > GRACE_S + self.rows * TOO_SLOW_US / 1e6


class ProbeServer:
    """Answers the client's requests about one environment."""

    def __init__(self) -> None:
        self._environment: Environment
        self._transitions: Transitions
        self._costs: dict[str, Cost] = {}

    def open(self, request: Message, reporter: Reporter) -> Message:
        """Sample transitions, warm up, and lock this process.

        Fields: `environment` (its source), `layers` (of the lock-down; without it all that there
        are). Replies with the `layers` that hold.
        """
        self._environment = environment = find_environment(request.fields["environment"])
        watch_steps(environment, reporter)
        self._transitions = sample_transitions(environment, seed=0)
        layers = request.fields.get("layers")
        if layers != []:
            episode = still_episode(environment)
            action = np.zeros((1, environment.action_size), np.float32)
            row = {"action": action, "time_left": np.ones(1, np.float32)}
            warm_up(
                (self.probe, self.score, self.sweep),
                [Message("probe", {"program": program}, episode) for program in PROGRAMS]
                + [Message("score", {"programs": PROGRAMS, "still": True}, episode)]
                + [Message("sweep", {"program": program}, row) for program in PROGRAMS],
            )
            layers = lock(layers)
        return done({"layers": layers})

    def probe(self, request: Message, reporter: Reporter) -> Message:
        """Try a program.

        Fields: `program` (text), `rows` (how many a training run gives it at once, if known);
        arrays: as of `Episodes`, or none.

        Replies with `findings`, those of the dry run as plain data.
        """
        layout = self._environment.layout
        program = self._parse(request.fields["program"])
        batches = [sampled_batch(self._transitions, layout, program.parameters)]
        if request.arrays:
            episodes = Episodes.from_arrays(request.arrays)
            batches.append(recorded_batch(episodes, layout, program.parameters))
        findings = dry_run(program, batches, request.fields.get("rows"))
        return done({"findings": [finding.as_dict() for finding in findings]})

    def score(self, request: Message, reporter: Reporter) -> Message:
        """Score programs on recorded episodes, step by step.

        Fields: `programs` (texts), `still` (whether to score standing still, too); arrays: as of
        `Episodes`. Replies with the arrays `<k>/<name of score_episodes>` of each program, or with
        the reason why it has none: `failures`, by k.
        """
        episodes, still = Episodes.from_arrays(request.arrays), request.fields["still"]
        rows = episodes.actions[..., 0].numel()
        failures: dict[str, str] = {}
        arrays: dict[str, np.ndarray] = {}
        for k, text in enumerate(request.fields["programs"]):
            try:
                program = self._parse(text)
                with self._charged(text, rows):
                    scores = score_episodes(program, episodes, self._environment.layout, still)
            except (RewardRejected, RewardFailed) as error:
                failures[str(k)] = error.message
                continue
            arrays |= {f"{k}/{name}": value for name, value in scores.items()}
            reporter.heartbeat(scored=k)
        return done({"failures": failures}, arrays)

    def sweep(self, request: Message, reporter: Reporter) -> Message:
        """Score a program on made-up transitions.

        Fields: `program` (text); arrays: its arguments, by parameter. Replies as `score` does for
        one program, with the arrays of `score_rows`.
        """
        try:
            text, rows = request.fields["program"], len(next(iter(request.arrays.values())))
            program = self._parse(text)
            with self._charged(text, rows):
                scores = score_rows(program, request.arrays)
        except (RewardRejected, RewardFailed) as error:
            return done({"failures": {"0": error.message}})
        return done({"failures": {}}, {f"0/{name}": value for name, value in scores.items()})

    def _parse(self, text: str) -> RewardProgram:
        return parse(text, self._environment.signals_described)

    @contextmanager
    def _charged(self, text: str, rows: int) -> Iterator[None]:
        """Charge a program for the block, which a search runs over and over.

        Raises:
            RewardFailed: it has cost too much; no more requests for it are answered.
        """
        cost = self._costs.setdefault(text, Cost())
        if not cost.too_high:
            begun = time.process_time()
            try:
                yield
            finally:
                cost.seconds += time.process_time() - begun
                cost.rows += rows
        if cost.too_high:
            said = f"{cost.seconds:.1f} s of processor time for {cost.rows:,} transitions"
            raise RewardFailed(f"The program is too slow: it took {said}.", 0, "too-slow")


def main() -> None:
    """Serve until the client hangs up."""
    server = ProbeServer()
    serve(server.open, server.probe, server.score, server.sweep)


if __name__ == "__main__":
    main()
