"""A run that can be written to: how its folder is made, opened and held."""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self

from eureka_agent.errors import UsageError
from eureka_agent.store import lock, toml
from eureka_agent.store.database import Database
from eureka_agent.store.folder import DATABASE, new_name, write_atomically
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
        except OSError as error:
            raise UsageError(
                f"No run can be made in {directory}: {error.strerror}.",
                "Give --runs a folder that you may write to.",
            ) from error
        write_atomically(draft / "config.toml", toml.dumps(config))
        for file, text in (files or {}).items():
            write_atomically(draft / file, text)
        database = Database.create(draft / DATABASE)
        database.insert(
            "run",
            id=1,
            environment=environment,
            environment_source=environment_source or environment,
            goal=goal,
            status="running",
            created=now,
            updated=now,
            seed=seed,
            config=dict(config),
            sandbox=sandbox,
        )
        database.close()
        return cls.open(draft.rename(directory / name))

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing run folder for writing.

        Raises:
            UsageError: it is no run folder, or one that this version cannot read.
        """
        return cls(path, Database(path / DATABASE))

    def lock(self) -> AbstractContextManager[None]:
        """Be the one process that searches this run, for the length of the block.

        Raises:
            UsageError: another process is; raised on entering the block.
        """
        return lock.exclusive(self.path / LOCK)
