"""Tables of what `throughput.py` measured."""

import statistics
from collections.abc import Mapping, Sequence

from rates.phases import PHASES
from rates.setting import PEERS, TWICE, Cell, Measurement

Rounds = Mapping[int, Measurement]


def report(cells: Mapping[str, Rounds]) -> str:
    """Markdown: rates with their ratios, then where our time goes.

    Args:
        cells: measurements by key and round.
    """
    if not cells:
        return "Nothing has been measured yet."
    parsed = {Cell.from_key(key): rounds for key, rounds in cells.items()}
    return f"{_rates(parsed)}\n\n{_shares(parsed)}"


def _rates(cells: Mapping[Cell, Rounds]) -> str:
    head = ("environment", "what", "K", "networks", "steps/s", "of the limit", "best SB3 x")
    rows = [_row(*head, "two SB3 x", "cores", "MB"), "|" + "---|" * (len(head) + 3)]
    for cell, rounds in cells.items():
        limit = [cells.get(Cell(cell.environment, "limit", cell.lanes), {})]
        peers = {p: cells.get(Cell(cell.environment, "sb3", peer=p), {}) for p in PEERS}
        alone = [found for peer, found in peers.items() if not peer.endswith(TWICE)]
        twice = [found for peer, found in peers.items() if peer.endswith(TWICE)]
        ours = cell.kind == "ours"
        rows.append(
            _row(
                cell.environment,
                cell.kind if cell.kind != "sb3" else f"SB3, {cell.peer}",
                "" if cell.kind == "sb3" else str(cell.lanes),
                "" if cell.kind == "limit" else "-".join(map(str, cell.hidden)),
                f"{_median(rounds, 'rate'):,.0f} ({_median(rounds, 'idle_rate'):,.0f})",
                _ratios(rounds, limit, "{:.0%}") if ours else "",
                _ratios(rounds, alone, "{:.1f}") if ours else "",
                _ratios(rounds, twice, "{:.1f}") if ours else "",
                f"{_median(rounds, 'cores'):.2f}",
                f"{_median(rounds, 'memory_mb'):,.0f}",
            )
        )
    note = (
        "Medians over rounds, ratios within a round; by the clock, and in parentheses as it would "
        "be on idle cores, by processor time. Two SB3: two trainings side by side."
    )
    return "\n".join([*rows, "", note])


def _shares(cells: Mapping[Cell, Rounds]) -> str:
    head = ("environment", "K", "networks", *PHASES, "physics, µs/step", "in the limit")
    rows = [_row(*head), "|" + "---|" * len(head)]
    for cell, rounds in cells.items():
        if cell.kind == "ours":
            limit = cells.get(Cell(cell.environment, "limit", cell.lanes), {})
            shares = (
                statistics.median(one.shares[phase] for one in rounds.values()) for phase in PHASES
            )
            rows.append(
                _row(
                    cell.environment,
                    str(cell.lanes),
                    "-".join(map(str, cell.hidden)),
                    *(f"{share:.1%}" for share in shares),
                    f"{_median(rounds, 'physics_us'):.1f}",
                    f"{_median(limit, 'physics_us'):.1f}" if limit else "",
                )
            )
    return "\n".join([*rows, "", "Shares of the time that it would take on idle cores."])


def _row(*columns: str) -> str:
    return f"| {' | '.join(columns)} |"


def _median(rounds: Rounds, name: str) -> float:
    return statistics.median(getattr(one, name) for one in rounds.values())


def _ratios(rounds: Rounds, others: Sequence[Rounds], form: str) -> str:
    """To the best of the others in the same round: by the clock (on idle cores)."""
    found = []
    for name in ("rate", "idle_rate"):
        ratios = []
        for number, one in rounds.items():
            rates = [getattr(other[number], name) for other in others if number in other]
            if rates:
                ratios.append(getattr(one, name) / max(rates))
        if not ratios:
            return ""
        found.append(form.format(statistics.median(ratios)))
    return f"{found[0]} ({found[1]})"
