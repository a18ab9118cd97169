"""Feedback on candidates: from their training runs, their policies' episodes and their programs.

`store_reflection` stores the first part of a reflection with each result. `Feedback` adds the
others after a generation, as they compare with other policies: how episodes fail, where the program
pays, what a language model says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from eureka_agent.analysis.reflection import reflect, signal_statistics
from eureka_agent.analysis.rewards.bank import (
    OWN,
    RANDOM,
    UNTRAINED,
    Bank,
    Record,
    comparison_groups,
    join_groups,
    with_rewards,
)
from eureka_agent.analysis.rewards.profile import profile_program
from eureka_agent.analysis.trajectories.episodes import Trajectories, fitness_scale
from eureka_agent.analysis.trajectories.excerpt import Excerpt, draw_excerpts
from eureka_agent.analysis.trajectories.failures import Diagnosis, diagnose_policy
from eureka_agent.config import SearchConfig
from eureka_agent.environment import Environment, Episodes, SignalLayout
from eureka_agent.environment.episodes import BoolArray
from eureka_agent.reward import parse
from eureka_agent.store import CandidateRow, Run
from eureka_agent.workers.probe_client import ProbeClient

if TYPE_CHECKING:
    from eureka_agent.analysis.trajectories.analyst import Analyst

NO_FITNESS = (
    "Nothing measures this task. The peer win rate of a program is the share of comparisons that "
    "its policy wins against other policies by the rewards of third programs."
)


def store_reflection(
    run: Run,
    candidate: int,
    environment: Environment,
    config: SearchConfig,
    episodes: Episodes | None = None,
) -> None:
    """Store the lessons of a candidate's training run, for the next generation and for people.

    Args:
        run: has the candidate.
        candidate: its number.
        environment: the task.
        config: says whether anything measures the task; the reflection says so if not.
        episodes: of the selected policy, if there is one.
    """
    row = run.candidate(candidate)
    training = next(iter(run.trainings("candidate", candidate)), None)
    evaluations = run.evaluations(training.id) if training else []
    text = reflect(row, training, evaluations, episode_steps=environment.episode_steps)
    if not config.measured and training:
        text = f"{NO_FITNESS}\n{text}".rstrip()
    run.set_reflection(candidate, text)
    if episodes is not None:
        columns = SignalLayout(environment.signals_described).columns
        done = signal_statistics(columns, episodes.states.numpy(), episodes.lengths.numpy())
        run.set_reflection(candidate, done, "behaviour")


@dataclass(frozen=True)
class _Evidence:
    """Episodes for the analyst; they are large, so kept only if one is configured.

    Attributes:
        own: which episodes are of the candidate's policy `[E]`.
        records: all of them as the bank holds them.
        known: all of them as the analysis reads them.
        diagnosis: of the rules.
    """

    own: BoolArray
    records: Sequence[Record]
    known: Trajectories
    diagnosis: Diagnosis


@dataclass(frozen=True)
class _Analysed:
    """Results of rules and sweeps about a candidate, as `AnalysisRow` holds them."""

    row: CandidateRow
    failures: dict[str, Any]
    profile: dict[str, Any]
    evidence: _Evidence | None


class Feedback:
    """Analyses the trained candidates of a run, and adds the results to their reflections.

    Args:
        run: has the candidates, and keeps the results.
        environment: the task.
        config: says which parts designers read; people see all.
        bank: recorded episodes.
        prober: calls programs.
        analyst: the language model that looks at episodes; None without one.
    """

    def __init__(
        self,
        run: Run,
        environment: Environment,
        config: SearchConfig,
        bank: Bank,
        prober: ProbeClient,
        analyst: "Analyst | None" = None,
    ) -> None:
        self._run, self._environment, self._config = run, environment, config
        self._bank, self._prober, self._analyst = bank, prober, analyst

    def analyse(self, generation: int) -> None:
        """Analyse the finished candidates of a generation, each once.

        Raises:
            WorkerFailed: the process that calls programs cannot start.
            JobFailed: the environment cannot be set up.
        """
        rows = [
            row
            for row in self._run.candidates(generation)
            if row.state == "finished" and self._run.analysis(row.id) is None
        ]
        known = [c for c in self._run.candidates() if c.generation <= generation]
        finished = [candidate for candidate in known if candidate.state == "finished"]
        analysed = {row.id: found for row in rows if (found := self._analysed(row, finished))}
        opinions = self._opinions(list(analysed.values()))
        for row in rows:
            found = analysed.get(row.id)
            failures, profile = (found.failures, found.profile) if found else ({}, {})
            opinion = opinions.get(row.id, {})
            parts = {
                "failures": failures.get("lines", ()) if self._config.analyzer else (),
                "profile": profile.get("lines", ()) if self._config.lens else (),
                "analyst": opinion.get("lines", ()),
            }
            with self._run.transaction():
                self._run.add_analysis(row.id, failures=failures, lens=profile, opinion=opinion)
                for part, lines in parts.items():
                    self._run.set_reflection(row.id, "\n".join(lines), part)

    def _analysed(self, row: CandidateRow, finished: list[CandidateRow]) -> _Analysed | None:
        """Analyse a candidate by rules and sweeps; None without its episodes or their rewards."""
        environment, measured = self._environment, self._config.measured
        groups = comparison_groups(row, finished, self._bank)
        if not groups[OWN]:
            return None
        evaluated = join_groups(groups)
        (score,) = self._prober.score([row.text], evaluated.episodes)
        if isinstance(score, str) or not score.finite:
            return None
        program = parse(row.text, environment.signals_described)
        evaluated = with_rewards(evaluated, program, score)
        if not measured:
            evaluated = replace(evaluated, fitness=np.full(evaluated.count, np.nan))
        known = Trajectories(
            evaluated, tuple(environment.signals_described), environment.control_step
        )
        references = [*groups[RANDOM], *groups[UNTRAINED]]
        scale = fitness_scale(references, [c.fitness for c in finished]) if measured else None
        own = evaluated.labelled(OWN)
        diagnosis = diagnose_policy(known, own, scale)
        records = [record for group in groups.values() for record in group]
        return _Analysed(
            row,
            diagnosis.as_dict(evaluated.fitness[own], scale),
            profile_program(program, evaluated, environment.layout, self._prober),
            _Evidence(own, records, known, diagnosis) if self._analyst else None,
        )

    def _opinions(self, analysed: Sequence[_Analysed]) -> dict[int, dict[str, Any]]:
        """The analyst's opinions by candidate number, as `AnalysisRow.opinion` holds them."""
        evidence = {found.row.id: found.evidence for found in analysed if found.evidence}
        if self._analyst is None or not evidence:
            return {}
        from eureka_agent.analysis.trajectories.analyst import (
            AnalystRequest,  # slow to import, and often not needed
        )

        requests = [
            AnalystRequest(
                candidate=found.row,
                recordings=seen.known,
                own=seen.own,
                diagnosis=seen.diagnosis,
                reflection=found.row.reflection,
                failures=found.failures["lines"],
            )
            for found in analysed
            if (seen := found.evidence)
        ]
        records = {number: seen.records for number, seen in evidence.items()}

        def draw(excerpts: Mapping[int, Excerpt]) -> Mapping[int, bytes]:
            return draw_excerpts(self._run, self._environment, self._config.seed, excerpts, records)

        replies = self._analyst.verdicts(requests, draw if self._config.frames else None)
        return {
            number: reply.as_dict() | {"lines": reply.lines()} for number, reply in replies.items()
        }
