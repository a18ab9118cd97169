"""Setting up a search: a new run, one to go on with, or the training of a single reward."""

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from eureka_agent.designer import Designer, OfflineDesigner, Past, Proposal
from eureka_agent.environment import Environment, TaskDescription, find_environment
from eureka_agent.errors import UsageError
from eureka_agent.search.config import SearchConfig
from eureka_agent.store import Run

SANDBOX = "separate processes, scrubbed environment, resource limits"
OWN_FITNESS, GIVEN = "fitness.py", "given.py"


@dataclasses.dataclass
class Launch:
    """Everything that `search.loop.search` needs."""

    run: Run
    environment: Environment
    config: SearchConfig
    designer: Designer
    fitness: Path


class GivenDesigner:
    """A designer with one program to offer: somebody else's."""

    name = "given"

    def __init__(self, text: str) -> None:
        self._text = text

    def propose(self, generation: int, count: int, past: Sequence[Past]) -> list[Proposal]:
        """The given program."""
        return [Proposal(text=self._text, parents=(), note="given")]


def new_search(
    source: str,
    directory: Path,
    config: Callable[[Environment], SearchConfig],
    *,
    goal: str | None = None,
    fitness: Path | None = None,
    given: str | None = None,
) -> Launch:
    """Create a run.

    Args:
        source: the environment's name or folder.
        directory: where runs are kept.
        config: resolves the configuration for the environment.
        goal: the task in the user's words; the environment's own when None.
        fitness: a file that measures the goal; the environment's own when None.
        given: text of the program that the `given` designer offers.

    Raises:
        UsageError: the goal is not the environment's task and nothing measures it.
    """
    environment = find_environment(source)
    if goal is not None and goal.strip() != environment.task and fitness is None:
        raise UsageError(
            "A goal that differs from the environment's task needs --fitness FILE: candidates "
            "are ranked by a fitness, and the environment's own measures something else "
            f"({environment.task!r})."
        )
    if fitness is not None and not fitness.is_file():
        raise UsageError(f"There is no file {fitness}.", "Give --fitness a Python file.")
    resolved = config(environment)
    if (resolved.designer == "given") != (given is not None):
        raise UsageError("The designer 'given' is the one of the command train.", "Use that.")
    run = Run.create(
        directory,
        environment.name,
        goal=goal or environment.task,
        seed=resolved.seed,
        config=resolved.as_dict(),
        environment_source=str(environment.folder),
        sandbox=SANDBOX,
    )
    if fitness is not None:
        shutil.copyfile(fitness, run.path / OWN_FITNESS)
    if given is not None:
        (run.path / GIVEN).write_text(given, encoding="utf-8")
    return _launch(run, environment, resolved)


def resumed_search(path: Path, more_generations: int = 0) -> Launch:
    """Open a run to go on with it.

    Args:
        path: the run folder.
        more_generations: how many to add to those configured.
    """
    run = Run.open(path)
    row = run.row()
    config = SearchConfig.from_dict(row.config)
    if more_generations:
        config = dataclasses.replace(config, generations=config.generations + more_generations)
        run.set_config(config.as_dict())
    return _launch(run, find_environment(row.environment_source), config)


def _designer(config: SearchConfig, task: TaskDescription, run: Run) -> Designer:
    match config.designer:
        case "offline":
            return OfflineDesigner(task, config.seed)
        case "offline-blind":
            return OfflineDesigner(task, config.seed, blind=True)
        case "given":
            return GivenDesigner((run.path / GIVEN).read_text(encoding="utf-8"))
        case other:
            raise AssertionError(other)


def _launch(run: Run, environment: Environment, config: SearchConfig) -> Launch:
    task = dataclasses.replace(environment.describe(), task=run.row().goal)
    own = run.path / OWN_FITNESS
    return Launch(
        run=run,
        environment=environment,
        config=config,
        designer=_designer(config, task, run),
        fitness=own if own.is_file() else environment.fitness_path,
    )
