"""Setting up a search: a new run, one to go on with, or the training of a single reward.

A `Launch` is what is searched, and how. `build_stages` makes of it what the stages of the loop
work with.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from eureka_agent.analysis.feedback import Feedback
from eureka_agent.analysis.rewards.bank import FOLDER, Bank, Scorer
from eureka_agent.analysis.rewards.comparison import RewardComparison
from eureka_agent.common.errors import MissingError, StorageError, UsageError
from eureka_agent.config import SearchConfig
from eureka_agent.critic.critic import Critic, Screening
from eureka_agent.critic.examiner import Examiner
from eureka_agent.critic.review import Review
from eureka_agent.designer.base import Designer, PastCandidate, Proposal, RepairRequest
from eureka_agent.designer.offline.designer import OfflineDesigner
from eureka_agent.environment import Environment, TaskDescription, find_environment, placeholders
from eureka_agent.reward import RewardRejected, parse
from eureka_agent.search.arguments import (
    check_arguments,
    read_fitness,
    read_goal,
    require_given,
    same_sentence,
    without_measure,
)
from eureka_agent.search.final_comparison import human_reward
from eureka_agent.search.trainer import Trainer
from eureka_agent.simulation import resolve_device
from eureka_agent.store import Run
from eureka_agent.store.folder import read_plain
from eureka_agent.store.trust import OWN_FITNESS, Agrees
from eureka_agent.video.winners import WinnerFilms
from eureka_agent.workers.judge_client import JudgeClient, JudgeFailed
from eureka_agent.workers.probe_client import ProbeClient
from eureka_agent.workers.protocol import JobFailed
from eureka_agent.workers.sandbox import require_isolation
from eureka_agent.workers.session import PrestartedWorker
from eureka_agent.workers.trainer_client import rows_per_call, start_trainer

if TYPE_CHECKING:
    from eureka_agent.analysis.trajectories.analyst import Analyst
    from eureka_agent.critic.reviewer import Reviewer
    from eureka_agent.llm import Client
    from eureka_agent.llm.conversation import Conversation

GIVEN, INITIAL = "given.py", "initial.py"
"""Files of the user's that a run keeps a copy of."""


LARGEST_PROGRAM = 16 << 20
"""Bytes of such a program."""


@dataclasses.dataclass
class SearchSetup:
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


@dataclasses.dataclass(frozen=True)
class Stages:
    """What the stages of `search.loop.search` work with, besides the launch.

    Attributes:
        critic: verifies programs, and sends broken ones back to the designer.
        trainer: trains them, and asks the judge about their policies.
        judge: plays policies and measures them; it never loads a program.
        prober: calls programs, for the critic and for what is learned.
        spare: keeps a worker's process ready for the trainer.
        bank: recorded episodes of all policies; None, as the next three, where a person gave the
            only program, which is compared with none.
        reflecting: analyses what policies do.
        insight: compares programs with each other.
        review: has programs reviewed before they train; None without a reviewer, too.
        films: has the best of each generation filmed; None where no film is wanted.
    """

    critic: Critic
    trainer: Trainer
    judge: JudgeClient
    prober: ProbeClient
    prestarted: PrestartedWorker
    bank: Bank | None
    feedback: Feedback | None
    reward_comparison: RewardComparison | None
    review: Review | None
    films: WinnerFilms | None


class GivenDesigner:
    """A designer with one program to offer: somebody else's."""

    name = "given"

    def __init__(self, text: str) -> None:
        self._text = text

    def propose(self, generation: int, count: int, past: Sequence[PastCandidate]) -> list[Proposal]:
        """The given program."""
        return [Proposal(text=self._text, parents=(), note="given")]

    def repair(self, broken: Sequence[RepairRequest]) -> list[Proposal | None]:
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
) -> SearchSetup:
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
    isolation = require_isolation(resolved.sandbox)
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


def resumed_search(
    path: Path, more_generations: int = 0, agrees: Agrees | None = None
) -> SearchSetup:
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


