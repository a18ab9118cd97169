"""Checks of a search's arguments, before anything slow loads and before anything trains."""

import ast
from pathlib import Path

from eureka_agent.common.environments import (
    CODE,
    GYMNASIUM,
    environment_folder,
    require_environment,
)
from eureka_agent.common.errors import UsageError
from eureka_agent.common.paths import command
from eureka_agent.store import RunReader

HOW = (
    "It holds fitness(<signals>), which returns a number per step: see docs/tutorial.md, step 3. "
    "`eureka-agent envs ENV` lists the signals."
)
"""A description of fitness files, for people who do not have one yet."""
UNMEASURED = (
    "Nothing will check whether the goal is met: without a fitness, candidates rank by what the "
    "rewards of the others say about them. Watch the winner before you trust it."
)


def check_arguments(source: str, goal: str | None, fitness: Path | None, measured: bool) -> None:
    """Refuse arguments that no environment could make right; a new search checks the rest.

    Args:
        source: the environment's name or folder, or `gymnasium:ID`.
        goal: the task in the user's words; None for the environment's own.
        fitness: a file that measures it; None for the environment's own.
        measured: whether a fitness ranks the candidates.

    Raises:
        UsageError: there is no such environment, the goal is empty or has no measure, or the
            file is no fitness.
    """
    require_environment(source)
    goal = read_goal(goal)
    if fitness is not None and not measured:
        raise UsageError(
            "--fitness excludes --no-fitness and --set rank_by=peers.",
            "Leave one of them out.",
        )
    if fitness is not None:
        read_fitness(fitness)
    elif measured and goal is not None:
        task = _stated_task(source)
        if task is not None and not same_sentence(goal, task):
            raise without_measure(task)


def require_given(designer: str, given: bool) -> None:
    """Refuse the designer `given` without a program, and a given program for another designer.

    Raises:
        UsageError: one is there without the other.
    """
    if (designer == "given") != given:
        raise UsageError(
            "The designer 'given' is the one of the command train.",
            f"Use that: {command('train', 'ENV', '--reward', 'FILE')}",
        )


def read_goal(goal: str | None) -> str | None:
    """A goal as one line of words; None stays None.

    Raises:
        UsageError: it has no words.
    """
    if goal is None:
        return None
    words = " ".join(goal.split())
    if not any(letter.isalnum() for letter in words):
        raise UsageError(
            f"--goal {goal!r} says nothing.",
            "Give the task in one sentence, or leave --goal out for the environment's own.",
        )
    return words


def same_sentence(one: str, other: str) -> bool:
    """Whether two sentences differ only in case, spaces and the full stop."""
    first, second = (" ".join(text.split()).rstrip(" .!").casefold() for text in (one, other))
    return first == second


def without_measure(task: str) -> UsageError:
    """The refusal of a goal that nothing measures, as the environment's fitness measures `task`."""
    return UsageError(
        f"Nothing measures this goal: the environment's fitness is about its own task ({task!r}).",
        "Give --fitness FILE, a Python file that scores your goal (docs/tutorial.md, step 3), or "
        "--no-fitness to search without a measure: nothing then checks whether the goal is met.",
    )


def read_fitness(path: Path) -> str:
    """The text of a file that the user named as the fitness; it is read, never run.

    Raises:
        UsageError: there is no such file, or it is no Python file with a function `fitness`.
    """
    if path.is_dir():
        inside = path / "fitness.py"
        hint = f"Did you mean {inside}? " if inside.is_file() else ""
        raise UsageError(f"{path} is a folder; --fitness takes a Python file.", f"{hint}{HOW}")
    if not path.is_file():
        if path.suffix != ".py" and len(str(path).split()) > 1:
            raise UsageError(
                f"--fitness takes a Python file that scores the goal, not words ({str(path)!r}).",
                f"{HOW} The sentence itself goes into --goal.",
            )
        there = f"{path} is no ordinary file" if path.exists() else f"There is no file {path}"
        raise UsageError(f"{there}: --fitness takes a Python file.", HOW)
    try:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise UsageError(f"{path}{line} is not Python: {error.msg}.", f"Fix it. {HOW}") from error
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(
            f"{path} cannot be read as Python: {reason or type(error).__name__}.", HOW
        ) from error
    if not _defines_fitness(tree):
        raise UsageError(f"{path} defines no function called fitness.", HOW)
    return text


def require_evaluable(run: RunReader) -> None:
    """Refuse to evaluate a run without a winner, or without a fitness that measures it.

    Raises:
        UsageError: the search is not finished, found nothing, or has no fitness.
    """
    row = run.row()
    if run.status() != "finished":
        raise UsageError(
            f"Run {run.name} is not finished.", f"Go on with: {command('resume', run.path)}"
        )
    if not run.measured:
        raise UsageError(
            f"Run {run.name} was searched without a fitness: nothing measures its winner.",
            f"Look at it: {command('play', run.path, '--video', 'winner.mp4')}",
        )
    if row.best_candidate is None:
        raise UsageError(
            f"Run {run.name} has no winner to evaluate.",
            f"See why: {command('show', run.path)}",
        )


def _stated_task(source: str) -> str | None:
    """The sentence that `env.py` states as its task; None where only running it would show."""
    if source.startswith(GYMNASIUM):
        return None
    try:
        tree = ast.parse((environment_folder(source) / CODE).read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return None  # loading it will say what is wrong
    found = [
        statement.value.value
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        and _targets(statement) == ["task"]
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    ]
    return found[0] if len(found) == 1 else None


def _defines_fitness(tree: ast.Module) -> bool:
    """Whether a module may define `fitness`; one with `import *` may define any name."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef():
                names.add(node.name)
            case ast.Assign() | ast.AnnAssign():
                names.update(_targets(node))
            case ast.ImportFrom() | ast.Import():
                names.update(alias.asname or alias.name for alias in node.names)
    return bool(names & {"fitness", "*"})


def _targets(statement: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]
