"""Setting up a search: a new run, one to go on with, or the training of a single reward."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from eureka_agent.designer import Broken, Designer, OfflineDesigner, Past, Proposal
from eureka_agent.environment import Environment, TaskDescription, find_environment
from eureka_agent.environment.placeholder import placeholders
from eureka_agent.errors import MissingError, UsageError
from eureka_agent.reward import RewardRejected, parse
from eureka_agent.sandbox.failures import JobFailed
from eureka_agent.sandbox.isolation import demand
from eureka_agent.search.arguments import (
    check_arguments,
    read_fitness,
    read_goal,
    require_given,
    same_sentence,
    without_measure,
)
from eureka_agent.search.children import Judge, JudgeFailed
from eureka_agent.search.config import SearchConfig
from eureka_agent.simulation import resolve_device
from eureka_agent.store import Run
from eureka_agent.store.files import read_plain
from eureka_agent.store.trust import OWN_FITNESS, Agrees

if TYPE_CHECKING:
    from eureka_agent.designer.analyst import Analyst
    from eureka_agent.designer.asking import Asking
    from eureka_agent.designer.review import Reviewer
    from eureka_agent.llm import Client

GIVEN, INITIAL = "given.py", "initial.py"
"""Files of the user's that a run keeps a copy of."""


LARGEST_PROGRAM = 16 << 20
"""Bytes of such a program."""


@dataclasses.dataclass
class Launch:
    """Everything that `search.loop.search` needs.

    Attributes:
        run: where everything is kept.
        environment: the task.
        config: how to search.
        designer: writes programs.
        fitness: the file that policies are judged by; None where nothing measures them.
        initial: text of a person's program to start from; may be empty.
        reviewer: looks at programs before they train; None if nobody does.
        analyst: looks at what policies do; None if nobody does.
    """

    run: Run
    environment: Environment
    config: SearchConfig
    designer: Designer
    fitness: Path | None
    initial: str = ""
    reviewer: "Reviewer | None" = None
    analyst: "Analyst | None" = None


class GivenDesigner:
    """A designer with one program to offer: somebody else's."""

    name = "given"

    def __init__(self, text: str) -> None:
        self._text = text

    def propose(self, generation: int, count: int, past: Sequence[Past]) -> list[Proposal]:
        """The given program."""
        return [Proposal(text=self._text, parents=(), note="given")]

    def repair(self, broken: Sequence[Broken]) -> list[Proposal | None]:
        """Nothing: mending it is up to whoever gave it."""
        return [None] * len(broken)


def new_search(
    source: str,
    directory: Path,
    config: Callable[[Environment], SearchConfig],
    *,
    goal: str | None = None,
    fitness: Path | None = None,
    given: str | None = None,
    initial: str | None = None,
) -> Launch:
    """Create a run.

    Args:
        source: the environment's name or folder, or `gymnasium:ID`.
        directory: where runs are kept.
        config: resolves the configuration for the environment.
        goal: the task in the user's words; the environment's own when None.
        fitness: a file that measures the goal; the environment's own when None.
        given: text of the program that the `given` designer offers.
        initial: text of a program that the search starts from.

    Raises:
        UsageError: the goal is not the environment's task and nothing measures it, or the file
            that should cannot.
        MissingError: the designer needs a key that is not set, or the machine cannot keep programs
            in as well as the sandbox policy asks for.
    """
    environment = find_environment(source)
    resolved = config(environment)
    goal = read_goal(goal)
    new = goal is not None and not same_sentence(goal, environment.task)
    check_arguments(source, goal, fitness, resolved.measured)
    if new and fitness is None and resolved.measured and not environment.open_goal:
        raise without_measure(environment.task)
    require_given(resolved.designer, given is not None)
    _check_model(resolved)
    isolation = demand(resolved.sandbox)
    if initial is not None:
        _check_initial(initial, environment, source)
    files = {GIVEN: given, INITIAL: initial}
    if fitness is not None:
        files[OWN_FITNESS] = _sound_fitness(fitness, environment, resolved)
    run = Run.create(
        directory,
        environment.name,
        goal=goal if goal is not None and new else environment.task,
        seed=resolved.seed,
        config=resolved.as_dict(),
        environment_source=environment.source,
        sandbox=str(isolation),
        files={name: text for name, text in files.items() if text is not None},
    )
    folder = Path(environment.source)  # one of Gymnasium's has none
    if "human reward" in placeholders(folder):
        run.event("human", "human_reward.py still says CHANGE: no reward is compared with it.")
    return _launch(run, environment, resolved)


def resumed_search(path: Path, more_generations: int = 0, agrees: Agrees | None = None) -> Launch:
    """Open a run to go on with it.

    Args:
        path: the run folder.
        more_generations: how many to add to those configured.
        agrees: asks the user about a run that was not made here; None where nobody can be asked.

    Raises:
        UsageError: the run was not made here, and the user does not agree to what it would do.
        MissingError: the run trains on a GPU, and there is none that can be used.
    """
    run = Run.open(path)
    run.require_trust(agrees)
    row = run.row()
    config = SearchConfig.from_dict(row.config)
    try:
        resolve_device(config.device)  # results of different devices must not be mixed in a run
    except MissingError as error:
        said = f"This run trains on {config.device}. {error.message}"
        raise MissingError(said, error.remedy) from error
    if not more_generations:
        return _launch(run, find_environment(row.environment_source), config)
    config = dataclasses.replace(config, generations=config.generations + more_generations)
    launch = _launch(run, find_environment(row.environment_source), config)
    with run.lock():  # somebody else may be searching it
        run.set_config(config.as_dict())
    return launch


