"""Set up a search: a new run, one to continue, or the training of a single reward.

`new_search` and `resumed_search` give a `SearchSetup`: a run with everything that decides its
result. `build_stages` starts the processes and connects the stages of `search.loop`.
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
"""The user's files that a run keeps a copy of."""
LARGEST_PROGRAM = 16 << 20
"""Most bytes of such a file."""


@dataclasses.dataclass
class SearchSetup:
    """Everything that decides the result of `search.loop.search`.

    Attributes:
        run: where everything is stored.
        environment: the task.
        config: how to search.
        designer: writes programs.
        fitness: the file that policies are judged by; None where nothing measures them.
        initial: text of a person's program to start from; may be empty.
        reviewer: the model that reviews programs before they train, if one does.
        analyst: the model that looks at what policies do, if one does.
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
    """The parts that the stages of `search.loop.search` use, besides the setup.

    Attributes:
        critic: verifies programs, and sends broken ones back to the designer.
        trainer: trains them, and asks the judge about their policies.
        judge: plays policies and measures them; it never loads a program.
        prober: calls programs, for the critic and for feedback.
        prestarted: keeps a process ready for the next trainer worker.
        bank: recorded episodes of all policies; None, like the next three, if a person gave the
            only program, which is compared with no other.
        feedback: analyses what policies do.
        reward_comparison: compares programs with each other.
        review: has programs reviewed before they train; also None without a reviewer.
        films: films the best of each generation, if films are wanted.
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
    """A designer with one program to offer, which a person wrote."""

    name = "given"

    def __init__(self, text: str) -> None:
        self._text = text

    def propose(self, generation: int, count: int, past: Sequence[PastCandidate]) -> list[Proposal]:
        """The given program."""
        return [Proposal(text=self._text, parents=(), note="given")]

    def repair(self, broken: Sequence[RepairRequest]) -> list[Proposal | None]:
        """No repairs: only its author may change the program."""
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
        directory: the folder of runs.
        config: resolves the configuration for the environment.
        goal: the task in the user's words; the environment's own when None.
        fitness: a file that measures the goal; the environment's own when None.
        given: text of the program that the `given` designer offers.
        initial: text of a program that the search starts from.

    Raises:
        UsageError: the goal is not the environment's task and nothing measures it, or the file
            that should cannot.
        MissingError: the designer needs a key that is not set, or the machine cannot isolate
            programs as well as the sandbox policy asks for.
    """
    environment = find_environment(source)
    resolved = config(environment)
    check_arguments(source, goal, fitness, resolved.measured)
    goal = read_goal(goal)
    if goal is None or same_sentence(goal, environment.task):
        goal = environment.task
    unmeasured = fitness is None and resolved.measured and not environment.open_goal
    if goal != environment.task and unmeasured:
        raise without_measure(environment.task)
    require_given(resolved.designer, given is not None)
    resolved.require_asked_model()
    if resolved.designer == "openai":
        _client(resolved)  # fails before there is a run if the model cannot even be asked
    isolation = require_isolation(resolved.sandbox)
    if initial is not None:
        _check_initial(initial, environment, source)
    files = {GIVEN: given, INITIAL: initial}
    if fitness is not None:
        files[OWN_FITNESS] = _sound_fitness(fitness, environment, resolved)
    run = Run.create(
        directory,
        environment.name,
        goal=goal,
        seed=resolved.seed,
        config=resolved.as_dict(),
        environment_source=environment.source,
        sandbox=str(isolation),
        files={name: text for name, text in files.items() if text is not None},
    )
    if "human reward" in placeholders(Path(environment.source)):
        run.event("human", "human_reward.py still says CHANGE: no reward is compared with it.")
    return _set_up(run, environment, resolved)


def resumed_search(
    path: Path, more_generations: int = 0, agrees: Agrees | None = None
) -> SearchSetup:
    """Open a run to continue it.

    Args:
        path: the run folder.
        more_generations: how many to add to those configured.
        agrees: asks the user about a run that was not made here; None without a terminal.

    Raises:
        UsageError: the run was not made here, and the user does not agree to its effects.
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
    config = dataclasses.replace(config, generations=config.generations + more_generations)
    setup = _set_up(run, find_environment(row.environment_source), config)
    if more_generations:
        with run.lock():  # another process may be searching it
            run.set_config(config.as_dict())
    return setup


