"""The result of a run, why its winner won, and how far to trust it: the words of every view."""

from collections.abc import Sequence
from dataclasses import dataclass

from eureka_agent.common.paths import command
from eureka_agent.common.statistics import FEWEST_TRAININGS, Estimate, compare
from eureka_agent.common.text import number, number_range, percent, plural
from eureka_agent.store import CandidateRow, RankedCandidate, RunReader
from eureka_agent.views.snapshot import REWARDS, UNMEASURED, RunSnapshot

RELATIONS = {"better": "better than", "worse": "worse than", "tie": "as good as"}
MORE_SEEDS = 10
"""Suggested seeds if too few training runs distinguish two rewards; later twice as many."""
MOST_NAMED = 3
"""Equal candidates that are named by their numbers."""
FEW_TRAININGS = 5
"""Below this, resampling the training runs repeats so few that its intervals come out narrow."""


@dataclass(frozen=True)
class Verdict:
    """The result of a run.

    Attributes:
        sentence: one sentence for people.
        solved: whether a reward does better than no training at all; None if that is not known.
        advice: what to try next, a sentence each.
    """

    sentence: str
    solved: bool | None
    advice: tuple[str, ...] = ()


def verdict(run: RunSnapshot) -> Verdict:
    """The result of a run."""
    if not run.ranked or run.row.best_candidate is None:
        return _without_result(run)
    if not run.measured:
        return Verdict(_by_peers(run), None, _resume_advice(run))
    fails_again = run.winner.mean is None or _no_better(run)
    if run.solved_in_search is False and (fails_again or not run.fresh):
        return _unsolved(run)
    if run.status != "finished" and not run.winner.values:
        first = run.ranked[0]
        said = (
            f"So far candidate {first.row.id} leads with a ranking fitness of "
            f"{number(first.value)}, which being chosen flatters; nothing is compared yet."
        )
        return Verdict(said, None, _resume_advice(run))
    if _no_better(run):
        return _unsolved(run)
    return Verdict(_result(run), None if run.untrained is None else True)


def _without_result(run: RunSnapshot) -> Verdict:
    if run.status in ("running", "interrupted"):
        return Verdict("No candidate has trained to the end yet.", None, _resume_advice(run))
    if run.ranked:
        return Verdict("No winner was chosen yet.", None, _resume_advice(run))
    states = [candidate.state for candidate in run.candidates]
    counts = [f"{states.count(end)} {end}" for end in ("failed", "rejected") if end in states]
    said = "The reward did not train to the end" if run.given else "No reward trained to the end"
    advice = [f"See why: {command('show', run.path, '1')}"] if counts else []
    sentence = f"{said}: {', '.join(counts) or 'none was written'}."
    return Verdict(sentence, False, (*advice, *_resume_advice(run)))


def _by_peers(run: RunSnapshot) -> str:
    """Who ranks first if only the rewards of others say so."""
    first, others = run.ranked[0], run.ranked[1:]
    unmeasured, name = "Nothing measured the task", f"candidate {run.row.best_candidate}"
    if not others:
        return f"{unmeasured}: {name} is the only one with a result."
    equal = _equal(first, others)
    if len(equal) == len(others):
        return f"{unmeasured}, and nothing distinguishes the candidates: {name} was written first."
    said = (
        f"{name} stands first by the rewards of others, with {percent(first.value)} of its "
        "comparisons won"
    )
    return f"{unmeasured}: {said}{f', like {_named(equal)}' if equal else ''}."


def _no_better(run: RunSnapshot) -> bool:
    mean = run.winner.mean
    return mean is not None and run.untrained is not None and mean <= run.untrained


def _unsolved(run: RunSnapshot) -> Verdict:
    """Nothing did better than policies without training."""
    untrained = f"untrained policies ({number(run.untrained)})"
    if run.given:
        reached = number(run.winner.mean if run.winner.values else run.ranked[0].value)
        said = f"The reward did not solve the task: it reached {reached}, no more than {untrained}."
    elif run.status != "finished" and not run.winner.values:
        said = f"So far no reward solves the task: nothing did better than {untrained}."
        return Verdict(said, None, _resume_advice(run))
    elif run.solved_in_search is False:
        said = f"No reward solved the task: nothing did better than {untrained}."
    else:
        said = (
            f"No reward solved the task: candidate {run.row.best_candidate}, the best in the "
            f"search, reached {number(run.winner.mean)} on other seeds and episodes, no more than "
            f"{untrained}."
        )
    return Verdict(said, False, _advice(run))


