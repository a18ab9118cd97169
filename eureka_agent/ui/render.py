"""`runs`, `show` and the end of a search, drawn for a terminal from the documents.

Everything that a program or a traceback wrote passes through `clean` into `Text`, which knows no
markup.
"""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from eureka_agent.store import RunReader
from eureka_agent.ui.documents import Document, candidate_document, run_document, runs_document
from eureka_agent.ui.format import (
    NOTHING,
    clean,
    count,
    duration,
    last_line,
    limits,
    number,
    one_line,
    percent,
    sparkline,
    things,
)

PIPED_WIDTH = 120
# Symbol, word and style of each state; the three say the same, so each can be missing.
STATES = {
    "proposed": ("·", "checking", "dim"),
    "accepted": ("○", "waiting", "dim"),
    "waiting": ("○", "waiting", "dim"),
    "training": ("●", "training", "cyan"),
    "finished": ("✓", "trained", "green"),
    "rejected": ("-", "rejected", "yellow"),
    "failed": ("✗", "failed", "red"),
}
RUN_STYLES = {"running": "cyan", "finished": "green", "interrupted": "yellow", "failed": "red"}
VERDICTS = {"better": "is better than", "worse": "is worse than", "tie": "ties with"}
FEW_TRAININGS = 5
"""Below this, resampling the trainings repeats so few that its intervals come out narrow."""
REWARDS = {"winner": "winner", "human": "human reward", "fitness_only": "bare fitness"}


def open_console(*, color: bool = True) -> Console:
    """The console for standard output, which no character and no odd encoding can break."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    sized = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(
        no_color=None if color else True,
        highlight=False,
        emoji=False,
        width=None if sized else PIPED_WIDTH,
    )


def runs_table(directory: Path) -> RenderableType:
    """The runs in a directory, newest first."""
    documents = runs_document(directory)
    if not documents:
        return Text(f"No runs in {directory} yet. Start one with `eureka-agent search ENV`.")
    table = _table("run", "status", ">fitness", ">candidates", ">time")
    for document in documents:
        if "status" not in document:
            table.add_row(_foreign(document["run"]), Text("unreadable", "red"))
            continue
        table.add_row(
            _foreign(document["run"]),
            _status(document["status"]),
            number(document["best"]["fitness"]),
            f"{document['candidates']} in {document['generations']}",
            duration(document["wall_seconds"]),
        )
    unreadable = [
        _foreign(document["failure"]) for document in documents if "status" not in document
    ]
    return Group(table, *unreadable)


def show_run(run: RunReader) -> RenderableType:
    """A run: how it stands, its best reward, how that compares, and all candidates."""
    document = run_document(run)
    head = Text.assemble(
        (one_line(document["run"]), "bold"),
        "  ",
        _status(document["status"]),
        "\n",
        _foreign(document["goal"]),
    )
    if document["status"] == "running" and document["phase"]:
        head.append(f"\nNow: {one_line(document['phase'])}")
    if document["failure"]:
        head.append(f"\n{clean(document['failure'])}", "red")
    parts: list[RenderableType] = [head, Text()]
    parts += _winner_parts(document)
    if document["generations"]:
        parts.append(_section("Generations (ranking fitness)", _generations(document)))
        parts.append(_section("Candidates (ranking fitness)", _candidates(document)))
    parts.append(_usage(document))
    return Group(*parts)


def final_summary(run: RunReader) -> RenderableType:
    """The end of a search: the winner, how it compares, where everything lies, what it took."""
    document = run_document(run)
    parts = _winner_parts(document)
    places = _table("", "~")
    places.show_header = False
    best = document["best"]
    if best:
        places.add_row("reward", _path(best["reward_path"]))
        places.add_row("policy", _path(best["policy_path"] or "not written yet"))
    places.add_row("run", _path(document["path"]))
    places.add_row("more", _path(f"eureka-agent show {document['run']}"))
    if document["status"] != "finished":
        places.add_row("go on", _path(f"eureka-agent resume {document['run']}"))
    parts += [_section("Where it lies", places), _usage(document)]
    return Group(*parts)


def show_candidate(run: RunReader, candidate: int) -> RenderableType:
    """A candidate: its program, the critic's verdict, its trainings.

    Raises:
        UsageError: the run has no such candidate.
    """
    document = candidate_document(run, candidate)
    head = Text.assemble(
        (f"Candidate {candidate}", "bold"),
        f" of {one_line(document['run'])}, {_origin(document)}  ",
        _state(document["state"]),
    )
    lesson = f"Lesson: {document['lesson']}" if document["lesson"] else ""
    for line in (document["thought"], document["note"], lesson):
        if line:
            head.append(f"\n{one_line(line)}")
    if document["state"] == "finished":
        head.append(f"\nranking fitness {number(document['fitness'])}")
        head.append(f", own return {number(document['own_return'])}")
    parts: list[RenderableType] = [head, Text(), code(document["text"], numbers=True), Text()]
    if document["failure"] and not (document["state"] == "rejected" and document["verdict"]):
        parts.append(_section("Why it failed", Text(clean(document["failure"]).rstrip())))
    if document["verdict"]:
        parts.append(_section("What the critic found", verdict(document["verdict"])))
    if document["exchanges"]:
        parts.append(_section("How it was written", _conversation(document)))
    for training in document["trainings"]:
        parts += _training_parts(training)
    if document["reflection"]:
        parts.append(_section("Reflection", Text(clean(document["reflection"]))))
    parts.append(_path(document["reward_path"]))
    return Group(*parts)


def verdict(findings: Sequence[Document], text: str = "") -> RenderableType:
    """What the critic found, each finding with its hint.

    Args:
        findings: `Finding.as_dict` of each; they may be a child's words.
        text: the program; each finding then shows its line.
    """
    source = text.split("\n")
    lines = []
    for finding in findings:
        severity, rule, message, hint = (
            one_line(str(finding.get(key, ""))) for key in ("severity", "rule", "message", "hint")
        )
        style = "red" if severity == "error" else "yellow"
        place = finding.get("line", "?")
        line = Text.assemble(f"line {place}, ", (severity, style), f": {message} ")
        lines.append(line.append(f"[{rule}]", "dim"))
        if isinstance(place, int) and 0 < place <= len(source) and source[place - 1].strip():
            lines.append(Padding(Text(one_line(source[place - 1]), "cyan"), (0, 0, 0, 4)))
        if hint:
            lines.append(Padding(Text(hint), (0, 0, 0, 2)))
    return Group(*lines)


def code(text: str, *, numbers: bool = False) -> RenderableType:
    """A reward program, highlighted in the terminal's own colours."""
    from rich.syntax import Syntax  # slow to import, and most commands show no code

    return Syntax(
        clean(text).strip("\n"),
        "python",
        theme="ansi_dark",
        background_color="default",
        word_wrap=True,
        line_numbers=numbers,
    )