def _sound_fitness(path: Path, environment: Environment, config: SearchConfig) -> str:
    """The text of a user's fitness, tried by a judge as the run will: alone in its folder.

    Raises:
        UsageError: it cannot measure the environment's episodes.
    """
    text = read_fitness(path)
    with TemporaryDirectory() as folder:
        copy = Path(folder).resolve() / OWN_FITNESS
        copy.write_text(text, encoding="utf-8")
        with Judge(environment, config, copy) as judge:
            try:
                judge.open()
            except JudgeFailed as error:
                if not isinstance(error.__cause__, JobFailed):
                    raise
                said = error.__cause__.message.replace(str(copy), str(path))
                modules = (f"'{other.stem}'" in said for other in path.parent.glob("*.py"))
                remedy = "Fix that file."
                if folder in said or any(modules):
                    remedy += " A run keeps a copy of it alone, without what is beside it."
                raise UsageError(said.removesuffix(" Mend that file."), remedy) from error
    return text


def _kept(run: Run, name: str) -> str:
    """A program that the run keeps a copy of."""
    try:
        return read_plain(run.path / name, LARGEST_PROGRAM, run.path).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(
            f"{run.path / name} cannot be read: {why}.", "Put it back, or begin a new search."
        ) from error


def _check_initial(text: str, environment: Environment, source: str) -> None:
    """Refuse a program to start from that would never be trained."""
    try:
        parse(text, environment.signals_described)
    except RewardRejected as error:
        raise UsageError(
            f"The program to start from is not sound. {error.message}",
            f"See all of it with: eureka-agent critique {source} FILE",
        ) from error


def _check_model(config: SearchConfig) -> None:
    """Fail before there is a run if the language model cannot even be asked."""
    config.require_asked_model()
    if config.designer == "openai":
        _client(config)


def _client(config: SearchConfig, notify: Callable[[str], None] = lambda text: None) -> "Client":
    from eureka_agent.llm import Client, ModelSettings  # slow to import, and often not needed

    settings = ModelSettings(
        model=config.model,
        base_url=config.base_url,
        temperature=config.temperature,
        reply_tokens=config.reply_tokens,
        timeout_s=config.reply_timeout,
        concurrency=config.concurrency,
    )
    return Client(settings, notify=notify)


def _designer(config: SearchConfig, task: TaskDescription, run: Run, initial: str) -> Designer:
    match config.designer:
        case "offline":
            return OfflineDesigner(task, config.seed)
        case "offline-blind":
            return OfflineDesigner(task, config.seed, blind=True)
        case "given":
            return GivenDesigner(_kept(run, GIVEN))
        case "openai":
            return _language_model_designer(config, task, run, initial)
        case other:
            raise AssertionError(other)


def _language_model_designer(
    config: SearchConfig, task: TaskDescription, run: Run, initial: str
) -> Designer:
    from eureka_agent.designer.author import AuthorSettings, LanguageModelDesigner

    settings = AuthorSettings(
        name=config.model,
        turns=config.history,
        training_steps=config.steps,
        repairs=config.repairs + config.review_rounds,
        with_source=config.context == "source",
        reflect=config.reflection,
        strategies=config.strategies,
        forgetful=config.memory == "generation",
        parts=config.parts,
        initial=initial,
    )
    return LanguageModelDesigner(task, _asking(config, run), run, settings)


def _asking(config: SearchConfig, run: Run) -> "Asking":
    """The model in any of its roles; the run holds what was spent in all of them."""
    from eureka_agent.designer.asking import Asking
    from eureka_agent.designer.budget import Budget

    budget = Budget(
        run,
        max_tokens=config.max_tokens,
        max_cost=config.max_cost,
        prompt_price=config.prompt_price,
        completion_price=config.completion_price,
    )
    return Asking(
        lambda: _client(config, notify=lambda text: run.event("model", text)), run, budget
    )


def _roles(
    config: SearchConfig, task: TaskDescription, run: Run
) -> tuple["Reviewer | None", "Analyst | None"]:
    """What else the model is, besides the designer."""
    if not (config.review_rounds or config.analyst):
        return None, None
    from eureka_agent.designer.analyst import Analyst
    from eureka_agent.designer.review import Reviewer

    asking = _asking(config, run)
    reviewer = Reviewer(task, asking, config.parts) if config.review_rounds else None
    return reviewer, Analyst(task, asking, config.parts) if config.analyst else None


def _launch(run: Run, environment: Environment, config: SearchConfig) -> Launch:
    task = dataclasses.replace(
        environment.describe(), task=run.row().goal, measured=config.measured
    )
    if task.task != environment.task:
        task = dataclasses.replace(task, subtasks=())  # they are parts of another task
    own = run.path / OWN_FITNESS
    text = _kept(run, INITIAL) if (run.path / INITIAL).exists() else ""
    reviewer, analyst = _roles(config, task, run)
    return Launch(
        run=run,
        environment=environment,
        config=config,
        designer=_designer(config, task, run, text),
        fitness=_fitness(own, environment, config),
        initial=text,
        reviewer=reviewer,
        analyst=analyst,
    )


def _fitness(own: Path, environment: Environment, config: SearchConfig) -> Path | None:
    """The file that a run's policies are judged by, if they are: the user's own, where it is."""
    if not config.measured:
        return None
    return own if own.is_file() else environment.fitness_path
