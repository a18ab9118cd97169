"""What policies did in the episodes that were played, one column for each."""

import statistics

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from eureka_agent.common.text import clean, number, one_line
from eureka_agent.views.documents import Document


def played_view(played: Document) -> RenderableType:
    """Facts of policies as rows, and where the film is: the document of `play --json`."""
    policies, film = played["policies"], played["video"]
    table = Table(box=None, padding=(0, 3, 0, 0))
    table.add_column("", style="dim")
    for policy in policies:
        table.add_column(Text(one_line(policy["policy"])), overflow="fold")
    facts = [_facts(policy) for policy in policies]
    for label in dict.fromkeys(label for column in facts for label in column):
        table.add_row(Text(label), *(Text(clean(column.get(label, ""))) for column in facts))
    said = [Text(clean(f"Film: {film}"))] if film else []
    return Group(table, *said)


def _facts(policy: Document) -> dict[str, str]:
    """Label and value of each row of one policy."""
    episodes = policy["episodes"]
    values = [episode["fitness"] for episode in episodes if episode["fitness"] is not None]
    lengths = [episode["seconds"] for episode in episodes]
    early = sum(episode["ended_early"] for episode in episodes)
    facts = {"environment": policy["environment"]}
    if values:
        facts["fitness"] = f"{number(policy['fitness'])}, mean of {len(values)} reporting episodes"
        facts["lowest, highest"] = f"{number(min(values))}, {number(max(values))}"
    of_all = f"of {len(episodes)}"
    facts["length"] = f"{number(statistics.mean(lengths))} s; {early} {of_all} ended early"
    diverged = sum(episode["diverged"] for episode in episodes)
    if diverged:
        facts["physics failed"] = f"in {diverged} {of_all}, which count as the worst"
    for name in episodes[0]["components"]:
        paid = [episode["components"][name] for episode in episodes]
        known = [value for value in paid if value is not None]
        facts[f"paid: {one_line(name)}"] = (
            f"{number(statistics.mean(known))} per episode" if known else "not a finite number"
        )
    if policy["components_missing"]:
        facts["paid"] = f"unknown: {one_line(policy['components_missing'])}"
    return facts