def _winner_parts(document: Document) -> list[RenderableType]:
    best = document["best"]
    if not best:
        return [Text("No candidate has been trained to the end yet."), Text()]
    title = Text.assemble("Best reward: ", (f"candidate {best['candidate']}", "bold"))
    title.append(f", {_origin(best)}")
    return [title, Text(), code(best["text"]), Text(), *_comparison(document)]


def _comparison(document: Document) -> list[RenderableType]:
    """How the winner does beside the baselines, and how far that can be trusted."""
    table = _table("reward", ">fitness", ">95 % interval", ">trainings")
    entries = document["comparison"]
    for key, name in REWARDS.items():
        entry = entries[key]
        if not entry["values"] and not entry["failed"]:
            continue
        low, high = entry["interval"] or (None, None)
        table.add_row(
            Text(name, "bold" if key == "winner" else ""),
            number(entry["mean"]),
            f"{number(low)} to {number(high)}" if entry["interval"] else NOTHING,
            str(len(entry["values"])) + (f", {entry['failed']} failed" if entry["failed"] else ""),
        )
    if not entries["winner"]["values"]:
        ranking = number(document["best"]["ranking_fitness"])
        text = f"Not compared yet; its ranking fitness is {ranking}, which being chosen flatters."
        return [*([table, Text()] if table.row_count else []), Text(text), Text()]
    notes = ["Fitness on the reporting episodes, which the search never used."]
    if any(len(entries[key]["values"]) == 1 for key in REWARDS):
        notes.append("One training is one seed, and seeds differ widely.")
    few = min(len(entries[key]["values"]) for key in REWARDS) < FEW_TRAININGS
    if few and entries["score"]["interval"]:
        notes.append("With so few seeds the score's interval is too narrow.")
    if document["best"]["policy_fitness"] is not None:
        trained = sum(generation["finished"] for generation in document["generations"])
        fitness = number(document["best"]["policy_fitness"])
        notes.append(f"The policy in best/, chosen from {things(trained, 'training')}: {fitness}.")
    if document["best"]["reproduced"] is not None:
        same = document["best"]["reproduced"]
        notes.append(
            "Trained again alone, the winner gave the same result."
            if same
            else "Trained again alone, the winner gave ANOTHER result: do not trust its first one."
        )
    lines = [Text(line) for line in _judgement(entries)]
    return [_section("How it compares", Group(table, *lines, Text(" ".join(notes), "dim")))]


