"""Commands that write, check and train rewards."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from eureka_agent.cli.options import (
    RUNS,
    AsJson,
    Device,
    EnvironmentName,
    Plain,
    RunName,
    RunsFolder,
    Sandbox,
    Seed,
    Steps,
    Trust,
    agreement,
    app,
    count,
    file_option,
    note,
    output,
    read_text,
    typed_path,
)
from eureka_agent.common.choices import MOST_TRAININGS
from eureka_agent.common.environments import require_environment
from eureka_agent.common.errors import EurekaError, UsageError
from eureka_agent.common.paths import command

if TYPE_CHECKING:
    from eureka_agent.search.setup import SearchSetup


@app.command()
def search(
    environment: EnvironmentName,
    goal: Annotated[
        str | None,
        Option(help="The task in one sentence; one of your own needs --fitness or --no-fitness."),
    ] = None,
    designer: Annotated[
        str | None,
        Option(help="What writes the programs: offline, or openai for a language model."),
    ] = None,
    model: Annotated[
        str | None, Option(help="The language model; its key is read from OPENAI_API_KEY.")
    ] = None,
    base_url: Annotated[
        str | None, Option(metavar="URL", help="Any server that speaks the OpenAI protocol.")
    ] = None,
    generations: Annotated[int | None, Option(help="Generations of candidates.")] = None,
    candidates: Annotated[int | None, Option(help="Candidates per generation.")] = None,
    steps: Steps = None,
    seed: Seed = None,
    device: Device = None,
    settings: Annotated[
        list[str] | None,
        Option("--set", metavar="K=V", help="Any other setting: see the command config show."),
    ] = None,
    fitness: Annotated[
        Path | None,
        file_option(
            "Python file that scores your own goal: fitness(<signals>) returns a number per "
            "step (docs/tutorial.md, step 3)."
        ),
    ] = None,
    init: Annotated[Path | None, file_option("A reward program to start from.")] = None,
    max_tokens: Annotated[
        int | None,
        Option(metavar="N", parser=count, help="Tokens that the language model may use."),
    ] = None,
    max_cost: Annotated[
        float | None, Option(metavar="USD", help="The most that the language model may cost.")
    ] = None,
    no_fitness: Annotated[
        bool,
        Option(
            "--no-fitness",
            help="Search without a fitness: candidates rank by the rewards of the others, and "
            "nothing checks whether the goal is met.",
        ),
    ] = False,
    sandbox: Sandbox = None,
    preset: Annotated[
        str, Option(metavar="P", help="Settings to begin with: see the command presets.")
    ] = "default",
    runs: RunsFolder = RUNS,
    plain: Plain = False,
) -> None:
    """Search for a reward function, and compare the best with human reward and bare fitness."""
    from eureka_agent.config import SearchConfig, parse_setting
    from eureka_agent.search.arguments import check_arguments, require_given
    from eureka_agent.search.presets import find_preset

    changes: dict[str, Any] = {**find_preset(preset).settings, "preset": preset}
    given = dict(parse_setting(text) for text in settings or [])
    named = {
        "designer": designer,
        "generations": generations,
        "candidates": candidates,
        "steps": steps,
        "seed": seed,
        "device": device,
        "model": model,
        "base_url": base_url,
        "max_tokens": max_tokens,
        "max_cost": max_cost,
        "sandbox": sandbox,
        "rank_by": "peers" if no_fitness else None,
    }
    named = {name: value for name, value in named.items() if value is not None}
    _check_options(named, given)
    changes |= given | named
    if changes.get("model"):
        changes.setdefault("designer", "openai")
    SearchConfig.check(**changes)
    require_given(changes.get("designer", ""), given=False)
    check_arguments(environment, goal, fitness, changes.get("rank_by", "fitness") == "fitness")
    initial = read_text(init) if init is not None else None

    from eureka_agent.search.setup import new_search  # loads torch and MuJoCo

    setup = new_search(
        environment,
        runs,
        lambda found: SearchConfig.for_environment(found, **changes),
        goal=goal,
        fitness=fitness,
        initial=initial,
    )
    if designer is None and setup.config.designer == "offline":
        note("No language model is configured: the built-in offline designer writes the programs.")
    _search(setup, plain)


@app.command()
def resume(
    run: RunName,
    generations: Annotated[
        int, Option(metavar="+N", min=0, help="Add N generations to a finished search.")
    ] = 0,
    trust: Trust = False,
    runs: RunsFolder = RUNS,
    plain: Plain = False,
) -> None:
    """Continue a search that was stopped or killed, or extend a finished one."""
    from eureka_agent.store import find_run

    path = find_run(run, runs)

    from eureka_agent.search.setup import resumed_search  # loads torch and MuJoCo

    _search(resumed_search(path, generations, agreement(trust)), plain)


@app.command()
def train(
    environment: EnvironmentName,
    reward: Annotated[Path, file_option("The reward program.")],
    trainer: Annotated[
        str | None, Option(help="The trainer: population, or sb3 for stable-baselines3's own PPO.")
    ] = None,
    steps: Steps = None,
    seed: Seed = None,
    device: Device = None,
    sandbox: Sandbox = None,
    runs: RunsFolder = RUNS,
    plain: Plain = False,
) -> None:
    """Train one policy on one reward."""
    from eureka_agent.config import SearchConfig

    text = read_text(reward)
    changes: dict[str, Any] = {
        "steps": steps,
        "seed": seed,
        "trainer": trainer,
        "device": device,
        "sandbox": sandbox,
        **{"designer": "given", "generations": 1, "candidates": 1, "retrainings": 0},
    }
    SearchConfig.check(**changes)
    require_environment(environment)

    from eureka_agent.search.setup import new_search  # loads torch and MuJoCo

    setup = new_search(
        environment, runs, lambda found: SearchConfig.for_environment(found, **changes), given=text
    )
    _search(setup, plain)


@app.command()
def critique(
    environment: EnvironmentName,
    file: Annotated[Path, Argument(metavar="FILE", parser=typed_path, help="The reward program.")],
    as_json: AsJson = False,
) -> None:
    """Check one reward program: its text, then what it pays on real transitions."""
    text = read_text(file)
    require_environment(environment)

    from rich.console import Group

    from eureka_agent.environment import find_environment  # loads torch and MuJoCo
    from eureka_agent.views.terminal.parts import verdict
    from eureka_agent.workers.probe_client import ProbeClient

    with ProbeClient(find_environment(environment)) as prober:
        findings = [finding.as_dict() for finding in prober.probe(text)]
    errors = sum(finding["severity"] == "error" for finding in findings)
    end = f"Not accepted: {errors} to fix." if errors else "Accepted."
    document = {"accepted": not errors, "findings": findings}
    output(document, lambda document: Group(verdict(findings, text), end), as_json)
    if errors:
        raise typer.Exit(EurekaError.exit_code)


@app.command()
def evaluate(
    run: RunName,
    seeds: Annotated[
        int, Option(min=1, max=MOST_TRAININGS, help="Fresh training seeds for each reward.")
    ] = 5,
    trust: Trust = False,
    runs: RunsFolder = RUNS,
    plain: Plain = False,
    as_json: AsJson = False,
) -> None:
    """Retrain the winner from scratch on fresh seeds beside human reward and bare fitness."""
    from eureka_agent.cli.runs import show
    from eureka_agent.search.arguments import require_evaluable
    from eureka_agent.store import RunReader, find_run

    path = find_run(run, runs)
    with RunReader.open(path) as reader:
        require_evaluable(reader)

    from eureka_agent.search.loop import evaluate as retrain  # loads torch and MuJoCo
    from eureka_agent.search.setup import resumed_search

    setup = resumed_search(path, agrees=agreement(trust))
    _watched(setup, plain, lambda: retrain(setup, seeds), quiet=as_json)
    setup.run.close()
    show(str(setup.run.path), as_json=as_json)


def _check_options(named: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuse empty options and contradictions.

    Args:
        named: settings from options of their own.
        given: settings from --set.

    Raises:
        UsageError: both give a setting, and differ; or an option is empty.
    """
    for name, value in named.items():
        option = "--no-fitness" if name == "rank_by" else f"--{name.replace('_', '-')}"
        if given.get(name, value) != value:
            raise UsageError(
                f"--set {name}={given[name]} and {option} contradict each other.",
                "Leave one of them out.",
            )
        if isinstance(value, str) and not value.strip():
            raise UsageError(f"{option} is empty.", "Give it a value, or leave it out.")


