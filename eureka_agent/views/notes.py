"""How far a run's comparison can be trusted: the same sentences in a terminal and in a report."""

from eureka_agent.common.text import extent, number, things
from eureka_agent.views.documents import REWARDS, UNMEASURED, Document

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
            f"The policy in best/, chosen from {things(trained, 'training')}, reaches {fitness}."
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
    said = f"95 % interval {extent(*interval)}" if interval else score["reason"]
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
    return f"fitness on {things(episodes, 'ranking episode')}" if episodes else "ranking fitness"