def _judgement(comparison: Document) -> list[str]:
    """Whether the winner beats the baselines, and its score, a line each."""
    parts = []
    for key, baseline in (("against_human", "human"), ("against_bare", "fitness_only")):
        entry = comparison[key]
        if entry["interval"] is not None:
            low, high = map(number, entry["interval"])
            tie = "cannot be told apart, " if entry["verdict"] == "tie" else ""
            parts.append(
                f"{VERDICTS[entry['verdict']]} the {REWARDS[baseline]} ({tie}difference "
                f"{number(entry['difference'])}, {low} to {high})"
            )
    score = comparison["score"]
    if score["value"] is None:
        line = f"Human-normalised score: n/a; {score['reason']}."
    else:
        low, high = map(number, score["interval"] or (None, None))
        extent = f"95 % interval {low} to {high}" if score["interval"] else score["reason"]
        end = 1 if comparison["human"]["mean"] > comparison["fitness_only"]["mean"] else -1
        line = f"Human-normalised score {number(score['value'])} ({extent}); "
        line += f"the bare fitness is 0, the human reward {end}."
    return [f"The winner {' and '.join(parts)}.", line] if parts else [line]


def _generations(document: Document) -> Table:
    table = _table(">#", ">best", ">mean", "by", ">trained", ">rejected", ">failed")
    for row in document["generations"]:
        table.add_row(
            str(row["generation"]),
            number(row["best"]),
            number(row["mean"]),
            NOTHING if row["best_candidate"] is None else f"#{row['best_candidate']}",
            *(str(row[key]) for key in ("finished", "rejected", "failed")),
        )
    return table


def _candidates(document: Document) -> Table:
    table = _table(">#", ">gen", "from", "state", ">fitness", "~")
    best = (document["best"] or {}).get("candidate")
    for row in document["candidates"]:
        words = last_line(row["failure"]) if row["failure"] else one_line(row["thought"])
        table.add_row(
            str(row["id"]),
            str(row["generation"]),
            " ".join(map(str, row["parents"])) or NOTHING,
            _state(row["state"]),
            number(row["fitness"]),
            _foreign(words),
            style="bold" if row["id"] == best else "",
        )
    return table


def _usage(document: Document) -> RenderableType:
    candidates = document["candidates"]
    states = [candidate["state"] for candidate in candidates]
    numbers = [
        f"{states.count(state)} {STATES[state][1]}"
        for state in ("finished", "rejected", "failed")
        if state in states
    ]
    found = things(len(candidates), "candidate")
    generations = things(len(document["generations"]), "generation")
    lines = [
        f"{found} in {generations}" + (f": {', '.join(numbers)}" if numbers else ""),
        f"{count(document['env_steps'])} env steps, "
        f"{count(document['env_steps_per_second'])} env steps per second in training, "
        f"{duration(document['wall_seconds'])} in all",
    ]
    usage = document["usage"]
    if usage["calls"]:
        tokens = f"{count(usage['prompt_tokens'])} + {count(usage['completion_tokens'])} tokens"
        cost = "cost unknown" if usage["cost"] is None else f"{usage['cost']:.2f} USD"
        lines.append(f"{things(usage['calls'], 'answer')} of the language model, {tokens}, {cost}")
    return Text("\n".join(lines))


