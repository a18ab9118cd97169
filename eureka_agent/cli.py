"""The command line: thin commands, each a few calls into the floors below.

Imports of torch, MuJoCo and everything that needs them wait until a command does: `--help`, `runs`
and `show` answer at once.
"""

import json
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eureka_agent import __version__
from eureka_agent.errors import EurekaError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from rich.console import RenderableType

    from eureka_agent.environment import Episodes
    from eureka_agent.playback.policies import Policy
    from eureka_agent.search import Launch

INTERRUPTED = 130
RUNS = Path("runs")

app = typer.Typer(
    name="eureka-agent",
    help="Find a reward function that trains a simulated robot to do a task.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

config_app = typer.Typer(no_args_is_help=True, help="Compare configurations.")
app.add_typer(config_app, name="config")

runs_app = typer.Typer()
app.add_typer(runs_app, name="runs")

EnvironmentName = Annotated[
    str,
    typer.Argument(
        metavar="ENV", help="Name of an environment, the path of its folder, or gymnasium:ID."
    ),
]
RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="Path of a run, start of its name, or 'latest'.")
]
RunsFolder = Annotated[Path, typer.Option("--runs", metavar="DIR", help="Where runs are kept.")]
OtherRunsFolder = Annotated[
    Path | None,
    typer.Option("--runs", metavar="DIR", help="Where runs are kept.", show_default=str(RUNS)),
]
AsJson = Annotated[bool, typer.Option("--json", help="A stable JSON document on stdout.")]
Plain = Annotated[bool, typer.Option("--plain", help="Progress as lines, not as a live view.")]
Seed = Annotated[int | None, typer.Option(help="Source of all randomness.")]
Steps = Annotated[int | None, typer.Option(help="Environment steps per training.")]
Device = Annotated[
    str | None, typer.Option(help="Where to train: cpu, cuda, or auto for a GPU that works.")
]
Sandbox = Annotated[
    str | None,
    typer.Option(
        metavar="POLICY",
        help="How well reward programs must be kept in: required, auto, weak or off.",
    ),
]


@app.command()
def search(
    environment: EnvironmentName,
    goal: Annotated[
        str | None, typer.Option(help="The task in one sentence; needs --fitness if it is new.")
    ] = None,
    designer: Annotated[
        str | None,
        typer.Option(help="Who writes the programs: offline, or openai for a language model."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The language model; its key is read from OPENAI_API_KEY.")
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Any server that speaks the OpenAI protocol."),
    ] = None,
    generations: Annotated[int | None, typer.Option(help="Generations of candidates.")] = None,
    candidates: Annotated[int | None, typer.Option(help="Candidates per generation.")] = None,
    steps: Steps = None,
    seed: Seed = None,
    device: Device = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="K=V", help="Any other setting.")
    ] = None,
    fitness: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What the goal is about, if it is yours.")
    ] = None,
    init: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A reward program to start from.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="Tokens that the language model may use.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(metavar="USD", help="What the language model may cost.")
    ] = None,
    no_fitness: Annotated[
        bool,
        typer.Option("--no-fitness", help="Rank candidates by what the rewards of others say."),
    ] = False,
    sandbox: Sandbox = None,
    preset: Annotated[
        str, typer.Option(metavar="P", help="Settings to begin with: see the command presets.")
    ] = "default",
    runs: RunsFolder = RUNS,
    plain: Plain = False,
) -> None:
    """Search for a reward function, and compare the best with human reward and bare fitness."""
    from eureka_agent.search import SearchConfig, new_search, parse_setting
    from eureka_agent.search.presets import find_preset

    changes: dict[str, Any] = {**find_preset(preset).settings, "preset": preset}
    changes |= dict(parse_setting(text) for text in settings or [])
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
    changes |= {name: value for name, value in named.items() if value is not None}
    if changes.get("model"):
        changes.setdefault("designer", "openai")
    launch = new_search(
        environment,
        runs,
        lambda found: SearchConfig.for_environment(found, **changes),
        goal=goal,
        fitness=fitness,
        initial=_read(init) if init is not None else None,
    )
    if designer is None and launch.config.designer == "offline":
        _note("No language model is configured: the built-in offline designer writes the programs.")
    _search(launch, plain)


