"""The tables of `gpu.py`."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from gpu_clock import PHASES

BAR_ENVIRONMENT, BAR_WORLDS, MANY = "humanoid", 8192, 16
"""Where the trainer is compared with the bare physics."""
T_95 = 2.145
"""Of Student's distribution with 14 degrees of freedom: two groups of eight."""


def report(results: dict[str, Any], reference: Path) -> str:
    """The results as Markdown."""
    machine = results["machine"]
    found = list(results["cells"].values())
    raw = [c for c in found if c["kind"] == "raw" and "bare_rate" in c]
    training = [c for c in found if c["kind"] == "training" and "rate" in c]
    bare = {(c["environment"], c["worlds"]): c["bare_rate"] for c in raw}
    lines = [machine.get(machine.get("device", ""), str(machine)), ""]
    lines += _table(
        "environment|worlds|bare steps/s|ours|construction, s|capture, s|memory, GiB",
        (
            f"{c['environment']}|{c['worlds']}|{_k(c['bare_rate'])}|{_k(c['ours_rate'])}|"
            f"{c['construct_s']:.1f}|{c['capture_s']:.2f}|{c.get('memory_gib', 0):.1f}"
            for c in sorted(raw, key=_order)
        ),
    )
    lines += _table(
        "environment|worlds|K|steps/s|of bare|"
        + "|".join(PHASES)
        + "|construction, s|warm-up, s|memory, GiB",
        (
            f"{c['environment']}|{c['worlds']}|{c['lanes']}|{_k(c['rate'])}|"
            f"{_of(c['rate'], bare.get((c['environment'], c['worlds'])))}|"
            + "|".join(f"{c['shares'].get(phase, 0):.0%}" for phase in PHASES)
            + f"|{c['construct_s']:.1f}|{c['warm_up_s']:.1f}|{c.get('memory_gib', 0):.1f}"
            for c in sorted(training, key=_order)
        ),
    )
    lines += _bars({(c["worlds"], c["lanes"]): c["rate"] for c in training if _barred(c)}, bare)
    lines += [_learning(c, reference) for c in found if "fitness" in c]
    lines += [_orders(c) for c in found if "one_order_rate" in c]
    lines += [
        f"{key} failed: {c['failed']}" for key, c in results["cells"].items() if "failed" in c
    ]
    overflows = {key: c["overflow"] for key, c in results["cells"].items() if c.get("overflow")}
    return "\n".join([*lines, *(f"{key}: {said}" for key, said in overflows.items())])


def _barred(cell: dict[str, Any]) -> bool:
    return cell["environment"] == BAR_ENVIRONMENT


def _bars(rates: dict[tuple[int, int], float], bare: dict[tuple[str, int], float]) -> Iterable[str]:
    """How our training stands to the bare physics, and many policies to one."""
    many, one = rates.get((BAR_WORLDS, MANY)), rates.get((BAR_WORLDS, 1))
    limit = bare.get((BAR_ENVIRONMENT, BAR_WORLDS))
    where = f"{BAR_ENVIRONMENT}, {BAR_WORLDS} worlds"
    if many and limit:
        yield f"{where}: training at K = {MANY} runs at {many / limit:.0%} of the bare physics.\n"
    if many and one:
        yield f"{where}: K = {MANY} costs {one / many:.2f} times K = 1 per step.\n"


def _orders(cell: dict[str, Any]) -> str:
    """Whether sums in one order make a world's result its own affair, and at what cost."""
    said = []
    for order in ("any", "one"):
        repeats = "repeat" if cell[f"{order}_order_repeats"] else "do not repeat"
        alone = "do not depend" if cell[f"{order}_order_alone"] else "depend"
        rate = _k(cell[f"{order}_order_rate"])
        said.append(
            f"summed in {order} order {rate} steps/s, runs {repeats}, worlds {alone} on neighbours"
        )
    return f"{cell['environment']}, {cell['worlds']}: {'; '.join(said)}.\n"


def _learning(cell: dict[str, Any], reference: Path) -> str:
    """How the GPU's fitness compares with the CPU's, seeds of both as they come."""
    files = sorted(reference.glob(f"population-{cell['environment']}-*.json"))
    cpu = [json.loads(file.read_text(encoding="utf-8"))["fitness"][-1] for file in files]
    gpu = cell["fitness"]
    said = f"Learning, {cell['environment']}, {cell['steps']} steps in {cell['seconds']:.0f} s: "
    said += f"fitness {mean(gpu):.3g} on the GPU ({len(gpu)} seeds)"
    if len(cpu) < 2:
        return said + f"; no trainings on the CPU to compare with in {reference}."
    error = math.hypot(stdev(gpu) / math.sqrt(len(gpu)), stdev(cpu) / math.sqrt(len(cpu)))
    difference = mean(gpu) - mean(cpu)
    low, high = difference - T_95 * error, difference + T_95 * error
    verdict = "holds" if low <= 0 <= high else "FAILS"
    return (
        f"{said}, {mean(cpu):.3g} on the CPU ({len(cpu)}); difference {difference:.3g}, 95 % "
        f"interval {low:.3g} to {high:.3g}: the check {verdict}."
    )


def _table(head: str, rows: Iterable[str]) -> list[str]:
    titles = head.split("|")
    ruler = "|---|" + "---:|" * (len(titles) - 1)
    return [f"| {' | '.join(titles)} |", ruler, *(f"|{row}|" for row in rows), ""]


def _order(cell: dict[str, Any]) -> tuple[str, int, int]:
    return cell["environment"], cell["worlds"], cell["lanes"]


def _k(rate: float) -> str:
    return f"{rate / 1e3:.0f} k"


def _of(rate: float, limit: float | None) -> str:
    return f"{rate / limit:.0%}" if limit else ""
