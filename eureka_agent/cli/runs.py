"""Commands that look at runs and policies, and keep them in order."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from eureka_agent.cli.options import (
    RUNS,
    AsJson,
    OtherRunsFolder,
    RunName,
    RunsFolder,
    Trust,
    agreement,
    app,
    note,
    print_json,
    runs_app,
    say_path,
    typed_path,
)
from eureka_agent.common.errors import MissingError, UsageError
from eureka_agent.common.paths import shorten_paths


@runs_app.callback(invoke_without_command=True)
def list_runs(context: typer.Context, runs: RunsFolder = RUNS, as_json: AsJson = False) -> None:
    """List runs, newest first; or compare some, or remove what is not needed."""
    from eureka_agent.views.documents import runs_document
    from eureka_agent.views.terminal.parts import open_console
    from eureka_agent.views.terminal.run import runs_table

    context.obj = (runs, as_json)
    if context.invoked_subcommand is not None:
        return
    if as_json:
        print_json(runs_document(runs))
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
    from eureka_agent.views.documents import comparison_document
    from eureka_agent.views.terminal.parts import open_console
    from eureka_agent.views.terminal.run_comparison import comparison_view

    folder, also_json = context.obj
    document = comparison_document([find_run(name, runs or folder) for name in names])
    if as_json or also_json:
        print_json(document)
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
    from eureka_agent.views.terminal.parts import open_console
    from eureka_agent.views.terminal.tables import (
        carry_out,
        cleaning_document,
        outcome_view,
        plan_view,
    )

    folder, also_json = context.obj
    plan = plan_cleaning(runs or folder, days=older, losers=losers)
    if as_json or also_json:
        print_json(cleaning_document(plan, carry_out(plan) if yes else None))
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
    from eureka_agent.views.documents import candidate_document, run_document
    from eureka_agent.views.terminal.candidate import show_candidate
    from eureka_agent.views.terminal.parts import open_console
    from eureka_agent.views.terminal.run import show_run

    with RunReader.open(find_run(run, runs)) as reader:
        if as_json:
            print_json(
                run_document(reader) if candidate is None else candidate_document(reader, candidate)
            )
        else:
            drawn = show_run(reader) if candidate is None else show_candidate(reader, candidate)
            open_console().print(drawn)


@app.command()
def report(
    run: RunName,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", parser=typed_path, help="Where; report.html in the run without it."
        ),
    ] = None,
    runs: RunsFolder = RUNS,
    as_json: AsJson = False,
) -> None:
    """Write one HTML file with everything worth showing of a run, which needs no network."""
    from eureka_agent.store import RunReader, find_run
    from eureka_agent.views.html.page import write_report

    with RunReader.open(find_run(run, runs)) as reader:
        path = write_report(reader, out)
    if as_json:
        print_json({"report": str(path), "bytes": path.stat().st_size})
    else:
        say_path(Path(shorten_paths(path)))


@app.command()
def watch(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN...", help="Runs, as for show; without any, the newest ones."),
    ] = None,
    runs: RunsFolder = RUNS,
) -> None:
    """Look into runs, live or finished, in a dashboard; it only reads."""
    from eureka_agent.views.dashboard.launch import watch_runs

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
        Path | None,
        typer.Option(metavar="FILE", parser=typed_path, help="Film an episode: .mp4 or .gif."),
    ] = None,
    episode: Annotated[int, typer.Option(help="Which episode is filmed, counted from 0.")] = 0,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="How much of it is; without it, all.")
    ] = None,
    camera: Annotated[
        str | None, typer.Option(metavar="NAME", help="Film with this camera of the model.")
    ] = None,
    environment: Annotated[
        str | None, typer.Option("--env", metavar="ENV", help="Where nothing else tells it.")
    ] = None,
    trust: Trust = False,
    runs: RunsFolder = RUNS,
    as_json: AsJson = False,
) -> None:
    """Play a trained policy on held-out episodes: its numbers, and a film of one of them."""
    from rich.console import Console

    from eureka_agent.store import find_run
    from eureka_agent.video import require_film_name

    if video is not None:
        require_film_name(video)
    for name in (policy, beside):
        if name and not name.endswith(".zip") and not name.removeprefix("#").isdigit():
            find_run(name, runs)

    from eureka_agent.cli.play import Shot, filmed, find_policies, payer, played
    from eureka_agent.views.terminal.parts import open_console, share_bar
    from eureka_agent.views.terminal.tables import played_view

    policies = find_policies(policy, candidate, beside, environment, runs, agreement(trust))
    film, missing = None, None
    with ExitStack() as stack:
        pay = payer(stack)
        if video is not None:
            shot = Shot(video, episode, seconds, camera)
            try:
                with share_bar("Filming") as done:
                    film = filmed(policies, pay, shot, done)
            except MissingError as error:  # the numbers are told all the same
                missing = error
        if film is not None and not film.whole:
            note(f"Interrupted: {film.path} shows the first {film.seconds:.1f} s.")
            raise KeyboardInterrupt
        with Console(stderr=True).status("Playing..."):
            document = played(policies, pay, film)
    if as_json:
        print_json(document)
    else:
        open_console().print(played_view(document))
    if missing is not None:
        raise missing


@app.command()
def track(
    run: RunName,
    tensorboard: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            parser=typed_path,
            help="Gets event files, in a folder of the run's name.",
        ),
    ] = Path("tensorboard"),
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on as long as the search does.")
    ] = False,
    runs: RunsFolder = RUNS,
) -> None:
    """Write a run as event files, for TensorBoard; it only reads the run."""
    from eureka_agent.store import RunReader, find_run
    from eureka_agent.tracking import track as write

    with RunReader.open(find_run(run, runs)) as reader:
        folder = write(reader, tensorboard, follow=follow)
    say_path(folder)
    note(f"Look at it with:\n  tensorboard --logdir {tensorboard}")
