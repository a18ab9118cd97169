"""The offline designer searches: it repeats itself for a seed, learns, and keeps to the task."""

import ast
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from eureka_agent.designer.base import PastCandidate, Proposal, RepairRequest
from eureka_agent.designer.offline.designer import CreditModel, OfflineDesigner, ranks
from eureka_agent.designer.offline.program_text import read
from eureka_agent.designer.offline.term_grammar import canonical
from eureka_agent.environment import TaskDescription
from eureka_agent.reward import Finding, Signal, parse

Judge = Callable[[str], float | None]


def no_opinion(text: str) -> float | None:
    return float(len(text) % 7)


def search(
    designer: OfflineDesigner, generations: int, count: int, judge: Judge
) -> list[PastCandidate]:
    past: list[PastCandidate] = []
    for generation in range(generations):
        for proposal in designer.propose(generation, count, past):
            fitness = judge(proposal.text)
            failure = None if fitness is not None else "It failed."
            past.append(
                PastCandidate(
                    len(past), generation, proposal.text, proposal.parents, fitness, failure
                )
            )
    return past


def likes_leaning_little_and_running(text: str) -> float:
    """A hidden preference, known only through its values: the weight shares of what matters."""
    tree = ast.parse(text)
    weights = next(
        ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)
    )
    lines = {
        node.targets[0].id: ast.unparse(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    largest = max(weights.values())
    score = 0.0
    for name, weight in weights.items():
        share, code = weight / largest, lines[name]
        score += 1.0 * share if code == "torso_velocity[:, 0]" else 0.0
        score += 1.0 - abs(share - 0.25) if "torso_lean" in code and "exp" in code else 0.0
        score += 0.5 if "foot_force" in code else 0.0
        score -= 0.2
    return score


def test_equal_seeds_and_pasts_give_equal_programs(task: TaskDescription) -> None:
    first = search(OfflineDesigner(task, 3), 3, 4, no_opinion)
    assert search(OfflineDesigner(task, 3), 3, 4, no_opinion) == first
    assert search(OfflineDesigner(task, 4), 3, 4, no_opinion) != first


def test_a_search_resumes_from_texts_alone(task: TaskDescription) -> None:
    past = search(OfflineDesigner(task, 0), 3, 4, no_opinion)
    resumed = OfflineDesigner(task, 0).propose(2, 4, past[:8])
    assert [p.text for p in resumed] == [p.text for p in past[8:]]


@pytest.mark.parametrize("blind", [False, True])
def test_programs_are_new_and_read_only_described_signals(
    task: TaskDescription, blind: bool
) -> None:
    designer = OfflineDesigner(task, 1, blind=blind)
    past = search(designer, 4, 6, no_opinion)
    specs = [read(p.text, designer.grammar) for p in past]
    assert len({canonical(spec) for spec in specs if spec is not None}) == 24
    for candidate in past:
        parse(candidate.text, task.signals)  # raises if a parameter is not described


def test_parents_are_past_candidates_with_a_fitness(hopper: TaskDescription) -> None:
    past = search(
        OfflineDesigner(hopper, 0), 4, 4, lambda text: None if "posture" in text else len(text)
    )
    failed = {p.id for p in past if p.fitness is None}
    assert failed
    for candidate in past:
        assert all(parent < candidate.id for parent in candidate.parents)
        assert not failed & set(candidate.parents)


def test_the_fittest_is_always_a_parent(task: TaskDescription) -> None:
    past = search(OfflineDesigner(task, 0), 2, 4, no_opinion)
    best = max(past, key=lambda p: (p.fitness or 0.0, -p.id))
    first = OfflineDesigner(task, 0).propose(2, 4, past)[0]
    assert best.id in first.parents
    assert f"#{best.id}" in first.note


def test_failures_and_foreign_programs_do_not_stop_a_search(
    hopper: TaskDescription,
) -> None:
    others = [
        PastCandidate(0, 0, "def compute_reward(): ...", (), 5.0, None),
        PastCandidate(1, 0, "", (), None, "It is empty."),
    ]
    proposals = OfflineDesigner(hopper, 0).propose(1, 4, others)
    assert len({p.text for p in proposals}) == 4
    assert all(p.parents == () for p in proposals)


def test_fitness_rises_over_generations(hopper: TaskDescription) -> None:
    first, last = [], []
    for seed in range(2):
        past = search(OfflineDesigner(hopper, seed), 6, 8, likes_leaning_little_and_running)
        values = [p.fitness or 0.0 for p in past]
        first.append(max(values[:8]))
        last.append(max(values[-8:]))
    assert np.mean(last) > np.mean(first) + 0.3


def test_documentation_raises_the_fitness(hopper: TaskDescription) -> None:
    def best(seed: int, *, blind: bool) -> float:
        designer = OfflineDesigner(hopper, seed, blind=blind)
        return max(
            p.fitness or 0.0 for p in search(designer, 3, 4, likes_leaning_little_and_running)
        )

    seeds = range(3)
    seeing = np.mean([best(seed, blind=False) for seed in seeds])
    assert seeing > np.mean([best(seed, blind=True) for seed in seeds])


def test_the_credit_model_finds_what_helped(hopper: TaskDescription) -> None:
    designer = OfflineDesigner(hopper, 0)
    proposals = designer.propose(0, 16, [])
    specs = [spec for p in proposals if (spec := read(p.text, designer.grammar)) is not None]
    fitness = [float("effort" in p.text) for p in proposals]
    credit = CreditModel(designer.grammar, specs, [(value,) for value in fitness])
    rng = np.random.default_rng(0)
    guess = np.mean([credit.sample(specs, rng) for _ in range(20)], axis=0)
    helped = np.array(fitness) > 0
    assert guess[helped].mean() > guess[~helped].mean()


def test_ranks_are_shared_and_failures_are_last() -> None:
    found = ranks([(1.0,), (5.0,), (5.0,), None]).tolist()
    assert found == pytest.approx([-1 / 3, 2 / 3, 2 / 3, -1.0])
    assert ranks([(2.0,)]).tolist() == [0.0]


def blinded(task: TaskDescription, count: int = 8) -> list[Proposal]:
    return OfflineDesigner(task, 5, blind=True).propose(0, count, [])


def test_the_blind_control_sees_no_documentation(task: TaskDescription) -> None:
    def obscured(signal: Signal) -> Signal:
        axes = tuple("zyxwvu"[: len(signal.axes)])
        return replace(signal, unit="kg", kind="contact", meaning="Something else", axes=axes)

    signals = tuple(obscured(signal) for signal in task.signals)
    other = replace(task, task="Do something else.", signals=signals, environment="else")
    assert [p.text for p in blinded(other)] == [p.text for p in blinded(task)]


def test_the_blind_control_does_not_read_names(task: TaskDescription) -> None:
    renamed = tuple(replace(s, name=f"quux{i}") for i, s in enumerate(task.signals))
    for plain, other in zip(blinded(task), blinded(replace(task, signals=renamed)), strict=True):
        text = plain.text
        for signal, new in zip(task.signals, renamed, strict=True):
            text = text.replace(signal.name, new.name)
        assert ast.dump(ast.parse(text)) == ast.dump(ast.parse(other.text))


def test_designers_have_names(task: TaskDescription) -> None:
    assert OfflineDesigner(task, 0).name == "offline"
    assert OfflineDesigner(task, 0, blind=True).name == "offline-blind"


def test_repair_changes_an_equivalent_program_reproducibly(
    hopper: TaskDescription,
) -> None:
    designer = OfflineDesigner(hopper, 0)
    (proposal,) = designer.propose(0, 1, [])
    near = Finding("equivalent", "error", 1, 1, "The same as #1.")
    broken = RepairRequest(1, 1, 0, 1, proposal.text, (near,))
    changed, again, later = designer.repair([broken, broken, replace(broken, attempt=2)])
    assert changed is not None and later is not None
    specs = [read(text, designer.grammar) for text in (proposal.text, changed.text)]
    assert specs[0] is not None and specs[1] is not None
    assert canonical(specs[0]) != canonical(specs[1])
    assert changed == again != later


def test_the_second_repair_of_an_equivalent_is_a_new_mixture(hopper: TaskDescription) -> None:
    designer = OfflineDesigner(hopper, 0)
    (proposal,) = designer.propose(0, 1, [])
    near = Finding("equivalent", "error", 1, 1, "The same as #1.")
    (later,) = designer.repair([RepairRequest(1, 1, 0, 2, proposal.text, (near,))])
    assert later is not None and later.note == "a mixture of plausible terms"


def test_programs_with_other_errors_are_not_repaired(hopper: TaskDescription) -> None:
    designer = OfflineDesigner(hopper, 0)
    (proposal,) = designer.propose(0, 1, [])
    other = Finding("not-finite", "error", 1, 1, "It is not finite.")
    near = Finding("equivalent", "error", 1, 1, "The same as #1.")
    unreadable = RepairRequest(1, 1, 0, 1, "import os", (near,))
    assert (
        designer.repair([RepairRequest(1, 1, 0, 1, proposal.text, (other,)), unreadable])
        == [None] * 2
    )
