"""Commands that look at runs and policies, and keep them in order."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from eureka_agent.cli.options import (
    RUNS,
    AsJson,
    RunName,
    RunsFolder,
    Trust,
    agreement,
    app,
    file_option,
    is_interactive,
    note,
    output,
    print_json,
    print_path,
    runs_app,
    typed_folder,
    typed_path,
)
from eureka_agent.common.errors import MissingError, UsageError
from eureka_agent.common.paths import shorten_paths

SubRunsFolder = Annotated[
    Path | None,
    Option(
        "--runs",
        metavar="DIR",
        parser=typed_folder,
        help="Where runs are kept.",
        show_default=str(RUNS),
    ),
]
"""The option of a command below `runs`, which has the same option itself."""


@runs_app.callback(invoke_without_command=True)
def list_runs(context: typer.Context, runs: RunsFolder = RUNS, as_json: AsJson = False) -> None:
    """List runs, newest first; its commands compare or remove some."""
    context.obj = (runs, as_json)
    if context.invoked_subcommand is not None:
        return

    from eureka_agent.views.documents import runs_document
    from eureka_agent.views.terminal.parts import open_console
    from eureka_agent.views.terminal.run import runs_table

    if as_json:
        print_json(runs_document(runs))
    else:
        open_console().print(runs_table(runs))


@runs_app.command(name="compare")
def compare_runs(
    context: typer.Context,
    names: Annotated[list[str], Argument(metavar="RUN...", help="Two or more, as for show.")],
    runs: SubRunsFolder = None,
    as_json: AsJson = False,
) -> None:
    """Compare runs side by side: results, costs, settings that differ."""
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
        float, Option(metavar="DAYS", min=0, help="Newer runs stay (by their last change).")
    ] = 30.0,
    losers: Annotated[
        bool,
        Option(
            "--losers",
            help="Also, of finished runs, policies and episodes except those of winners.",
        ),
    ] = False,
    yes: Annotated[bool, Option("--yes", "-y", help="Do not ask.")] = False,
    runs: SubRunsFolder = None,
    as_json: AsJson = False,
) -> None:
    """Remove old runs that failed, were interrupted or hold nothing; lists them first."""
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
    if not yes and not is_interactive():
        raise UsageError("Nothing was removed: there is no terminal to ask at.", "Give --yes.")
    if yes or typer.confirm("Remove it?"):
        console.print(outcome_view(plan, carry_out(plan)))


@app.command()
def show(
    run: RunName,
    candidate: Annotated[int | None, Argument(help="Number of a candidate.")] = None,
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
    out: Annotated[Path | None, file_option("The file; by default report.html in the run.")] = None,
    runs: RunsFolder = RUNS,
    as_json: AsJson = False,
) -> None:
    """Write a run's report: one HTML file with plots, code and films, which needs no network."""
    from eureka_agent.store import RunReader, find_run
    from eureka_agent.views.html.page import write_report

    with RunReader.open(find_run(run, runs)) as reader:
        path = write_report(reader, out)
    if as_json:
        print_json({"report": str(path), "bytes": path.stat().st_size})
    else:
        print_path(Path(shorten_paths(path)))


@app.command()
def watch(
    names: Annotated[
        list[str] | None,
        Argument(metavar="RUN...", help="Runs, as for show; without any, the newest ones."),
    ] = None,
    runs: RunsFolder = RUNS,
) -> None:
    """Show runs, live or finished, in a dashboard that changes nothing."""
    from eureka_agent.views.dashboard import watch_runs

    watch_runs(names or [], runs)


@app.command()
def play(
    policy: Annotated[
        str, Argument(metavar="RUN|POLICY", help="A run, for its best policy, or a policy's zip.")
    ],
    candidate: Annotated[
        int | None, Option(metavar="N", help="The policy of this candidate of the run.")
    ] = None,
    beside: Annotated[
        str | None,
        Option(
            metavar="OTHER", help="A second one: a candidate's number, a run, or a policy's zip."
        ),
    ] = None,
    video: Annotated[Path | None, file_option("Film an episode: .mp4 or .gif.")] = None,
    episode: Annotated[int, Option(help="The episode to film, counted from 0.")] = 0,
    seconds: Annotated[
        float | None, Option(min=0.1, help="Seconds to film; by default the whole episode.")
    ] = None,
    camera: Annotated[
        str | None, Option(metavar="NAME", help="Film with this camera of the model.")
    ] = None,
    environment: Annotated[
        str | None, Option("--env", metavar="ENV", help="The environment of a zip without one.")
    ] = None,
    trust: Trust = False,
    runs: RunsFolder = RUNS,
    as_json: AsJson = False,
) -> None:
    """Play a trained policy on held-out episodes: its numbers, and a film of one of them."""
    from rich.console import Console

    from eureka_agent.store import find_run

    for name in (policy, beside):
        if name and not name.endswith(".zip") and not name.removeprefix("#").isdigit():
            find_run(name, runs)

    from eureka_agent.cli.play import component_scorer, find_policies  # loads torch and MuJoCo
    from eureka_agent.video import require_film_name
    from eureka_agent.video.film import film_path, record_film
    from eureka_agent.video.play import play_policy
    from eureka_agent.views.terminal.parts import film_bar
    from eureka_agent.views.terminal.tables import played_view

    if video is not None:
        require_film_name(video)
    policies = find_policies(policy, candidate, beside, environment, runs, agreement(trust))
    film, missing = None, None
    with ExitStack() as stack:
        score = component_scorer(stack)
        if video is not None:
            try:
                film_path(video)
                with film_bar() as done:
                    playbacks = [play_policy(one, score, episode) for one in policies]
                    film = record_film(playbacks, video, seconds, camera=camera, done=done)
            except MissingError as error:  # the numbers are printed all the same
                missing = error
        if film is not None and not film.whole:
            note(f"Interrupted: {film.path} shows the first {film.seconds:.1f} s.")
            raise KeyboardInterrupt
        with Console(stderr=True).status("Playing..."):
            documents = [play_policy(one, score).as_dict() for one in policies]
    document = {"policies": documents, "video": str(film.path) if film else None}
    output(document, played_view, as_json)
    if missing is not None:
        raise missing


@app.command()
def track(
    run: RunName,
    tensorboard: Annotated[
        Path,
        Option(
            metavar="DIR",
            parser=typed_path,
            help="The event files go into a folder of the run's name there.",
        ),
    ] = Path("tensorboard"),
    follow: Annotated[bool, Option("--follow", help="Follow the search to its end.")] = False,
    runs: RunsFolder = RUNS,
) -> None:
    """Write a run as event files for TensorBoard; the run stays as it is."""
    from eureka_agent.store import RunReader, find_run
    from eureka_agent.tracking import track as write

    with RunReader.open(find_run(run, runs)) as reader:
        folder = write(reader, tensorboard, follow=follow)
    print_path(folder)
    note(f"Look at it with:\n  tensorboard --logdir {tensorboard}")