@app.command()
def resume(
    run: RunName,
    generations: Annotated[
        int, typer.Option(metavar="+N", help="Add N generations to a finished search.")
    ] = 0,
    runs: RunsFolder = RUNS,
    plain: Plain = False,
) -> None:
    """Go on with a search that was stopped or killed, or with more of a finished one."""
    from eureka_agent.search import resumed_search
    from eureka_agent.store import find_run

    if generations < 0:
        raise UsageError(f"--generations {generations} would take some away.", "Give a number > 0.")
    _search(resumed_search(find_run(run, runs), generations), plain)


@app.command()
def train(
    environment: EnvironmentName,
    reward: Annotated[Path, typer.Option(metavar="FILE", help="The reward program.")],
    trainer: Annotated[
        str | None,
        typer.Option(help="Who trains: population, or sb3 for stable-baselines3's own PPO."),
    ] = None,
    steps: Steps = None,
    seed: Seed = None,
    device: Device = None,
    sandbox: Sandbox = None,
    runs: RunsFolder = RUNS,
    plain: Plain = False,
) -> None:
    """Train one policy on one reward."""
    from eureka_agent.search import SearchConfig, new_search

    text = _read(reward)
    single = {"designer": "given", "generations": 1, "candidates": 1, "retrainings": 0}
    launch = new_search(
        environment,
        runs,
        lambda found: SearchConfig.for_environment(
            found,
            steps=steps,
            seed=seed,
            trainer=trainer,
            device=device,
            sandbox=sandbox,
            **single,
        ),
        given=text,
    )
    _search(launch, plain)


@app.command()
def critique(
    environment: EnvironmentName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The reward program.")],
    as_json: AsJson = False,
) -> None:
    """Check one reward program: its text, then what it pays on real transitions."""
    from eureka_agent.environment import find_environment
    from eureka_agent.search.probing import Prober
    from eureka_agent.ui.pieces import open_console, verdict

    text = _read(file)
    with Prober(find_environment(environment)) as prober:
        findings = [finding.as_dict() for finding in prober.probe(text)]
    errors = sum(finding["severity"] == "error" for finding in findings)
    if as_json:
        _json({"accepted": not errors, "findings": findings})
    else:
        console = open_console()
        console.print(verdict(findings, text))
        console.print(f"Not accepted: {errors} to mend." if errors else "Accepted.")
    if errors:
        raise typer.Exit(EurekaError.exit_code)


@app.command()
def evaluate(
    run: RunName,
    seeds: Annotated[int, typer.Option(help="Fresh training seeds for each reward.")] = 5,
    runs: RunsFolder = RUNS,
    plain: Plain = False,
    as_json: AsJson = False,
) -> None:
    """Retrain the winner from scratch on fresh seeds beside human reward and bare fitness."""
    from eureka_agent.search import evaluate as retrain
    from eureka_agent.search import resumed_search
    from eureka_agent.store import find_run

    launch = resumed_search(find_run(run, runs))
    _watched(launch, plain, lambda: retrain(launch, seeds), quiet=as_json)
    launch.run.close()
    show(str(launch.run.path), as_json=as_json)


@runs_app.callback(invoke_without_command=True)
def list_runs(context: typer.Context, runs: RunsFolder = RUNS, as_json: AsJson = False) -> None:
    """List runs, newest first; or compare some, or remove what is not needed."""
    from eureka_agent.ui.documents import runs_document
    from eureka_agent.ui.pieces import open_console
    from eureka_agent.ui.render import runs_table

    context.obj = (runs, as_json)
    if context.invoked_subcommand is not None:
        return
    if as_json:
        _json(runs_document(runs))
    else:
        open_console().print(runs_table(runs))


@runs_app.command(name="compare")
def compare_runs(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="RUN...", help="Two or more, as for show.")],
    runs: OtherRunsFolder = None,
    as_json: AsJson = False,
) -> None:
    """Compare runs side by side: results, what they spent, settings that differ."""
    from eureka_agent.store import find_run
    from eureka_agent.ui.comparing import comparison_document
    from eureka_agent.ui.comparison import comparison_view
    from eureka_agent.ui.pieces import open_console

    folder, also_json = context.obj
    document = comparison_document([find_run(name, runs or folder) for name in names])
    if as_json or also_json:
        _json(document)
    else:
        console = open_console()
        console.print(comparison_view(document, console.width))