def _advice(run: RunSnapshot) -> tuple[str, ...]:
    """What to try if nothing did better than no training."""
    floor, most = run.untrained or 0.0, run.winner.bounds[1]
    if most is not None and floor >= most:
        return ("Untrained policies get all that is possible: make the fitness stricter.",)
    known = [(name, entry.mean) for name, entry in _baselines(run) if entry.mean is not None]
    able = [(name, mean) for name, mean in known if mean > floor and number(mean) != number(floor)]
    more = f"`{command('resume', run.path, '--generations', '2')}`"
    if run.given:
        first = "Train for more steps (--steps), or let a search improve the reward (--init)."
    elif able:
        name, mean = max(able, key=lambda pair: pair[1])
        first = (
            f"In the same steps {name} reaches {number(mean)}, so the task can be learned: "
            f"continue with {more}, or search with a language model (--model)."
        )
    elif known:
        names = " and ".join(name for name, _ in known)
        do = "do" if len(known) > 1 else "does"
        first = (
            f"Nor {do} {names} in these steps: search with more (--steps). If untrained policies "
            "already do what is meant, make the fitness stricter."
        )
    else:
        first = f"Search with more steps (--steps), or continue with {more}."
    found = [first]
    values = [candidate.rank_key[0] for candidate in run.ranked]
    sparse = len(set(values)) < len(values) or run.winner.bounds[0] in values
    if sparse and not run.dense:
        found.append(
            "Add progress(<signals>) to fitness.py: it orders rewards where the fitness is hardly "
            "ever reached."
        )
    found.append(f"See what the policy does: {command('play', run.path, '--video', 'out.mp4')}")
    return tuple(found)


def _resume_advice(run: RunSnapshot) -> tuple[str, ...]:
    if run.status not in ("interrupted", "failed"):
        return ()
    return (f"Continue with: {command('resume', run.path)}",)


def _baselines(run: RunSnapshot) -> list[tuple[str, Estimate]]:
    """The rewards to compare with that have a result, by name."""
    _, human, bare = run.estimates.items()
    entries = [human] if run.one_function and human[1].values else [human, bare]
    return [(f"the {REWARDS[role]}", entry) for role, entry in entries if entry.mean is not None]


def _result(run: RunSnapshot) -> str:
    """What the winner reaches, and how that compares."""
    name = "The reward" if run.given else f"Candidate {run.row.best_candidate}"
    if not run.winner.values:
        value = number(run.ranked[0].value)
        return f"{name} has a ranking fitness of {value}, which being chosen flatters."
    mean, count = number(run.winner.mean), len(run.winner.values)
    if not run.fresh:
        equal = len(run.ranked) > 1 and len({entry.rank_key for entry in run.ranked}) == 1
        others = ", as much as every other candidate" if equal and not run.given else ""
        floor = "" if run.untrained is None else f", untrained policies {number(run.untrained)}"
        end = "" if run.given else f": `{command('evaluate', run.path)}` trains it on others"
        return f"{name} reached {mean}{others} on one seed{floor}{end}."
    both = ", the same function as the bare fitness" if run.one_function else ""
    sides = [
        (f"{other} ({number(entry.mean)}{both})", compare(run.winner, entry, run.untrained).verdict)
        for other, entry in _baselines(run)
    ]
    said = [f"{RELATIONS[found]} {other}" for other, found in sides if found != "unknown"]
    unknown = [other for other, found in sides if found == "unknown"]
    parts = [" and ".join(said)] if said else []
    if unknown:
        most = max(count, *(len(entry.values) for _, entry in _baselines(run)))
        evaluate = command("evaluate", run.path, "--seeds", str(max(MORE_SEEDS, 2 * most)))
        parts.append(
            f"too few training runs to say whether it beats {' or '.join(unknown)}; "
            f"`{evaluate}` would"
        )
    if not parts and run.untrained is not None:
        parts.append(f"better than untrained policies ({number(run.untrained)})")
    if count < FEWEST_TRAININGS and not unknown:
        parts.append("from one training run, and seeds differ widely")
    head = f"{name} reaches {mean}, expected on a fresh seed"
    return f"{head}: {'; '.join(parts)}." if parts else f"{head} ({plural(count, 'training run')})."


def why(reader: RunReader, ranked: Sequence[RankedCandidate]) -> str:
    """Why the candidate that ranks first does, as a phrase; empty if there is none.

    Args:
        reader: any run.
        ranked: its `ranking`.
    """
    run = RunSnapshot(reader)
    run.ranked = list(ranked)
    return why_first(run, run.ranked[0].row.id) if run.ranked else ""


def why_first(run: RunSnapshot, candidate: int | None) -> str:
    """Why a candidate ranks first, as a phrase; empty if it does not."""
    if not run.ranked or run.ranked[0].row.id != candidate:
        return ""
    first, others = run.ranked[0], run.ranked[1:]
    if not run.measured:
        if not others:
            return "the only candidate with a result"
        if equal := _equal(first, others):
            return f"nothing distinguishes it from {_named(equal)}, and it was written first"
        return f"a peer win rate of {first.value:.4g}"
    value = number(first.value)
    equal = [other for other in others if other.rank_key[0] == first.rank_key[0]]
    if equal:
        same = f"the same ranking fitness as {_named(equal)} ({value})"
        level = _equal(first, equal)
        if len(level) == len(equal):
            return f"{same}; nothing distinguishes them, and it was written first"
        more = f"{same}, but more progress ({number(first.progress)})"
        return f"{more}; {_named(level)} has as much and was written later" if level else more
    if not others:
        reason = f"the only candidate with a result, a ranking fitness of {value}"
    else:
        seeds = f"mean ranking fitness over {first.trainings} seeds"
        what = seeds if first.trainings > 1 else f"ranking fitness of {len(run.ranked)} candidates"
        reason = f"the highest {what}, {value}{_overtaken(run)}"
    return (
        f"{reason}, but no better than untrained policies"
        if run.solved_in_search is False
        else reason
    )