@contextmanager
def build_stages(launch: SearchSetup) -> Iterator[Stages]:
    """Connect the stages of a search, and end their processes afterwards.

    Raises:
        UsageError: the contrasts that the environment declares cannot be loaded.
    """
    run, config, environment = launch.run, launch.config, launch.environment
    rows = rows_per_call(config, environment)
    with (
        WinnerFilms(run) if config.video else nullcontext() as films,
        JudgeClient(environment, config, launch.fitness) as judge,
        ProbeClient(environment, sandbox=config.sandbox, rows=rows) as prober,
        PrestartedWorker(partial(start_trainer, config)) as prestarted,
    ):
        bank = reward_comparison = feedback = review = None
        screening = Screening()
        if config.designer != "given":
            bank = Bank(run.path / FOLDER, config.bank << 20, lambda text: run.event("bank", text))
            reward_comparison = _insight(launch, bank, prober)
            feedback = Feedback(run, environment, config, bank, prober, launch.analyst)
            review = _review(launch, bank, prober)
            screening = Screening(
                reward_comparison if config.equivalents else None,
                Examiner(environment, bank, prober) if config.exam else None,
                review,
            )
        yield Stages(
            critic=Critic(run, environment, launch.designer, prober, config.repairs, screening),
            trainer=Trainer(run, environment, config, judge, launch.fitness, prestarted),
            judge=judge,
            prober=prober,
            prestarted=prestarted,
            bank=bank,
            feedback=feedback,
            reward_comparison=reward_comparison,
            review=review,
            films=films,
        )


@contextmanager
def running(run: Run, config: SearchConfig) -> Iterator[None]:
    """Hold a run while something works on it; keep its status and clock, however that ends."""
    with run.lock():
        started = time.monotonic()
        run.set_sandbox(
            str(require_isolation(config.sandbox))
        )  # the machine may be another one than before
        run.set_status("running")
        try:
            yield
        except BaseException as error:
            # On a disk that refuses this fails, too; what went wrong first is what is said.
            with suppress(StorageError):
                run.add_usage(wall_seconds=time.monotonic() - started)
                if isinstance(error, KeyboardInterrupt):
                    run.set_status("interrupted")
                else:
                    run.set_status("failed", f"{type(error).__name__}: {error}")
            raise
        run.add_usage(wall_seconds=time.monotonic() - started)
        run.set_phase("finished")
        run.set_status("finished")


def _sound_fitness(path: Path, environment: Environment, config: SearchConfig) -> str:
    """The text of a user's fitness, tried by a judge as the run will: alone in its folder.

    Raises:
        UsageError: it cannot measure the environment's episodes.
    """
    text = read_fitness(path)
    with TemporaryDirectory() as folder:
        copy = Path(folder).resolve() / OWN_FITNESS
        copy.write_text(text, encoding="utf-8")
        with JudgeClient(environment, config, copy) as judge:
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
                raise UsageError(said.removesuffix(" Fix that file."), remedy) from error
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
    from eureka_agent.designer.llm_designer import LLMDesigner, LLMDesignerSettings

    settings = LLMDesignerSettings(
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
    return LLMDesigner(task, _conversation(config, run), run, settings)


def _conversation(config: SearchConfig, run: Run) -> "Conversation":
    """The model in any of its roles; the run holds what was spent in all of them."""
    from eureka_agent.llm.budget import Budget
    from eureka_agent.llm.conversation import Conversation

    budget = Budget(
        run,
        max_tokens=config.max_tokens,
        max_cost=config.max_cost,
        prompt_price=config.prompt_price,
        completion_price=config.completion_price,
    )
    return Conversation(
        lambda: _client(config, notify=lambda text: run.event("model", text)), run, budget
    )


def _roles(
    config: SearchConfig, task: TaskDescription, run: Run
) -> tuple["Reviewer | None", "Analyst | None"]:
    """What else the model is, besides the designer."""
    if not (config.review_rounds or config.analyst):
        return None, None
    from eureka_agent.analysis.trajectories.analyst import Analyst
    from eureka_agent.critic.reviewer import Reviewer

    conversation = _conversation(config, run)
    reviewer = Reviewer(task, conversation, config.parts) if config.review_rounds else None
    return reviewer, Analyst(task, conversation, config.parts) if config.analyst else None


def _insight(launch: SearchSetup, bank: Bank, prober: ProbeClient) -> RewardComparison:
    path = human_reward(launch.run, launch.environment)
    human = path.read_text(encoding="utf-8") if path else ""
    discount = launch.environment.training.discount
    return RewardComparison(launch.run, bank, Scorer(bank, prober), discount, human)


def _review(launch: SearchSetup, bank: Bank, prober: ProbeClient) -> Review | None:
    if launch.reviewer is None:
        return None
    run, environment, rounds = launch.run, launch.environment, launch.config.review_rounds
    return Review(run, environment, launch.reviewer, bank, prober, rounds)


def _launch(run: Run, environment: Environment, config: SearchConfig) -> SearchSetup:
    task = dataclasses.replace(
        environment.describe(), task=run.row().goal, measured=config.measured
    )
    if task.task != environment.task:
        task = dataclasses.replace(task, subtasks=())  # they are parts of another task
    own = run.path / OWN_FITNESS
    text = _kept(run, INITIAL) if (run.path / INITIAL).exists() else ""
    reviewer, analyst = _roles(config, task, run)
    return SearchSetup(
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
