"""Reflections: what a candidate's training, its policy's episodes and its program teach.

A part is written with each result. The rest is added when a generation has been trained, as it
takes other policies to compare with: how episodes fail, where the program pays, what a model says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eureka_agent.analysis.arrays import BoolArray
from eureka_agent.analysis.reflection import reflect, signal_statistics
from eureka_agent.analysis.rewards.bank import (
    OWN,
    Bank,
    Groups,
    Known,
    Record,
    chosen_entries,
    known_of,
)
from eureka_agent.analysis.rewards.profile import profile_program
from eureka_agent.analysis.trajectories.episodes import Trajectories
from eureka_agent.analysis.trajectories.excerpt import Excerpt, pictures
from eureka_agent.analysis.trajectories.failures import (
    Diagnosis,
    bars_of,
    diagnosis_of,
    failures_document,
    recordings_of,
)
from eureka_agent.config import SearchConfig
from eureka_agent.environment import Environment, Episodes, SignalLayout, concatenate
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
    """Write what a candidate's training showed, for the next generation and for people.

    Where nothing measures the task, it says so.
    """
    row = run.candidate(candidate)
    training = next(iter(run.trainings("candidate", candidate)), None)
    evaluations = run.evaluations(training.id) if training else []
    steps = environment.episode_steps
    text = reflect(row, training, evaluations, episode_steps=steps)
    if not config.measured and training:
        text = f"{NO_FITNESS}\n{text}"
    if episodes is not None:
        columns = SignalLayout(environment.signals_described).columns
        done = signal_statistics(columns, episodes.states.numpy(), episodes.lengths.numpy())
        text = f"{text.rstrip()}\n{done}"
    run.set_reflection(candidate, text)


@dataclass(frozen=True)
class _Evidence:
    """What a model is to look at of a candidate: recorded episodes, as read and as they lie there.

    It is large, so that nobody keeps it for whom no model looks.
    """

    own: BoolArray
    records: tuple[Record, ...]
    recordings: Trajectories
    diagnosis: Diagnosis


@dataclass(frozen=True)
class _Analysed:
    """What was found out about a candidate."""

    row: CandidateRow
    failures: dict[str, Any]
    lens: dict[str, Any]
    evidence: _Evidence | None


class Feedback:
    """Analyses the trained candidates of a run, and adds what comes of it to their reflections.

    Args:
        run: where candidates are, and what is found out about them.
        environment: the task.
        config: says which parts designers are told; people see all.
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
        """Analyse the finished candidates of a generation that have not been, each once.

        Raises:
            ChildFailed: the process that calls programs cannot start.
            JobFailed: the environment cannot be set up.
        """
        rows = [
            row
            for row in self._run.candidates(generation)
            if row.state == "finished" and self._run.analysis(row.id) is None
        ]
        analysed = {row.id: self._analysed(row) for row in rows}
        opinions = self._opinions([found for found in analysed.values() if found is not None])
        for row in rows:
            found = analysed[row.id]
            failures, lens = (found.failures, found.lens) if found is not None else ({}, {})
            with self._run.transaction():
                opinion = opinions.get(row.id, {})
                self._run.add_analysis(row.id, failures=failures, lens=lens, opinion=opinion)
                parts = [
                    *(failures.get("lines", ()) if self._config.analyzer else ()),
                    *(lens.get("lines", ()) if self._config.lens else ()),
                    *opinion.get("lines", ()),
                ]
                self._run.set_reflection(row.id, "\n".join([row.reflection, *parts]).strip())

    def _analysed(self, row: CandidateRow) -> _Analysed | None:
        """What is found out about a candidate by rules; None if its episodes are not there."""
        environment, with_fitness = self._environment, self._config.measured
        candidates = [c for c in self._run.candidates() if c.generation <= row.generation]
        finished = [c for c in candidates if c.state == "finished"]
        entries = chosen_entries(row, finished, self._bank)
        groups = {name: list(self._bank.read(group)) for name, group in entries.items()}
        known = self._known(row, groups, with_fitness)
        if known is None:
            return None
        program = parse(row.text, environment.signals_described)
        recordings = recordings_of(known, program, environment)
        bars = bars_of(finished, groups) if with_fitness else None
        diagnosis = diagnosis_of(recordings, known.own, bars)
        records = tuple(record for group in groups.values() for record in group)
        return _Analysed(
            row,
            failures_document(diagnosis, known.fitness[known.own], bars),
            profile_program(program, known, environment.layout, self._prober),
            _Evidence(known.own, records, recordings, diagnosis) if self._analyst else None,
        )

    def _known(self, row: CandidateRow, groups: Groups, with_fitness: bool) -> Known | None:
        """Recorded episodes and what a program pays for them; None without its own or a score."""
        if not groups[OWN]:
            return None
        episodes = concatenate([record.episodes for group in groups.values() for record in group])
        (score,) = self._prober.score([row.text], episodes)
        if isinstance(score, str) or not score.finite:
            return None
        return known_of(groups, episodes, score, with_fitness)

    def _opinions(self, analysed: Sequence[_Analysed]) -> dict[int, dict[str, Any]]:
        """What the analyst says of candidates, by number, as `AnalysisRow.opinion` holds it."""
        evidence = {found.row.id: found.evidence for found in analysed if found.evidence}
        if self._analyst is None or not evidence:
            return {}
        from eureka_agent.analysis.trajectories.analyst import AnalystRequest

        subjects = [
            AnalystRequest(
                candidate=found.row,
                recordings=seen.recordings,
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
            return pictures(self._run, self._environment, self._config.seed, excerpts, records)

        verdicts = self._analyst.verdicts(subjects, draw if self._config.frames else None)
        return {
            number: verdict.as_dict() | {"lines": verdict.lines()}
            for number, verdict in verdicts.items()
        }