@contextmanager
def build_stages(setup: SearchSetup) -> Iterator[Stages]:
    """Connect the stages of a search, and end their processes afterwards.

    Raises:
        UsageError: the contrasts that the environment declares cannot be loaded.
    """
    run, config, environment = setup.run, setup.config, setup.environment
    rows = rows_per_call(config, environment)
    with (
        WinnerFilms(run) if config.video else nullcontext() as films,
        JudgeClient(environment, config, setup.fitness) as judge,
        ProbeClient(environment, sandbox=config.sandbox, rows=rows) as prober,
        PrestartedWorker(partial(start_trainer, config)) as prestarted,
    ):
        bank = comparison = feedback = review = None
        screening = Screening()
        if config.designer != "given":
            bank = Bank(run.path / FOLDER, config.bank << 20, lambda text: run.event("bank", text))
            human = human_reward(run, environment)
            comparison = RewardComparison(
                run,
                bank,
                Scorer(bank, prober),
                environment.training.gamma,
                human.read_text(encoding="utf-8") if human else "",
            )
            feedback = Feedback(run, environment, config, bank, prober, setup.analyst)
            if setup.reviewer is not None:
                rounds = config.review_rounds
                review = Review(run, environment, setup.reviewer, bank, prober, rounds)
            screening = Screening(
                comparison if config.equivalents else None,
                Examiner(environment, bank, prober) if config.exam else None,
                review,
            )
        yield Stages(
            critic=Critic(run, environment, setup.designer, prober, config.repairs, screening),
            trainer=Trainer(run, environment, config, judge, setup.fitness, prestarted),
            judge=judge,
            prober=prober,
            prestarted=prestarted,
            bank=bank,
            feedback=feedback,
            reward_comparison=comparison,
            review=review,
            films=films,
        )


@contextmanager
def running(run: Run, config: SearchConfig) -> Iterator[None]:
    """Hold a run while something works on it; keep its status and clock, however that ends."""
    with run.lock():
        started = time.monotonic()
        isolation = require_isolation(config.sandbox)  # the machine may be another one than before
        run.set_sandbox(str(isolation))
        run.set_status("running")
        try:
            yield
        except BaseException as error:
            # On a disk that refuses writes this fails, too; the first error is the one to raise.
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


def _check_initial(text: str, environment: Environment, source: str) -> None:
    """Refuse a program to start from that would never be trained."""
    try:
        parse(text, environment.signals_described)
    except RewardRejected as error:
        raise UsageError(
            f"The program to start from is not sound. {error.message}",
            f"See all of it with: eureka-agent critique {source} FILE",
        ) from error


def _set_up(run: Run, environment: Environment, config: SearchConfig) -> SearchSetup:
    task = dataclasses.replace(
        environment.describe(), task=run.row().goal, measured=config.measured
    )
    if task.task != environment.task:
        task = dataclasses.replace(task, subtasks=())  # they are parts of another task
    own = run.path / OWN_FITNESS
    fitness = own if own.is_file() else environment.fitness_path
    initial = _kept(run, INITIAL) if (run.path / INITIAL).exists() else ""
    setup = SearchSetup(
        run=run,
        environment=environment,
        config=config,
        designer=_designer(config, task, run, initial),
        fitness=fitness if config.measured else None,
        initial=initial,
    )
    if config.review_rounds or config.analyst:
        from eureka_agent.analysis.trajectories.analyst import Analyst
        from eureka_agent.critic.reviewer import Reviewer

        conversation = _conversation(config, run)
        if config.review_rounds:
            setup.reviewer = Reviewer(task, conversation, config.parts)
        if config.analyst:
            setup.analyst = Analyst(task, conversation, config.parts)
    return setup


def _kept(run: Run, name: str) -> str:
    try:
        return read_plain(run.path / name, LARGEST_PROGRAM, run.path).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(
            f"{run.path / name} cannot be read: {why}.", "Put it back, or begin a new search."
        ) from error


def _designer(config: SearchConfig, task: TaskDescription, run: Run, initial: str) -> Designer:
    match config.designer:
        case "offline" | "offline-blind":
            return OfflineDesigner(task, config.seed, blind=config.designer == "offline-blind")
        case "given":
            return GivenDesigner(_kept(run, GIVEN))
        case "openai":
            from eureka_agent.designer.llm_designer import LLMDesigner

            return LLMDesigner(task, _conversation(config, run), run, config, initial)
        case other:
            raise AssertionError(other)


def _conversation(config: SearchConfig, run: Run) -> "Conversation":
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
