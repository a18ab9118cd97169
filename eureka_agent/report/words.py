"""How a report puts results into words and table rows."""

import time
from collections.abc import Mapping
from typing import Any

from eureka_agent.ui import format as forms
from eureka_agent.ui.documents import PUBLISHED, REWARDS, UNMEASURED
from eureka_agent.ui.format import count, number, things

Document = Mapping[str, Any]

STATES = {
    "proposed": "being checked",
    "accepted": "waiting",
    "waiting": "waiting",
    "training": "training",
    "finished": "trained",
    "rejected": "rejected",
    "failed": "failed",
}
AGAINST = {"against_human": "human reward", "against_bare": "bare fitness"}
VERDICTS = {
    "better": "The winner is better than the {name}",
    "worse": "The winner is worse than the {name}",
    "tie": "The winner and the {name} cannot be told apart",
    "unknown": "The winner and the {name} have too few trainings to be told apart",
}


def moment(seconds: float) -> str:
    """Unix seconds as a date and a time of day."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def extent(interval: tuple[float | None, float | None] | None) -> str:
    """An interval, or that there is none."""
    return forms.extent(*(interval or (None, None)))


def shown(value: object) -> str:
    """A setting's value as a person would write it."""
    if value is None or value == "":
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {shown(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value)) or "none"
    return str(value)


def compared(document: Document) -> list[tuple[str, Document]]:
    """The winner and the baselines with their results, those that were tried."""
    entries = document["comparison"]
    return [
        (name, entries[key])
        for key, name in REWARDS.items()
        if entries[key]["values"] or entries[key]["failed"]
    ]


def published(document: Document) -> list[tuple[str, Document]]:
    """What came with the environment."""
    entries = document["published_baselines"] or {}
    return [(name, entries[key]) for key, name in PUBLISHED.items() if entries.get(key)]


def differences(document: Document) -> list[tuple[str, Document]]:
    """How the winner does against each baseline, in words, and by how much."""
    entries = document["comparison"]
    return [
        (VERDICTS[entries[key]["verdict"]].format(name=name), entries[key])
        for key, name in AGAINST.items()
        if entries[key]["difference"] is not None
    ]


def notes(document: Document) -> list[str]:
    """How far the comparison can be trusted, a sentence each."""
    if not document["measured"]:
        return [UNMEASURED]
    entries = document["comparison"]
    found = ["Fitness on episodes that the search never used."]
    if document["best"] and not entries["winner"]["values"]:
        ranking = number(document["best"]["ranking_fitness"])
        return [f"Not compared yet. Its ranking fitness is {ranking}; being chosen flatters it."]
    if any(len(entries[key]["values"]) == 1 for key in REWARDS):
        found.append("One training is one seed, and seeds differ widely.")
    if document["best"] and document["best"]["policy_fitness"] is not None:
        trained = sum(row["finished"] for row in document["generations"])
        fitness = number(document["best"]["policy_fitness"])
        found.append(
            f"The policy itself, chosen from {things(trained, 'training')}, reaches {fitness}."
        )
    if document["best"] and document["best"]["reproduced"] is not None:
        found.append(
            "Trained again alone, the winner gave the same result."
            if document["best"]["reproduced"]
            else "Trained again alone, the winner gave ANOTHER result: do not trust its first one."
        )
    score = document["comparison"]["score"]
    if score["value"] is None:
        found.append(f"There is no human-normalised score: {score['reason']}.")
    return found + _published_notes(document["published_baselines"])


def _published_notes(entry: Document | None) -> list[str]:
    if entry is None:
        return []
    found = [f"Published baselines: {note}" for note in entry["notes"]]
    if entry["steps"]:
        date = f", measured {entry['date']}" if entry["date"] else ""
        found.append(f"Published baselines are after {count(entry['steps'])} steps{date}.")
    return found