def _equal(first: RankedCandidate, others: Sequence[RankedCandidate]) -> list[RankedCandidate]:
    """The candidates that nothing measured distinguishes from the first one."""
    return [other for other in others if other.rank_key == first.rank_key]


def _overtaken(run: RunSnapshot) -> str:
    """The candidate that did better than the first one on a single seed, and how it ended."""
    first = run.ranked[0]
    rows = [row for row in run.candidates if row.fitness is not None]
    luckiest = max(rows, key=lambda row: (row.fitness or 0.0, -row.id), default=first.row)
    if luckiest.id == first.row.id or (luckiest.fitness or 0.0) <= first.value:
        return ""
    said = f"; #{luckiest.id} reached {number(luckiest.fitness)} on its first seed"
    later = run.ranks.get(luckiest.id)
    return (
        f"{said} but {number(later.value)} over both"
        if later
        else f"{said} and broke on the second"
    )


def _named(candidates: Sequence[RankedCandidate]) -> str:
    numbers = [f"#{candidate.row.id}" for candidate in candidates]
    if len(numbers) > MOST_NAMED:
        return f"{', '.join(numbers[:MOST_NAMED])} and {len(numbers) - MOST_NAMED} more"
    return " and ".join([", ".join(numbers[:-1]), numbers[-1]] if numbers[1:] else numbers)


# How far a comparison can be trusted


def comparison_notes(run: RunSnapshot) -> list[str]:
    """How far the comparison can be trusted, a sentence each."""
    again = []
    if run.row.best_candidate and run.reproduced is not None:
        same = "the same result" if run.reproduced else "ANOTHER result: do not trust its first one"
        again = [f"Trained again alone, the winner gave {same}."]
    if not run.measured:
        return [UNMEASURED, *again]
    counts = [len(entry.values) for entry in run.estimates.values()]
    found = ["Fitness on the reporting episodes, which the search never used."]
    if run.expected is not None:
        found.append("Expected on a fresh seed: the mean of training runs on fresh seeds.")
    if 1 in counts:
        found.append("One training run is one seed, and seeds differ widely.")
    if run.expected is not None and run.policy_fitness is not None:
        trained = sum(generation.finished for generation in run.generations)
        found.append(
            f"The policy in best/, chosen from {plural(trained, 'training run')}, reaches "
            f"{number(run.policy_fitness)}."
        )
    found += again
    if run.one_function:
        found.append("The human reward and the bare fitness are the same function: trained once.")
    if any(counts[1:]) and verdict(run).solved is not False:
        found.append(_score(run, few=min(counts) < FEW_TRAININGS))
    return found


def _score(run: RunSnapshot, few: bool) -> str:
    """The human-normalised score, or why there is none."""
    score = run.score
    if score.value is None:
        return f"No human-normalised score: {score.reason}."
    interval = score.interval
    said = f"95 % interval {number_range(*interval)}" if interval else score.reason
    narrow = ", too narrow with so few seeds" if few and interval else ""
    return (
        f"Human-normalised score {number(score.value)} ({said}{narrow}): the bare fitness is 0, "
        "the human reward 1."
    )


def standing_words(row: CandidateRow, ranked: RankedCandidate | None) -> str:
    """How a candidate did in its search, as a phrase; empty if it has no result.

    Args:
        row: the candidate.
        ranked: its rank, if it has one.
    """
    own = [] if row.own_return is None else [f"own return {number(row.own_return)}"]
    first = number(row.fitness)
    if row.fitness is None:
        return ", ".join(own)
    if ranked is None:
        said = f"ranking fitness {first} on its first seed; it broke on the second"
    elif ranked.trainings > 1:
        mean = f"{number(ranked.value)}, the mean of {ranked.trainings} seeds"
        said = f"ranking fitness {mean} ({first} first)"
    else:
        said = f"ranking fitness {number(ranked.value)}"
    near = [] if ranked is None or ranked.progress is None else [ranked.progress]
    return ", ".join([said, *(f"progress {number(value)}" for value in near), *own])


def ranking_words(run: RunSnapshot) -> str:
    """What the search chooses by."""
    if not run.measured:
        return "comparisons won"
    episodes = run.row.config.get("ranking_episodes")
    return f"fitness on {plural(episodes, 'ranking episode')}" if episodes else "ranking fitness"
