"""Every way in which a search changes what is stored of a run."""

import math
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Self

import tomli_w

from eureka_agent.common.errors import StorageError
from eureka_agent.store import trust
from eureka_agent.store.database import Database
from eureka_agent.store.folder import (
    DATABASE,
    LOCK,
    hold_lock,
    latest_moment,
    new_name,
    require_plain_folder,
    write_atomically,
)
from eureka_agent.store.reading import RunReader
from eureka_agent.store.rows import (
    CandidateRow,
    CandidateState,
    Role,
    RunStatus,
    TrainingRow,
)


class Run(RunReader):
    """A run folder that can also be written to, made by `Run.create` and `Run.open`.

    Each method that writes is one transaction; several are one inside `with run.transaction():`.
    """

    @classmethod
    def create(
        cls,
        directory: Path,
        environment: str,
        *,
        goal: str,
        seed: int,
        config: Mapping[str, Any],
        environment_source: str = "",
        sandbox: str = "",
        files: Mapping[str, str] | None = None,
    ) -> Self:
        """Make a run folder in `directory` and open it.

        Args:
            directory: the folder of all runs; made if it is missing.
            environment: the environment's name.
            goal: the task in one sentence.
            seed: the search's seed.
            config: the resolved configuration: nested dicts of text, numbers, booleans, lists.
            environment_source: what the user called the environment; its name if empty.
            sandbox: the level of isolation in words, if it is known already.
            files: texts by file name that the run keeps a copy of.
        """
        now = time.time()
        name = new_name(environment, now)
        # Made under a hidden name and moved when complete: a killed process leaves no half a run.
        draft = directory / f".{name}"
        try:
            (draft / "candidates").mkdir(parents=True)
            with hold_lock(draft / LOCK):
                pass  # a file system without locks is refused now, not after the first programs
            write_atomically(draft / "config.toml", _toml(config))
            for file, text in (files or {}).items():
                write_atomically(draft / file, text)
            with closing(Database.create(draft / DATABASE)) as database:
                database.insert(
                    "run",
                    id=1,
                    environment=environment,
                    environment_source=environment_source or environment,
                    goal=goal,
                    status="running",
                    # Later than all that are there, even where the clock went back.
                    created=max(now, math.nextafter(latest_moment(directory), math.inf)),
                    updated=now,
                    seed=seed,
                    config=dict(config),
                    sandbox=sandbox,
                )
            with cls.open(draft) as run:
                trust.sign(draft, run.row())
            return cls.open(draft.rename(directory / name))
        except (OSError, StorageError) as error:
            shutil.rmtree(draft, ignore_errors=True)
            if isinstance(error, StorageError):
                reason, remedy = error.message, error.remedy
            else:
                reason = str(error.strerror)
                remedy = "Give --runs a folder that you may write to, on a disk with room."
            said = f"No run can be made in {directory}: {reason.rstrip('.')}."
            raise StorageError(said, remedy) from error

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing run folder for writing.

        Raises:
            UsageError: it is not a run folder, one that this version cannot read, or one from which
                writing would lead elsewhere.
            StorageError: it cannot be written to.
        """
        try:
            require_plain_folder(path)
        except (FileNotFoundError, NotADirectoryError):
            pass  # the database says so
        except OSError as error:
            raise StorageError(
                f"Run {path} cannot be written to: {error.strerror}.",
                "See whose it is, or continue with a copy of it.",
            ) from error
        return cls(path, Database(path / DATABASE))

    def lock(self) -> AbstractContextManager[None]:
        """Be the one process that searches this run, for the length of the block.

        Raises:
            UsageError: another process is; raised on entering the block.
        """
        return hold_lock(self.path / LOCK)

    @contextmanager
    def _write(self) -> Iterator[Database]:
        with self._database.transaction():
            yield self._database
            self._database.update("run", 1, updated=time.time())

    def _update(self, table: str, row: int, **values: Any) -> None:
        with self._write() as database:
            database.update(table, row, **values)

    def _insert(self, table: str, **values: Any) -> None:
        with self._write() as database:
            database.insert(table, **values)

    # The run

    def set_status(self, status: RunStatus, failure: str | None = None) -> None:
        """Set the status of the run, and the reason if it failed."""
        self._update("run", 1, status=status, failure=failure)

    def set_phase(self, text: str) -> None:
        """Describe what happens now."""
        self._update("run", 1, phase=text)

    def set_config(self, config: Mapping[str, Any]) -> None:
        """Change the resolved configuration, as when a finished search is extended."""
        with self._write() as database:
            before = self.row()
            mine = trust.made_here(self.path, before)
            database.update("run", 1, config=dict(config))
            if mine:  # both states: a kill before the commit leaves the one before
                trust.sign(self.path, before, self.row())
            write_atomically(self.path / "config.toml", _toml(config))

    def set_measure(self, **values: Any) -> None:
        """Add entries to `RunRow.measure`, what is known of the fitness."""
        with self._write() as database:
            database.update("run", 1, measure=self.row().measure | values)

    def set_sandbox(self, text: str) -> None:
        """Describe how candidates are isolated."""
        self._update("run", 1, sandbox=text)

    def set_best(self, candidate: int) -> None:
        """Make a candidate the leader; its program is written to `best/reward.py`."""
        with self._write() as database:
            database.update("run", 1, best_candidate=candidate)
            folder = self.path / "best"
            folder.mkdir(exist_ok=True)
            write_atomically(folder / "reward.py", self.candidate(candidate).text)

    def add_usage(
        self, *, env_steps: int = 0, train_seconds: float = 0.0, wall_seconds: float = 0.0
    ) -> None:
        """Add to what the run has spent: environment steps, training time and time in all."""
        with self._write() as database:
            database.execute(
                "UPDATE run SET env_steps = env_steps + ?, train_seconds = train_seconds + ?, "
                "wall_seconds = wall_seconds + ?",
                env_steps,
                train_seconds,
                wall_seconds,
            )

    # Candidates

    def add_candidate(
        self,
        generation: int,
        slot: int,
        text: str,
        *,
        designer: str,
        parents: Sequence[int] = (),
        thought: str = "",
        note: str = "",
        lesson: str = "",
        findings: Sequence[Mapping[str, Any]] = (),
    ) -> CandidateRow:
        """Enter a program into the search, or return the one that already has this place.

        `findings` are known faults from before the critic's check.
        """
        with self._write() as database:
            sql = "SELECT * FROM candidates WHERE generation = ? AND slot = ?"
            if existing := database.select(CandidateRow, sql, generation, slot):
                return existing[0]
            number = database.insert(
                "candidates",
                generation=generation,
                slot=slot,
                parents=list(parents),
                designer=designer,
                text=text,
                thought=thought,
                note=note,
                lesson=lesson,
                verdict=list(findings),
                created=time.time(),
            )
            # Before the commit: every stored candidate has its file.
            folder = self.candidate_folder(number)
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / "reward.py", text)
            return self.candidate(number)

    def set_candidate_state(self, candidate: int, state: CandidateState) -> None:
        """Set the state of a candidate."""
        self._update("candidates", candidate, state=state)

    def set_verdict(
        self,
        candidate: int,
        findings: Sequence[Mapping[str, Any]],
        *,
        accepted: bool,
        failure: str | None = None,
        twin: int | None = None,
    ) -> None:
        """Record the critic's verdict on a candidate.

        Args:
            candidate: its number.
            findings: the critic's findings.
            accepted: whether it may train.
            failure: why not.
            twin: the earlier candidate that it is equivalent to, if it was rejected for that.
        """
        self._update(
            "candidates",
            candidate,
            state="accepted" if accepted else "rejected",
            verdict=list(findings),
            failure=failure,
            finished=None if accepted else time.time(),
            twin=twin,
        )

    def clear_twin(self, candidate: int) -> None:
        """Record that a rejected candidate is equivalent to no other after all."""
        self._update("candidates", candidate, twin=None)

    def revise_candidate(
        self,
        candidate: int,
        text: str,
        *,
        thought: str,
        sent_back: Sequence[Mapping[str, Any]],
        findings: Sequence[Mapping[str, Any]] = (),
    ) -> CandidateRow:
        """Replace a program that the critic sent back; it stays as a draft.

        Args:
            candidate: its number.
            text: the new program.
            thought: the design thought that it begins with.
            sent_back: the critic's findings in the old program.
            findings: known faults of the new one from before the critic's check.
        """
        with self._write() as database:
            row = self.candidate(candidate)
            database.insert(
                "drafts",
                candidate_id=candidate,
                attempt=len(self.drafts(candidate)),
                text=row.text,
                verdict=list(sent_back),
            )
            values = {"text": text, "thought": thought, "verdict": list(findings)}
            database.update("candidates", candidate, **values)
            write_atomically(self.candidate_folder(candidate) / "reward.py", text)
            return self.candidate(candidate)

    def set_reflection(self, candidate: int, text: str, part: str = "training") -> None:
        """Record one of the `REFLECTION_PARTS` of what a candidate teaches; empty to remove it."""
        with self._write() as database:
            others = {n: t for n, t in self.candidate(candidate).reflections.items() if n != part}
            parts = others | ({part: text} if text else {})
            database.update("candidates", candidate, reflections=parts)

    def set_result(self, candidate: int, **results: float | None) -> None:
        """Record the results of a finished candidate: of its selected checkpoint, ranking pool.

        Args:
            candidate: its number.
            **results: `fitness`, `own_return`, `checkpoint_step`, `progress` of `CandidateRow`.
        """
        over = {"state": "finished", "failure": None, "finished": time.time()}
        self._update("candidates", candidate, **{"progress": None} | results | over)

    def set_failure(self, candidate: int, failure: str) -> None:
        """Record why a candidate failed."""
        values = {"state": "failed", "failure": failure, "finished": time.time()}
        self._update("candidates", candidate, **values)

    def add_reward_comparison(self, generation: int, **values: Any) -> None:
        """Record what is known after a generation: the other fields of `RewardComparisonRow`."""
        self._insert("insights", generation=generation, **values)

    def add_analysis(
        self,
        candidate: int,
        *,
        failures: Mapping[str, Any] | None = None,
        lens: Mapping[str, Any] | None = None,
        opinion: Mapping[str, Any] | None = None,
    ) -> None:
        """Record, once, what is known of a finished candidate: the fields of `AnalysisRow`."""
        parts = {"failures": failures or {}, "lens": lens or {}, "opinion": opinion or {}}
        self._insert("analyses", candidate_id=candidate, **parts)

    # The language model

    def add_exchange(self, role: str, place: tuple[int, int, int], **values: Any) -> None:
        """Record a question to the language model with its answer, which was paid for.

        Args:
            role: the role of `ExchangeRow`.
            place: generation, slot and attempt that it is about; once for each role.
            **values: the other fields of `ExchangeRow`, without `id` and `time`.
        """
        where = dict(zip(("generation", "slot", "attempt"), place, strict=True))
        self._insert("exchanges", time=time.time(), role=role, **where, **values)

    # Training runs

    def add_training(
        self, role: Role, seed: int, *, steps_total: int, candidate: int | None = None
    ) -> TrainingRow:
        """Enter a training run that is to be done, or return the one that is already there."""
        with self._write() as database:
            database.execute(
                "INSERT INTO trainings (role, candidate_id, seed, steps_total) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (role, ifnull(candidate_id, 0), seed) DO NOTHING",
                role,
                candidate,
                seed,
                steps_total,
            )
            sql = "SELECT * FROM trainings WHERE role = ? AND candidate_id IS ? AND seed = ?"
            return database.select(TrainingRow, sql, role, candidate, seed)[0]

    def start_training(self, training: int) -> None:
        """Begin a training run anew; what an earlier attempt left is deleted."""
        with self._write() as database:
            database.execute("DELETE FROM evaluations WHERE training_id = ?", training)
            database.update("trainings", training, state="training", steps_done=0, failure=None)

    def set_progress(self, steps_done: Mapping[int, int]) -> None:
        """Record the environment steps that training runs have done, by training number."""
        with self._write() as database:
            for training, steps in steps_done.items():
                database.update("trainings", training, steps_done=steps)

    def finish_training(self, training: int, **results: float | None) -> None:
        """Record a finished training run and its selected checkpoint.

        Args:
            training: its number.
            **results: `ranking_fitness`, `own_return`, `checkpoint_step` and `progress` of
                `TrainingRow`.
        """
        over = {"state": "finished", "failure": None}
        self._update("trainings", training, **{"progress": None} | results | over)

    def fail_training(self, training: int, failure: str) -> None:
        """Record why a training run failed."""
        self._update("trainings", training, state="failed", failure=failure)

    def set_reporting(self, training: int, fitness: float) -> None:
        """Record the fitness of the selected checkpoint on the reporting pool."""
        self._update("trainings", training, reporting_fitness=fitness)

    def set_reproduced(self, training: int, reproduced: bool) -> None:
        """Record whether training again gave the same result."""
        self._update("trainings", training, reproduced=reproduced)

    def add_evaluation(
        self,
        training: int,
        step: int,
        *,
        components: Mapping[str, Mapping[str, float]] | None = None,
        diagnostics: Mapping[str, float] | None = None,
        **values: float | None,
    ) -> None:
        """Record how a policy does on the ranking pool after `step` environment steps.

        Args:
            training: the training run.
            step: environment steps so far.
            components: see `EvaluationRow`.
            diagnostics: of the trainer, by name.
            **values: the other numbers of `EvaluationRow`.
        """
        with self._write() as database:
            where = "training_id = ? AND step = ?"
            database.execute(f"DELETE FROM evaluations WHERE {where}", training, step)
            database.insert(
                "evaluations",
                training_id=training,
                step=step,
                components=components or {},
                diagnostics=diagnostics or {},
                **values,
            )

    # Events

    def event(self, kind: str, text: str, candidate: int | None = None) -> None:
        """Record in one sentence what happened."""
        self._insert("events", time=time.time(), kind=kind, candidate_id=candidate, text=text)


def write_transcript(run: Run, candidate: CandidateRow) -> None:
    """Write the conversation about a candidate as files beside its program, for people to read.

    They are `prompt.md` and `reply.md`, and for repairs `repair-<n>.prompt.md` and so on.
    """
    for exchange in run.exchanges(candidate.generation, candidate.slot):
        reasoning = [("reasoning", exchange.reasoning)] if exchange.reasoning else []
        parts = {
            "prompt": [(message["role"], message["content"]) for message in exchange.messages],
            "reply": [*reasoning, ("reply", exchange.reply)],
        }
        prefix = f"repair-{exchange.attempt}." if exchange.attempt else ""
        for name, sections in parts.items():
            text = "\n".join(f"<!-- {title} -->\n\n{body.strip()}\n" for title, body in sections)
            write_atomically(run.candidate_folder(candidate.id) / f"{prefix}{name}.md", text)


def _toml(config: Mapping[str, Any]) -> str:
    """A configuration as TOML, for people to read; settings that are None become comments."""
    unset = "".join(f"# {name} is not set\n" for name, value in config.items() if value is None)
    return tomli_w.dumps(_without_none(config)) + unset


def _without_none(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _without_none(value) if isinstance(value, Mapping) else value
        for name, value in config.items()
        if value is not None
    }