@runs_app.command(name="clean")
def clean_runs(
    context: typer.Context,
    older: Annotated[
        float, typer.Option(metavar="DAYS", min=0, help="What was written to since stays.")
    ] = 30.0,
    losers: Annotated[
        bool,
        typer.Option(
            "--losers",
            help="Of finished runs, also policies and episodes of all but generations' winners.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    runs: OtherRunsFolder = None,
    as_json: AsJson = False,
) -> None:
    """Remove old runs that failed, were interrupted or hold nothing; shows first what would go."""
    from eureka_agent.store.cleaning import plan_cleaning
    from eureka_agent.ui.cleaning import carry_out, cleaning_document, outcome_view, plan_view
    from eureka_agent.ui.pieces import open_console

    folder, also_json = context.obj
    plan = plan_cleaning(runs or folder, days=older, losers=losers)
    if as_json or also_json:
        _json(cleaning_document(plan, carry_out(plan) if yes else None))
        return
    console = open_console()
    console.print(plan_view(plan))
    if not plan.removals:
        return
    if not yes and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("Nothing was removed: nobody is there to be asked.", "Give --yes.")
    if yes or typer.confirm("Remove it?"):
        console.print(outcome_view(plan, carry_out(plan)))


@app.command()
def show(
    run: RunName,
    candidate: Annotated[int | None, typer.Argument(help="Number of a candidate.")] = None,
    runs: RunsFolder = RUNS,
    as_json: AsJson = False,
) -> None:
    """Show a run, or one of its candidates: code, verdict, curves."""
    from eureka_agent.store import RunReader, find_run
    from eureka_agent.ui.candidate import show_candidate
    from eureka_agent.ui.documents import candidate_document, run_document
    from eureka_agent.ui.pieces import open_console
    from eureka_agent.ui.render import show_run

    with RunReader.open(find_run(run, runs)) as reader:
        if as_json:
            _json(
                run_document(reader) if candidate is None else candidate_document(reader, candidate)
            )
        else:
            drawn = show_run(reader) if candidate is None else show_candidate(reader, candidate)
            open_console().print(drawn)


@app.command()
def report(
    run: RunName,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where; report.html in the run without it.")
    ] = None,
    runs: RunsFolder = RUNS,
    as_json: AsJson = False,
) -> None:
    """Write one HTML file with everything worth showing of a run, which needs no network."""
    from eureka_agent.report import write_report
    from eureka_agent.store import RunReader, find_run

    with RunReader.open(find_run(run, runs)) as reader:
        path = write_report(reader, out)
    if as_json:
        _json({"report": str(path), "bytes": path.stat().st_size})
    else:
        print(path)


@app.command()
def watch(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN...", help="Runs, as for show; without any, the newest ones."),
    ] = None,
    runs: RunsFolder = RUNS,
) -> None:
    """Look into runs, live or finished, in a dashboard; it only reads."""
    from eureka_agent.ui.watch.launch import watch_runs

    watch_runs(names or [], runs)


@app.command()
def play(
    policy: Annotated[
        str,
        typer.Argument(metavar="RUN|POLICY", help="A run, for its best policy, or a policy's zip."),
    ],
    candidate: Annotated[
        int | None, typer.Option(metavar="N", help="The policy of this candidate of the run.")
    ] = None,
    beside: Annotated[
        str | None,
        typer.Option(
            metavar="OTHER", help="One more: a candidate's number, another run, or a policy's zip."
        ),
    ] = None,
    video: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Film an episode: .mp4 or .gif.")
    ] = None,
    episode: Annotated[int, typer.Option(help="Which episode is filmed, counted from 0.")] = 0,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="How much of it is; without it, all.")
    ] = None,
    environment: Annotated[
        str | None, typer.Option("--env", metavar="ENV", help="Where nothing else tells it.")
    ] = None,
    runs: RunsFolder = RUNS,
    as_json: AsJson = False,
) -> None:
    """Play a trained policy on held-out episodes: its numbers, and a film of one of them."""
    from rich.console import Console

    from eureka_agent.playback.commands import find_policies, played
    from eureka_agent.ui.pieces import open_console
    from eureka_agent.ui.played import played_view

    policies = find_policies(policy, candidate, beside, environment, runs)
    with Console(stderr=True).status("Playing..." if video is None else "Filming..."):
        document, missing = played(policies, _components, video, episode, seconds)
    if as_json:
        _json(document)
    else:
        open_console().print(played_view(document))
    if missing is not None:  # the numbers are told all the same
        raise missing


