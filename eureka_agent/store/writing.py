"""Every way in which a search changes what is stored of a run."""

import math
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Self

from eureka_agent.common.errors import StorageError
from eureka_agent.store import folder, toml, trust
from eureka_agent.store.database import Database
from eureka_agent.store.folder import (
    DATABASE,
    latest_moment,
    new_name,
    require_plain_folder,
    write_atomically,
)
from eureka_agent.store.reading import LOCK, RunReader
from eureka_agent.store.rows import (
    CandidateRow,
    CandidateState,
    ExchangeRow,
    Role,
    RunStatus,
    TrainingRow,
)


class RunWriter(RunReader):
    """Writes to a run.

    Each method that writes is one transaction; several are one inside `with run.transaction():`.
    """

    @contextmanager
    def _write(self) -> Iterator[Database]:
        with self._database.transaction():
            yield self._database
            self._database.update("run", 1, updated=time.time())

    # The run

    def set_status(self, status: RunStatus, failure: str | None = None) -> None:
        """Say how the run stands, and why if it failed."""
        with self._write() as database:
            database.update("run", 1, status=status, failure=failure)

    def set_phase(self, text: str) -> None:
        """Say in words what happens now."""
        with self._write() as database:
            database.update("run", 1, phase=text)

    def set_config(self, config: Mapping[str, Any]) -> None:
        """Change the resolved configuration, as more of a finished search does."""
        with self._write() as database:
            before = self.row()
            mine = trust.made_here(self.path, before)
            database.update("run", 1, config=dict(config))
            if mine:  # as it was, too: a kill before the commit leaves it so
                trust.sign(self.path, before, self.row())
            write_atomically(self.path / "config.toml", toml.dumps(config))

    def set_measure(self, **values: Any) -> None:
        """Add to what is known of the fitness: entries of `RunRow.measure`."""
        with self._write() as database:
            database.update("run", 1, measure=self.row().measure | values)

    def set_sandbox(self, text: str) -> None:
        """Say in words how candidates are isolated."""
        with self._write() as database:
            database.update("run", 1, sandbox=text)

    def set_best(self, candidate: int) -> None:
        """Make a candidate the one that leads; its program is written to `best/reward.py`."""
        with self._write() as database:
            database.update("run", 1, best_candidate=candidate)
            folder = self.path / "best"
            folder.mkdir(exist_ok=True)
            write_atomically(folder / "reward.py", self.candidate(candidate).text)

    def add_usage(
        self, *, env_steps: int = 0, train_seconds: float = 0.0, wall_seconds: float = 0.0
    ) -> None:
        """Add to what the run has spent: training steps, the time they took, time as a whole."""
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

        `findings` are what is wrong with it before anybody checked it.
        """
        with self._write() as database:
            place = (generation, slot)
            sql = "SELECT * FROM candidates WHERE generation = ? AND slot = ?"
            existing = database.select(CandidateRow, sql, *place)
            if existing:
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
                verdict=[dict(finding) for finding in findings],
                created=time.time(),
            )
            # Before the commit, so that a candidate that is there has its file.
            folder = self.candidate_folder(number)
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / "reward.py", text)
            return self.candidate(number)

    def set_candidate_state(self, candidate: int, state: CandidateState) -> None:
        """Say where a candidate stands."""
        with self._write() as database:
            database.update("candidates", candidate, state=state)

    def set_verdict(
        self,
        candidate: int,
        findings: Sequence[Mapping[str, Any]],
        *,
        accepted: bool,
        failure: str | None = None,
        twin: int | None = None,
    ) -> None:
        """Record what the critic found: the candidate may train or, with the reason, may not.

        `twin` is the candidate as whose equivalent it was rejected.
        """
        with self._write() as database:
            database.update(
                "candidates",
                candidate,
                state="accepted" if accepted else "rejected",
                verdict=[dict(finding) for finding in findings],
                failure=failure,
                finished=None if accepted else time.time(),
                twin=twin,
            )

    def clear_twin(self, candidate: int) -> None:
        """Record that a rejected candidate turned out to be nobody's equivalent."""
        with self._write() as database:
            database.update("candidates", candidate, twin=None)

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
            candidate: whose program.
            text: the new one.
            thought: what that begins with.
            sent_back: why the old one was.
            findings: what is wrong with the new one before anybody checked it.
        """
        with self._write() as database:
            row = self.candidate(candidate)
            database.insert(
                "drafts",
                candidate_id=candidate,
                attempt=len(self.drafts(candidate)),
                text=row.text,
                verdict=[dict(finding) for finding in sent_back],
            )
            values = {"text": text, "thought": thought, "verdict": [dict(f) for f in findings]}
            database.update("candidates", candidate, **values)
            write_atomically(self.candidate_folder(candidate) / "reward.py", text)
            return self.candidate(candidate)

    def set_reflection(self, candidate: int, text: str, part: str = "training") -> None:
        """Record one of the `REFLECTION_PARTS` of what a candidate teaches; empty to remove it."""
        with self._write() as database:
            others = {n: t for n, t in self.candidate(candidate).reflections.items() if n != part}
            parts = others | ({part: text} if text else {})
            database.update("candidates", candidate, reflections=parts)

    def set_result(
        self,
        candidate: int,
        *,
        fitness: float | None,
        own_return: float,
        checkpoint_step: int,
        progress: float | None = None,
    ) -> None:
        """Record a finished candidate: its shipped checkpoint, as measured on the ranking pool."""
        with self._write() as database:
            database.update(
                "candidates",
                candidate,
                state="finished",
                fitness=fitness,
                own_return=own_return,
                checkpoint_step=checkpoint_step,
                progress=progress,
                failure=None,
                finished=time.time(),
            )

    def set_failure(self, candidate: int, failure: str) -> None:
        """Record that a candidate broke, and how."""
        with self._write() as database:
            values = {"state": "failed", "failure": failure, "finished": time.time()}
            database.update("candidates", candidate, **values)

    def add_reward_comparison(self, generation: int, **values: Any) -> None:
        """Record what is known after a generation: the other fields of `InsightRow`."""
        with self._write() as database:
            database.insert("insights", generation=generation, **values)

    def add_analysis(
        self,
        candidate: int,
        *,
        failures: Mapping[str, Any] | None = None,
        lens: Mapping[str, Any] | None = None,
        opinion: Mapping[str, Any] | None = None,
    ) -> None:
        """Record what is known of a finished candidate, once: the fields of `AnalysisRow`."""
        with self._write() as database:
            database.insert(
                "analyses",
                candidate_id=candidate,
                failures=dict(failures or {}),
                lens=dict(lens or {}),
                opinion=dict(opinion or {}),
            )

    # The language model

    def add_exchange(self, role: str, place: tuple[int, int, int], **values: Any) -> None:
        """Record a question to the language model with its answer: it was paid for.

        Args:
            role: in which the model was asked.
            place: generation, slot and attempt that it is about; each role answers it once.
            **values: the other fields of `ExchangeRow`, without `id` and `time`.
        """
        generation, slot, attempt = place
        place_values = {"generation": generation, "slot": slot, "attempt": attempt}
        with self._write() as database:
            database.insert("exchanges", time=time.time(), role=role, **place_values, **values)

    # Trainings

    def add_training(
        self, role: Role, seed: int, *, steps_total: int, candidate: int | None = None
    ) -> TrainingRow:
        """Enter a training that is to be done, or return the one that is already there."""
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
        """Begin a training from nothing; what an earlier attempt left is forgotten."""
        with self._write() as database:
            database.execute("DELETE FROM evaluations WHERE training_id = ?", training)
            database.update("trainings", training, state="training", steps_done=0, failure=None)

    def set_progress(self, steps_done: Mapping[int, int]) -> None:
        """Record how far trainings are: environment steps by training number."""
        with self._write() as database:
            for training, steps in steps_done.items():
                database.update("trainings", training, steps_done=steps)

    def finish_training(
        self,
        training: int,
        *,
        ranking_fitness: float | None,
        own_return: float | None,
        checkpoint_step: int | None,
        progress: float | None = None,
    ) -> None:
        """Record a finished training and its shipped checkpoint."""
        with self._write() as database:
            database.update(
                "trainings",
                training,
                state="finished",
                ranking_fitness=ranking_fitness,
                own_return=own_return,
                checkpoint_step=checkpoint_step,
                progress=progress,
                failure=None,
            )

    def fail_training(self, training: int, failure: str) -> None:
        """Record that a training broke, and how."""
        with self._write() as database:
            database.update("trainings", training, state="failed", failure=failure)

    def set_reporting(self, training: int, fitness: float) -> None:
        """Record what the shipped checkpoint is worth on the reporting pool."""
        with self._write() as database:
            database.update("trainings", training, reporting_fitness=fitness)

    def set_reproduced(self, training: int, reproduced: bool) -> None:
        """Record whether training again gave the same result."""
        with self._write() as database:
            database.update("trainings", training, reproduced=reproduced)

    def add_evaluation(
        self,
        training: int,
        step: int,
        *,
        fitness: float | None,
        progress: float | None = None,
        own_return: float | None = None,
        episode_length: float | None = None,
        ended_early: float | None = None,
        components: Mapping[str, Mapping[str, float]] | None = None,
        diagnostics: Mapping[str, float] | None = None,
    ) -> None:
        """Record how a policy does on the ranking pool after `step` environment steps."""
        with self._write() as database:
            database.execute(
                "DELETE FROM evaluations WHERE training_id = ? AND step = ?", training, step
            )
            database.insert(
                "evaluations",
                training_id=training,
                step=step,
                fitness=fitness,
                progress=progress,
                own_return=own_return,
                episode_length=episode_length,
                ended_early=ended_early,
                components={name: dict(value) for name, value in (components or {}).items()},
                diagnostics=dict(diagnostics or {}),
            )

    # Events

    def event(self, kind: str, text: str, candidate: int | None = None) -> None:
        """Say in one sentence what happened."""
        with self._write() as database:
            database.insert(
                "events", time=time.time(), kind=kind, candidate_id=candidate, text=text
            )


class Run(RunWriter):
    """A run folder that can also be written to, made by `Run.create` and `Run.open`."""

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
            directory: where runs are kept; made if it is missing.
            environment: the environment's name.
            goal: the task in one sentence.
            seed: the search's seed.
            config: the resolved configuration: nested dicts of text, numbers, booleans, lists.
            environment_source: what the user called the environment; its name if empty.
            sandbox: the level of isolation in words, where it is known already.
            files: texts by name that the run keeps a copy of.
        """
        now = time.time()
        name = new_name(environment, now)
        # Made under a hidden name and moved when complete: a killed process leaves no half a run.
        draft = directory / f".{name}"
        try:
            (draft / "candidates").mkdir(parents=True)
            with folder.exclusive(draft / LOCK):
                pass  # where there are no locks it is said now, not after the first programs
            write_atomically(draft / "config.toml", toml.dumps(config))
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
            UsageError: it is no run folder, one that this version cannot read, or one from which
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
                "See whose it is, or go on with a copy of it.",
            ) from error
        return cls(path, Database(path / DATABASE))

    def lock(self) -> AbstractContextManager[None]:
        """Be the one process that searches this run, for the length of the block.

        Raises:
            UsageError: another process is; raised on entering the block.
        """
        return folder.exclusive(self.path / LOCK)


def write_transcript(run: Run, candidate: CandidateRow) -> None:
    """Write `prompt.md` and `reply.md`, and for repairs `repair-<n>.prompt.md` and so on."""
    folder = run.candidate_folder(candidate.id)
    for exchange in run.exchanges(candidate.generation, candidate.slot):
        prefix = f"repair-{exchange.attempt}." if exchange.attempt else ""
        for name, text in (("prompt", _prompt(exchange)), ("reply", _reply(exchange))):
            write_atomically(folder / f"{prefix}{name}.md", text)


def _prompt(exchange: ExchangeRow) -> str:
    return _sections([(message["role"], message["content"]) for message in exchange.messages])


def _reply(exchange: ExchangeRow) -> str:
    reasoning = [("reasoning", exchange.reasoning)] if exchange.reasoning else []
    return _sections([*reasoning, ("reply", exchange.reply)])


def _sections(parts: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"<!-- {name} -->\n\n{text.strip()}\n" for name, text in parts)
