"""What came of a run, in one sentence, and why its winner won: the same words in every view."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eureka_agent.common.paths import command
from eureka_agent.common.statistics import FEWEST_TRAININGS, Estimate, compare
from eureka_agent.common.text import number, number_range, percent, plural
from eureka_agent.store import RankedCandidate, RunReader, ranking
from eureka_agent.store import solved as solved_in_search
from eureka_agent.store.rows import RunStatus
from eureka_agent.views.snapshot import REWARDS, UNMEASURED, Document

NAMES = {"human": "the human reward", "bare": "the bare fitness"}
RELATIONS = {"better": "better than", "worse": "worse than", "tie": "as good as"}
MORE_SEEDS = 10
"""Seeds that are suggested where too few trainings tell two rewards apart; later twice as many."""
MOST_NAMED = 3
"""Equal candidates that are named by their numbers."""


@dataclass(frozen=True)
class Evidence:
    """What a verdict rests on.

    Attributes:
        run: the run's folder, as commands name it.
        status: how it stands.
        given: whether one given reward was trained, and nothing searched.
        ranked: the candidates with a result, the best first.
        ended: how many candidates failed and how many were rejected.
        peers: whether candidates rank by the rewards of others, and no fitness measures the task.
        untrained: the most that a policy without training gets; None where that is not known.
        solved: whether a candidate did better than that in the search; None where nothing says so.
        dense: whether the environment has a dense measure of its task.
        best: the winner so far.
        winner: its results on the reporting pool.
        fresh: whether these are of trainings on fresh seeds.
        human: likewise of the human reward.
        bare: of the bare fitness.
        one_function: whether these two rewards are the same.
    """

    run: Path
    status: RunStatus
    given: bool
    ranked: Sequence[RankedCandidate]
    ended: tuple[int, int]
    peers: bool
    untrained: float | None
    solved: bool | None
    dense: bool
    best: int | None
    winner: Estimate
    fresh: bool
    human: Estimate
    bare: Estimate
    one_function: bool

    @property
    def baselines(self) -> list[tuple[str, Estimate]]:
        """The rewards to compare with that have a result, by name."""
        if self.one_function and self.human.values:
            return [(NAMES["human"], self.human)]
        entries = [(NAMES["human"], self.human), (NAMES["bare"], self.bare)]
        return [(name, entry) for name, entry in entries if entry.mean is not None]


@dataclass(frozen=True)
class Verdict:
    """What came of a run.

    Attributes:
        sentence: one sentence for people.
        solved: whether a reward does better than no training at all; None where that is not known.
        advice: what to try next, a sentence each.
    """

    sentence: str
    solved: bool | None
    advice: tuple[str, ...] = ()


def verdict(seen: Evidence) -> Verdict:
    """What came of a run."""
    if not seen.ranked or seen.best is None:
        return _without_result(seen)
    if seen.peers:
        return Verdict(_by_peers(seen), None, _resumed(seen))
    again = seen.fresh and seen.winner.mean is not None
    if seen.solved is False and not (again and not _no_better(seen.winner, seen.untrained)):
        return _unsolved(seen)
    if seen.status != "finished" and not seen.winner.values:
        return Verdict(_so_far(seen), None, _resumed(seen))
    if _no_better(seen.winner, seen.untrained):
        return _unsolved(seen)
    return Verdict(_result(seen), None if seen.untrained is None else True)


def why(run: RunReader, ranked: Sequence[RankedCandidate] | None = None) -> str:
    """Why the candidate that ranks first does, as a phrase; empty where there is none.

    Args:
        run: any run.
        ranked: its `ranking`, where that is known.
    """
    ranked = ranking(run) if ranked is None else ranked
    if not ranked:
        return ""
    first, others = ranked[0], ranked[1:]
    value = number(first.value)
    if not run.measured:
        return _why_by_peers(first, others)
    failed = solved_in_search(run, ranked) is False
    equal = [other for other in others if other.rank_key[0] == first.rank_key[0]]
    if equal:
        same = f"the same ranking fitness as {_named(equal)} ({value})"
        level = [other for other in equal if other.rank_key == first.rank_key]
        if len(level) == len(equal):
            return f"{same}; nothing tells them apart, and it was written first"
        more = f"{same}, but more progress ({number(first.progress)})"
        return f"{more}; {_named(level)} has as much and was written later" if level else more
    if not others:
        reason = f"the only candidate with a result, a ranking fitness of {value}"
    else:
        seeds = f"mean ranking fitness over {first.trainings} seeds"
        what = seeds if first.trainings > 1 else f"ranking fitness of {len(ranked)} candidates"
        reason = f"the highest {what}, {value}{_overtaken(run, ranked)}"
    return f"{reason}, but no better than untrained policies" if failed else reason


def _why_by_peers(first: RankedCandidate, others: Sequence[RankedCandidate]) -> str:
    if not others:
        return "the only candidate with a result"
    equal = [other for other in others if other.rank_key == first.rank_key]
    if equal:
        return f"nothing tells it from {_named(equal)}, and it was written first"
    return f"a peer win rate of {first.value:.4g}"


def _overtaken(run: RunReader, ranked: Sequence[RankedCandidate]) -> str:
    """Who did better than the first one on a single seed, and what became of that; or nothing."""
    first = ranked[0]
    rows = [row for row in run.candidates() if row.fitness is not None]
    luckiest = max(rows, key=lambda row: (row.fitness or 0.0, -row.id), default=first.row)
    single = number(luckiest.fitness)
    if luckiest.id == first.row.id or (luckiest.fitness or 0.0) <= first.value:
        return ""
    later = next((standing for standing in ranked if standing.row.id == luckiest.id), None)
    if later is None:
        return f"; #{luckiest.id} reached {single} on its first seed and broke on the second"
    return (
        f"; #{luckiest.id} reached {single} on its first seed but {number(later.value)} over both"
    )


def _named(standings: Sequence[RankedCandidate]) -> str:
    numbers = [f"#{standing.row.id}" for standing in standings]
    if len(numbers) > MOST_NAMED:
        return f"{', '.join(numbers[:MOST_NAMED])} and {len(numbers) - MOST_NAMED} more"
    return " and ".join([", ".join(numbers[:-1]), numbers[-1]] if numbers[1:] else numbers)


def _without_result(seen: Evidence) -> Verdict:
    failed, rejected = seen.ended
    if seen.status in ("running", "interrupted"):
        return Verdict("No candidate has trained to the end yet.", None, _resumed(seen))
    if seen.ranked:
        return Verdict("No winner was chosen yet.", None, _resumed(seen))
    counts = [f"{failed} failed"] * bool(failed) + [f"{rejected} rejected"] * bool(rejected)
    ends = ", ".join(counts) or "none was written"
    said = "The reward did not train to the end" if seen.given else "No reward trained to the end"
    advice = f"See why: {command('show', seen.run, '1')}" if counts else ""
    return Verdict(f"{said}: {ends}.", False, tuple(filter(None, [advice, *_resumed(seen)])))


def _by_peers(seen: Evidence) -> str:
    """Who ranks first where nothing but the rewards of others says so."""
    first, others = seen.ranked[0], seen.ranked[1:]
    unmeasured, name = "Nothing measured the task", f"candidate {seen.best}"
    if not others:
        return f"{unmeasured}: {name} is the only one with a result."
    equal = [other for other in others if other.rank_key == first.rank_key]
    if len(equal) == len(others):
        return f"{unmeasured}, and nothing tells the candidates apart: {name} was written first."
    rate = percent(first.value)
    said = f"{name} stands first by the rewards of others, with {rate} of its comparisons won"
    return f"{unmeasured}: {said}{f', like {_named(equal)}' if equal else ''}."


def _no_better(entry: Estimate, untrained: float | None) -> bool:
    return entry.mean is not None and untrained is not None and entry.mean <= untrained


def _unsolved(seen: Evidence) -> Verdict:
    """Nothing did better than policies without training."""
    untrained = f"untrained policies ({number(seen.untrained)})"
    if seen.given:
        reached = number(seen.winner.mean if seen.winner.values else seen.ranked[0].value)
        said = f"The reward did not solve the task: it reached {reached}, no more than {untrained}."
    elif seen.status != "finished" and not seen.winner.values:
        said = f"So far no reward solves the task: nothing did better than {untrained}."
        return Verdict(said, None, _resumed(seen))
    elif seen.solved is False:
        said = f"No reward solved the task: nothing did better than {untrained}."
    else:
        said = (
            f"No reward solved the task: candidate {seen.best}, the best in the search, reached "
            f"{number(seen.winner.mean)} on other seeds and episodes, no more than {untrained}."
        )
    return Verdict(said, False, _advice(seen))


def _advice(seen: Evidence) -> tuple[str, ...]:
    """What to try where nothing did better than no training."""
    floor, most = seen.untrained or 0.0, seen.winner.bounds[1]
    if most is not None and floor >= most:
        return ("Untrained policies get all that is possible: make the fitness stricter.",)
    known = [(name, entry.mean) for name, entry in seen.baselines if entry.mean is not None]
    able = [(name, mean) for name, mean in known if mean > floor and number(mean) != number(floor)]
    more = f"`{command('resume', seen.run, '--generations', '2')}`"
    found = []
    if seen.given:
        found.append("Train for more steps (--steps), or let a search improve the reward (--init).")
    elif able:
        name, mean = max(able, key=lambda pair: pair[1])
        found.append(
            f"In the same steps {name} reaches {number(mean)}, so the task can be learned: go on "
            f"with {more}, or search with a language model (--model)."
        )
    elif known:
        names = " and ".join(name for name, _ in known)
        do = "do" if len(known) > 1 else "does"
        found.append(
            f"Nor {do} {names} in these steps: search with more (--steps). If untrained policies "
            "already do what is meant, make the fitness stricter."
        )
    else:
        found.append(f"Search with more steps (--steps), or go on with {more}.")
    if not seen.dense and _sparse(seen):
        found.append(
            "Add progress(<signals>) to fitness.py: it orders rewards where the fitness is hardly "
            "ever reached."
        )
    found.append(f"See what the policy does: {command('play', seen.run, '--video', 'out.mp4')}")
    return tuple(found)


def _sparse(seen: Evidence) -> bool:
    """Whether the fitness hardly tells rewards apart: some are equal, or lie at its lowest."""
    values = [standing.rank_key[0] for standing in seen.ranked]
    return len(set(values)) < len(values) or seen.winner.bounds[0] in values


def _so_far(seen: Evidence) -> str:
    first = seen.ranked[0]
    return (
        f"So far candidate {first.row.id} leads with a ranking fitness of {number(first.value)}, "
        "which being chosen flatters; nothing is compared yet."
    )


def _resumed(seen: Evidence) -> tuple[str, ...]:
    if seen.status not in ("interrupted", "failed"):
        return ()
    return (f"Go on with: {command('resume', seen.run)}",)


def _result(seen: Evidence) -> str:
    """What the winner reaches, and how that compares."""
    name = "The reward" if seen.given else f"Candidate {seen.best}"
    if not seen.winner.values:
        value = number(seen.ranked[0].value)
        return f"{name} has a ranking fitness of {value}, which being chosen flatters."
    mean, count = number(seen.winner.mean), len(seen.winner.values)
    equal = "" if seen.given or not _all_equal(seen) else ", as much as every other candidate"
    if not seen.fresh:
        floor = "" if seen.untrained is None else f", untrained policies {number(seen.untrained)}"
        end = "" if seen.given else f": `{command('evaluate', seen.run)}` trains it on others"
        return f"{name} reached {mean}{equal} on one seed{floor}{end}."
    sides = [
        (other, entry, compare(seen.winner, entry, seen.untrained))
        for other, entry in seen.baselines
    ]
    both = ", the same function as the bare fitness" if seen.one_function else ""
    said = [
        f"{RELATIONS[found.verdict]} {other} ({number(entry.mean)}{both})"
        for other, entry, found in sides
        if found.verdict != "unknown"
    ]
    open_names = [
        f"{other} ({number(entry.mean)}{both})"
        for other, entry, found in sides
        if found.verdict == "unknown"
    ]
    parts = [" and ".join(said)] if said else []
    if open_names:
        counts = [len(entry.values) for _, entry, _ in sides]
        seeds = max(MORE_SEEDS, 2 * max(count, *counts))
        parts.append(
            f"too few trainings to say whether it beats {' or '.join(open_names)}; "
            f"`{command('evaluate', seen.run, '--seeds', str(seeds))}` would"
        )
    if not parts and seen.untrained is not None:
        parts.append(f"better than untrained policies ({number(seen.untrained)})")
    if count < FEWEST_TRAININGS and not open_names:
        parts.append("from one training, and seeds differ widely")
    head = f"{name} reaches {mean}, expected on a fresh seed"
    return f"{head}: {'; '.join(parts)}." if parts else f"{head} ({plural(count, 'training')})."


def _all_equal(seen: Evidence) -> bool:
    merits = {standing.rank_key for standing in seen.ranked}
    return len(seen.ranked) > 1 and len(merits) == 1


FEW_TRAININGS = 5
"""Below this, resampling the trainings repeats so few that its intervals come out narrow."""


def comparison_notes(document: Document) -> list[str]:
    """A sentence each."""
    entries, best = document["comparison"], document["best"]
    again = _reproduced(best["reproduced"]) if best else []
    if not document["measured"]:
        return [UNMEASURED, *again]
    found = ["Fitness on the reporting episodes, which the search never used."]
    if best and best["expected"] is not None:
        found.append("Expected on a fresh seed: the mean of trainings on fresh seeds.")
    if any(len(entries[key]["values"]) == 1 for key in REWARDS):
        found.append("One training is one seed, and seeds differ widely.")
    if best and best["policy_fitness"] is not None and best["expected"] is not None:
        trained = sum(generation["finished"] for generation in document["generations"])
        fitness = number(best["policy_fitness"])
        found.append(
            f"The policy in best/, chosen from {plural(trained, 'training')}, reaches {fitness}."
        )
    found += again
    if entries["one_function"]:
        found.append("The human reward and the bare fitness are the same function: trained once.")
    compared = any(entries[key]["values"] for key in REWARDS if key != "winner")
    if compared and document["solved"] is not False:
        found.append(_score(document))
    return found


def _reproduced(same: bool | None) -> list[str]:
    """Whether the winner came out the same again; nothing where that was not tried."""
    if same is None:
        return []
    result = "the same result" if same else "ANOTHER result: do not trust its first one"
    return [f"Trained again alone, the winner gave {result}."]


def _score(document: Document) -> str:
    """The human-normalised score, or why there is none."""
    score = document["comparison"]["score"]
    if score["value"] is None:
        return f"No human-normalised score: {score['reason']}."
    interval = score["interval"]
    said = f"95 % interval {number_range(*interval)}" if interval else score["reason"]
    few = min(len(document["comparison"][key]["values"]) for key in REWARDS) < FEW_TRAININGS
    narrow = ", too narrow with so few seeds" if few and interval else ""
    return (
        f"Human-normalised score {number(score['value'])} ({said}{narrow}): the bare fitness is 0, "
        "the human reward 1."
    )


def standing_words(candidate: Document) -> str:
    """How a candidate did in its search, as a phrase; empty where it has no result."""
    first, mean, seeds = (candidate[key] for key in ("fitness", "ranking_value", "seeds"))
    own = "" if candidate["own_return"] is None else f"own return {number(candidate['own_return'])}"
    if first is None:
        return own
    if mean is None:
        said = f"ranking fitness {number(first)} on its first seed; it broke on the second"
    elif seeds > 1:
        said = f"ranking fitness {number(mean)}, the mean of {seeds} seeds ({number(first)} first)"
    else:
        said = f"ranking fitness {number(mean)}"
    near = candidate["ranking_progress"]
    more = [] if near is None else [f"progress {number(near)}"]
    return ", ".join([said, *more, *([own] if own else [])])


def ranking_words(document: Document) -> str:
    """What the numbers are by which the search chooses."""
    if not document["measured"]:
        return "comparisons won"
    episodes = document["ranking_episodes"]
    return f"fitness on {plural(episodes, 'ranking episode')}" if episodes else "ranking fitness"