@app.command()
def track(
    run: RunName,
    tensorboard: Annotated[
        Path, typer.Option(metavar="DIR", help="Gets event files, in a folder of the run's name.")
    ] = Path("tensorboard"),
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on as long as the search does.")
    ] = False,
    runs: RunsFolder = RUNS,
) -> None:
    """Write a run as event files, for TensorBoard; it only reads the run."""
    from eureka_agent.store import RunReader, find_run
    from eureka_agent.tracking.tensorboard import track as write

    with RunReader.open(find_run(run, runs)) as reader:
        folder = write(reader, tensorboard, follow=follow)
    print(folder)
    _note(f"Look at it with: tensorboard --logdir {tensorboard}")


@app.command(name="envs")
def list_environments(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[ENV...]", help="Tell all about these.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the environments, or tell all about some: robot, signals, actions, baselines."""
    from eureka_agent.environment.catalogue import environments_document
    from eureka_agent.ui.environments import environment_view, environments_table
    from eureka_agent.ui.pieces import open_console

    document = environments_document(names or [])
    if as_json:
        _json(document)
    elif names:
        for entry in document:
            open_console().print(environment_view(entry))
    else:
        open_console().print(environments_table(document))


@app.command()
def presets(
    name: Annotated[str | None, typer.Argument(help="One of them, or a TOML file.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the presets, or tell what one of them sets, reproduces and does otherwise."""
    from eureka_agent.search.presets import PRESETS, find_preset
    from eureka_agent.ui.pieces import open_console
    from eureka_agent.ui.settings import preset_view, presets_table

    chosen = [find_preset(name)] if name is not None else list(PRESETS.values())
    documents = [preset.as_dict() for preset in chosen]
    if as_json:
        _json(documents)
    elif name is not None:
        open_console().print(preset_view(documents[0]))
    else:
        open_console().print(presets_table(documents))


@config_app.command(name="diff")
def config_diff(
    first: Annotated[str, typer.Argument(metavar="A", help="A preset, a run or a TOML file.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    runs: RunsFolder = RUNS,
    as_json: AsJson = False,
) -> None:
    """Tell in which settings two presets, runs or files differ."""
    from eureka_agent.search.presets import difference, settings_of
    from eureka_agent.ui.pieces import open_console
    from eureka_agent.ui.settings import difference_table

    found = difference(settings_of(first, runs), settings_of(second, runs))
    if as_json:
        _json({name: {"a": a, "b": b} for name, (a, b) in found.items()})
    else:
        open_console().print(difference_table(found, first, second))


@app.command(name="new-env")
def new_environment(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the environment: my_robot.")],
    model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A MJCF file; without one, a small robot.")
    ] = None,
    folder: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the new folder is made.")
    ] = Path(),
    task: Annotated[str | None, typer.Option(help="The task in one sentence.")] = None,
) -> None:
    """Write a folder with an environment of your own, which trains, to start from."""
    from eureka_agent.plugins import new_environment as create
    from eureka_agent.plugins.commands import created, is_interactive
    from eureka_agent.ui.pieces import open_console

    if is_interactive():
        if model is None:
            asked = typer.prompt("A MJCF file of your robot (empty for a small one)", default="")
            model = Path(asked) if asked else None
        if task is None:
            task = typer.prompt("Its task in one sentence (empty for later)", default="") or None
    open_console().print(created(create(name, folder, model, task)))


@app.command(name="check-env")
def check_environments(
    environments: Annotated[
        list[str] | None, typer.Argument(metavar="ENV...", help="Names, or paths of folders.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that can be found.")] = False,
    steps: Annotated[int, typer.Option(help="Random steps of 32 worlds to look at.")] = 1000,
    warp: Annotated[bool, typer.Option("--warp", help="Compare with MuJoCo Warp.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check an environment of your own: what is wrong with it, and what to write."""
    from eureka_agent.plugins.commands import check_all
    from eureka_agent.ui.pieces import open_console

    console = None if as_json else open_console()
    document = check_all(environments or [], everything, steps, warp, console)
    if as_json:
        _json(document)
    if not all(entry["passed"] for entry in document):
        raise typer.Exit(EurekaError.exit_code)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Tell what this machine offers: versions, processors, isolation, language model."""
    from eureka_agent.doctor import machine_document
    from eureka_agent.ui.pieces import open_console

    document = machine_document()
    if as_json:
        _json(document)
    else:
        open_console().print(_machine_table(document))


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Options that belong to no command."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line: wrong use gets a sentence and an exit code, never a traceback."""
    signal.signal(signal.SIGINT, _interrupt)
    try:
        app()
    except EurekaError as error:
        print(f"Error: {error.message}", file=sys.stderr)
        if error.remedy:
            print(error.remedy, file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except ImportError:
        # All that an extension module says that was interrupted while it loaded.
        if not _Interrupted.happened:
            raise
        sys.exit(INTERRUPTED)


class _Interrupted(KeyboardInterrupt):
    """Ctrl-C.

    A class of its own, as Python gives up its exit code and ends by the signal when a plain
    KeyboardInterrupt has passed through exec() of a text, as the import of many modules does.
    """

    happened = False


def _interrupt(number: int, frame: object) -> None:
    _Interrupted.happened = True
    raise _Interrupted


def _search(launch: "Launch", plain: bool) -> None:
    """Run a search with a view on it, then print what came of it."""
    from eureka_agent.sandbox.isolation import demand
    from eureka_agent.search import search as run_search
    from eureka_agent.ui.pieces import open_console
    from eureka_agent.ui.render import final_summary

    warning = demand(launch.config.sandbox).warning
    if warning:
        _note(f"Warning: {warning}")
    _watched(launch, plain, lambda: run_search(launch))
    open_console().print(final_summary(launch.run))
    if launch.run.row().best_candidate is None:
        raise EurekaError("No reward trained to the end.", "The run shows why: eureka-agent show.")


def _watched(launch: "Launch", plain: bool, work: Callable[[], None], quiet: bool = False) -> None:
    """Do long work with a view on it; an interruption says how to go on."""
    from eureka_agent.ui.pieces import open_console
    from eureka_agent.ui.progress import progress_view

    view = nullcontext() if quiet else progress_view(launch.run.path, open_console(), plain=plain)
    try:
        with view:
            work()
    except KeyboardInterrupt:
        _note(f"Interrupted. Go on with: eureka-agent resume {launch.run.path}")
        raise
    except EurekaError:
        _note(f"The search stopped. Go on with: eureka-agent resume {launch.run.path}")
        raise


def _components(policy: "Policy", episodes: "Episodes") -> "np.ndarray":
    """What a policy's program pays for episodes, `[C, L, E]`: only a worker may call it."""
    from eureka_agent.search.probing import Prober

    with Prober(policy.environment, sandbox=policy.sandbox) as prober:
        (paid,) = prober.score([policy.program or ""], episodes)
    if isinstance(paid, str):
        raise EurekaError(paid)
    return paid.components


def _machine_table(document: dict[str, Any]) -> "RenderableType":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in document.items():
        rows = value.items() if isinstance(value, dict) else [("", value)]
        for i, (part, said) in enumerate(rows):
            table.add_row(name.replace("_", " ") if i == 0 else "", Text(part), Text(str(said)))
    return table


def _json(document: object) -> None:
    print(json.dumps(document, indent=2, allow_nan=False))


def _note(text: str) -> None:
    print(text, file=sys.stderr)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.", "Give the path of a file.") from error


if __name__ == "__main__":
    main()
