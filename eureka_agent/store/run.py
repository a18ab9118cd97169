"""A run that can be written to: how its folder is made, opened and held."""

import math
import shutil
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any, Self

from eureka_agent.errors import StorageError
from eureka_agent.store import lock, toml, trust
from eureka_agent.store.database import Database
from eureka_agent.store.files import require_plain_folder, write_atomically
from eureka_agent.store.folder import DATABASE, latest_moment, new_name
from eureka_agent.store.reading import LOCK
from eureka_agent.store.writing import RunWriter


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
            with lock.exclusive(draft / LOCK):
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
        return lock.exclusive(self.path / LOCK)
