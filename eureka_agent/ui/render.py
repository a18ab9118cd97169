"""`runs`, `show RUN` and the end of a search, drawn for a terminal from the documents."""

from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from eureka_agent.paths import command
from eureka_agent.store import RunReader
from eureka_agent.ui.documents import (
    PUBLISHED,
    REWARDS,
    UNMEASURED,
    Document,
    run_document,
    runs_document,
)
from eureka_agent.ui.format import (
    NOTHING,
    clean,
    count,
    duration,
    extent,
    idea,
    last_line,
    money,
    number,
    one_line,
    percent,
    things,
    tokens,
)
from eureka_agent.ui.pieces import (
    STATES,
    code,
    foreign,
    origin,
    path_text,
    plain_table,
    section,
    state_text,
    status_text,
)

VERDICTS = {"better": "is better than", "worse": "is worse than", "tie": "ties with"}
FEW_TRAININGS = 5
"""Below this, resampling the trainings repeats so few that its intervals come out narrow."""
MOST_CANDIDATES = 60
"""More than a person reads; the fittest are shown."""
MOST_SAID = 6
"""Sentences about rewards beside each other; the most important come first."""


def runs_table(directory: Path) -> RenderableType:
    """The runs in a directory, newest first."""
    documents = runs_document(directory)
    if not documents:
        return Text(f"No runs in {directory} yet. Start one with `eureka-agent search ENV`.")
    table = plain_table("~run", "status", ">fitness", ">candidates", ">time")
    for document in documents:
        if "status" not in document:
            table.add_row(foreign(document["run"]), Text("unreadable", "red"))
            continue
        table.add_row(
            foreign(document["run"]),
            status_text(document["status"]),
            number(document["best"]["fitness"]),
            f"{document['candidates']} in {document['generations']}",
            duration(document["wall_seconds"]) if document["wall_seconds"] else NOTHING,
        )
    unreadable = [
        foreign(document["failure"]) for document in documents if "status" not in document
    ]
    return Group(table, *unreadable)


def show_run(run: RunReader) -> RenderableType:
    """A run: how it stands, its best reward, how that compares, and all candidates."""
    document = run_document(run)
    head = Text.assemble(
        (one_line(document["run"]), "bold"),
        "  ",
        status_text(document["status"]),
        "\n",
        foreign(document["goal"]),
    )
    if document["status"] == "running" and document["phase"]:
        head.append(f"\nNow: {one_line(document['phase'])}")
    if document["sandbox"]:
        head.append(f"\nIsolation: {one_line(document['sandbox'])}")
    if document["failure"]:
        head.append(f"\n{clean(document['failure'])}", "red")
    parts: list[RenderableType] = [head, Text()]
    parts += [*_winner_parts(document), *_published(document)]
    if document["generations"]:
        title = "Generations (ranking fitness)" if document["measured"] else "Generations"
        parts.append(section(title, _generations(document)))
        parts.append(section(*_candidates(document)))
    parts += [*_insight(document), _usage(document)]
    return Group(*parts)


def final_summary(run: RunReader) -> RenderableType:
    """The end of a search: the winner, how it compares, where everything lies, what it took."""
    document = run_document(run)
    parts = [*_winner_parts(document), *_published(document), *_insight(document)]
    places = plain_table("", "~")
    places.show_header = False
    best = document["best"]
    if best:
        places.add_row("reward", path_text(best["reward_path"]))
        places.add_row("policy", path_text(best["policy_path"] or "not written yet"))
    places.add_row("run", path_text(document["path"]))
    places.add_row("more", path_text(command("show", document["path"])))
    if document["status"] != "finished":
        places.add_row("go on", path_text(command("resume", document["path"])))
    parts += [section("Where it lies", places), _usage(document)]
    return Group(*parts)


def _winner_parts(document: Document) -> list[RenderableType]:
    best = document["best"]
    if not best:
        return [Text("No candidate has been trained to the end yet."), Text()]
    title = Text.assemble("Best reward: ", (f"candidate {best['candidate']}", "bold"))
    title.append(f", {origin(best)}")
    return [title, Text(), code(best["text"]), Text(), *_comparison(document)]