def _conversation(document: Document) -> RenderableType:
    """The model's answers in order, and what the critic found in those that went back."""
    drafts = {draft["attempt"]: draft["verdict"] for draft in document["drafts"]}
    parts: list[RenderableType] = []
    for exchange in document["exchanges"]:
        attempt = exchange["attempt"]
        name = f"repair {attempt}" if attempt else "first program"
        tokens = f"{exchange['prompt_tokens']} + {exchange['completion_tokens']} tokens"
        model = one_line(exchange["model"])
        parts.append(Text(f"{name} by {model}: {tokens}, {duration(exchange['seconds'])}"))
        if attempt in drafts:
            parts.append(Padding(verdict(drafts[attempt]), (0, 0, 0, 2)))
    folder = str(Path(document["reward_path"]).parent)
    return Group(*parts, _path(f"prompts and replies: {folder}"))


def _training_parts(training: Document) -> list[RenderableType]:
    """The curves of a training and what the reward paid for at the shipped checkpoint."""
    name = "Training" if training["role"] == "candidate" else "Trained again alone"
    title = f"{name}, seed {training['seed']}: {STATES[training['state']][1]}"
    title += f", {count(training['steps_done'])} of {count(training['steps_total'])} steps"
    if training["reporting_fitness"] is not None:
        title += f", reporting fitness {number(training['reporting_fitness'])}"
    parts: list[RenderableType] = []
    if training["failure"]:
        parts.append(Text(clean(training["failure"]).rstrip(), "red"))
    evaluations = training["evaluations"]
    if evaluations:
        parts.append(_curves(evaluations, training["checkpoint_step"]))
        shipped = [e for e in evaluations if e["step"] == training["checkpoint_step"]]
        parts += [Text(), *_shipped_parts((shipped or evaluations)[-1])]
    return [_section(title, Group(*parts))]


def _curves(evaluations: Sequence[Document], checkpoint: int | None) -> RenderableType:
    lines = []
    for key, name in (("fitness", "ranking fitness"), ("own_return", "own return")):
        curve = [evaluation[key] for evaluation in evaluations]
        low, high = limits([curve])
        scale = f"{number(low)} to {number(high)}"
        lines.append(Text(f"{name:<16} {sparkline(curve, low, high)}  {scale}"))
    table = _table(">step", ">fitness", ">own return", ">length", ">ended early", "")
    for evaluation in evaluations:
        table.add_row(
            count(evaluation["step"]),
            number(evaluation["fitness"]),
            number(evaluation["own_return"]),
            number(evaluation["episode_length"]),
            percent(evaluation["ended_early"]),
            Text("shipped", "green") if evaluation["step"] == checkpoint else "",
        )
    return Group(*lines, Text(), table)


def _shipped_parts(evaluation: Document) -> list[RenderableType]:
    parts: list[RenderableType] = []
    if evaluation["components"]:
        table = _table("component", ">mean", ">min", ">max", ">share")
        for name, values in evaluation["components"].items():
            numbers = (number(values.get(key)) for key in ("mean", "min", "max"))
            table.add_row(_foreign(name), *numbers, percent(values.get("share")))
        parts += [
            table,
            Text(f"weighted, per step, after {count(evaluation['step'])} steps", "dim"),
        ]
    if evaluation["diagnostics"]:
        words = (f"{name} {number(value)}" for name, value in evaluation["diagnostics"].items())
        parts.append(Text(clean(", ".join(words)), "dim"))
    return parts


def _origin(document: Document) -> str:
    parents = ", ".join(f"#{parent}" for parent in document["parents"])
    return f"generation {document['generation']}" + (f", from {parents}" if parents else "")


def _state(state: str) -> Text:
    symbol, word, style = STATES[state]
    return Text(f"{symbol} {word}", style)


def _status(status: str) -> Text:
    return Text(status, RUN_STYLES[status])


def _foreign(text: str) -> Text:
    return Text(one_line(text), no_wrap=True, overflow="ellipsis")


def _path(path: str) -> Text:
    return Text(clean(path), overflow="fold")


def _section(title: str, body: RenderableType) -> RenderableType:
    return Group(Text(title, "bold"), Padding(body, (0, 0, 1, 2)))


def _table(*headings: str) -> Table:
    """A table without lines; `>` before a heading: numbers, `~`: text that gives way."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        justify = "right" if heading.startswith(">") else "left"
        table.add_column(heading.lstrip(">~"), justify=justify, no_wrap=heading[:1] != "~")
    return table