def _search(setup: "SearchSetup", plain: bool) -> None:
    """Run a search with a live view, then print its result."""
    from eureka_agent.search.arguments import UNMEASURED
    from eureka_agent.search.loop import search as run_search
    from eureka_agent.views.terminal.parts import open_console
    from eureka_agent.views.terminal.run import final_summary
    from eureka_agent.workers.sandbox import require_isolation

    warning = require_isolation(setup.config.sandbox).warning
    if warning:
        note(f"Warning: {warning}")
    if not setup.config.measured:
        note(f"Warning: {UNMEASURED}")
    _watched(setup, plain, lambda: run_search(setup))
    open_console().print(final_summary(setup.run))
    if setup.run.row().best_candidate is None:
        raise EurekaError(
            "No reward trained to the end.", f"See why: {command('show', setup.run.path)}"
        )


def _watched(
    setup: "SearchSetup", plain: bool, work: Callable[[], None], quiet: bool = False
) -> None:
    """Do long work with a live view; an interruption or failure says how to continue."""
    from eureka_agent.views.live import progress_view
    from eureka_agent.views.terminal.parts import open_console

    view = nullcontext() if quiet else progress_view(setup.run.path, open_console(), plain=plain)
    try:
        with view:
            work()
    except KeyboardInterrupt:
        note(f"Interrupted. Continue with:\n  {command('resume', setup.run.path)}")
        raise
    except (EurekaError, OSError) as error:
        if isinstance(error, UsageError) and setup.run.row().status != "failed":
            raise  # nothing began: another process may be searching the run
        if setup.run.path.is_dir():
            note(f"The search stopped. Continue with:\n  {command('resume', setup.run.path)}")
        else:
            note(f"The search stopped: its run folder {setup.run.path} is gone.")
        raise