def _comparison(document: Document) -> list[RenderableType]:
    """How the winner does beside the baselines, and how far that can be trusted."""
    if not document["measured"]:
        notes = [UNMEASURED, *_reproduced(document)]
        return [section("How it compares", Text(" ".join(notes)))]
    table = plain_table("reward", ">fitness", ">95 % interval", ">trainings")
    entries = document["comparison"]
    for key, name in REWARDS.items():
        entry = entries[key]
        if not entry["values"] and not entry["failed"]:
            continue
        table.add_row(
            Text(name, "bold" if key == "winner" else ""),
            number(entry["mean"]),
            extent(*(entry["interval"] or (None, None))),
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
    notes += _reproduced(document)
    lines = [Text(line) for line in _judgement(entries)]
    return [section("How it compares", Group(table, *lines, Text(" ".join(notes), "dim")))]


def _reproduced(document: Document) -> list[str]:
    """Whether the winner came out the same again; nothing where that was not tried."""
    same = document["best"]["reproduced"]
    if same is None:
        return []
    if same:
        return ["Trained again alone, the winner gave the same result."]
    return ["Trained again alone, the winner gave ANOTHER result: do not trust its first one."]


def _published(document: Document) -> list[RenderableType]:
    """What came with the environment about rewards that were trained before."""
    published = document["published_baselines"]
    if published is None:
        return []
    table = plain_table("reward", ">fitness", ">95 % interval", ">trainings")
    for key, name in PUBLISHED.items():
        entry = published[key]
        if entry is None:
            continue
        table.add_row(
            name,
            number(entry["mean"]),
            extent(entry["low"], entry["high"]),
            NOTHING if key == "random" else str(len(entry["values"])),
        )
    notes = list(published["notes"])
    if published["steps"]:
        notes.insert(0, f"After {count(published['steps'])} steps, measured {published['date']}.")
    dense = published["progress"]
    if dense:
        means = (
            f"{name} {number(dense[key]['mean'])}"
            for key, name in PUBLISHED.items()
            if key in dense
        )
        notes.append(f"{dense['meaning']} By that measure: {', '.join(means)}.")
    text = Text(one_line(" ".join(notes)), "dim")
    return [section("Published baselines", Group(*([table] if table.row_count else []), text))]


def _insight(document: Document) -> list[RenderableType]:
    """What the rewards say of each other, in a few lines."""
    said = document["said"]
    if not said:
        return []
    lines = [one_line(sentence) for sentence in said[:MOST_SAID]]
    if len(said) > MOST_SAID:
        lines.append(f"{len(said) - MOST_SAID} more with --json.")
    distances, best = document["distances"], (document["best"] or {}).get("candidate")
    if distances["human"] and best in distances["candidates"]:
        apart = number(distances["human"][distances["candidates"].index(best)])
        lines.append(
            f"The best reward is at a distance of {apart} from the human reward: "
            "0 is the same, 1 the contrary."
        )
    if not document["measured"]:
        lines.append("Candidates rank by these comparisons.")
    return [section("What the rewards say of each other", Text("\n".join(lines)))]


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
    measures = (">best", ">mean", "by") if document["measured"] else ()
    table = plain_table(">#", *measures, ">trained", ">rejected", ">failed")
    for row in document["generations"]:
        by = NOTHING if row["best_candidate"] is None else f"#{row['best_candidate']}"
        values = (number(row["best"]), number(row["mean"]), by)
        table.add_row(
            str(row["generation"]),
            *(values if document["measured"] else ()),
            *(str(row[key]) for key in ("finished", "rejected", "failed")),
        )
    return table


def _candidates(document: Document) -> tuple[str, Table]:
    """All candidates, or the fittest of many, with a title that says so."""
    rows, measured = document["candidates"], document["measured"]
    rates = document["peers"] or {}
    values = {row["id"]: row["fitness"] if measured else rates.get(str(row["id"])) for row in rows}
    title = f"Candidates ({'ranking fitness' if measured else 'comparisons won'})"
    if len(rows) > MOST_CANDIDATES:
        title += f": the {MOST_CANDIDATES} fittest of {len(rows):,}; all with --json or in watch"
        by_value = ((values[row["id"]] is None, -(values[row["id"]] or 0.0)) for row in rows)
        order = [row for _, row in sorted(zip(by_value, rows, strict=True), key=lambda e: e[0])]
        rows = order[:MOST_CANDIDATES]
    table = plain_table(">#", ">gen", "from", "state", ">fitness" if measured else ">won", "~")
    best = (document["best"] or {}).get("candidate")
    for row in rows:
        failure, thought = row["failure"], row["thought"]
        words = last_line(failure) if failure else idea(thought, document["goal"])
        table.add_row(
            str(row["id"]),
            str(row["generation"]),
            " ".join(map(str, row["parents"])) or NOTHING,
            state_text(row["state"]),
            number(values[row["id"]]) if measured else percent(values[row["id"]]),
            foreign(words),
            style="bold" if row["id"] == best else "",
        )
    return title, table


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
        used = f"{tokens(usage['prompt_tokens'], usage['completion_tokens'])} tokens"
        answers = things(usage["calls"], "answer")
        lines.append(f"{answers} of the language model, {used}, {money(usage['cost'])}")
    return Text("\n".join(lines))
