"""The designer writes sound reward programs, and can read what it wrote."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from eureka_agent.designer.offline.designer import OfflineDesigner
from eureka_agent.designer.offline.mutation import Mutator
from eureka_agent.designer.offline.program_text import read, write
from eureka_agent.designer.offline.term_grammar import Spec, Term, canonical
from eureka_agent.environment import TaskDescription
from eureka_agent.reward import check, parse

PREFIXES = ("", "prev_", "start_", "max_", "min_")


def random_arguments(task: TaskDescription, rows: int = 16) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {s.name: (rows,) if s.size is None else (rows, s.size) for s in task.signals}
    arguments = {
        f"{prefix}{name}": 3 * torch.randn(shape, generator=generator)
        for prefix, (name, shape) in itertools.product(PREFIXES, shapes.items())
    }
    for name in ("action", "prev_action"):
        arguments[name] = torch.rand(rows, len(task.actuators), generator=generator) * 2 - 1
    arguments["terminated"] = torch.rand(rows, generator=generator) < 0.5
    arguments["time_left"] = torch.rand(rows, generator=generator)
    return arguments


def some_specs(designer: OfflineDesigner, count: int) -> list[Spec]:
    """Openings, and random changes of random changes of them."""
    rng = np.random.default_rng(1)
    mutator = Mutator(designer.grammar, rng, (2.0, 4.0))
    specs = [spec for spec, _ in itertools.islice(designer.initial.specs(0, rng), 8)]
    while len(specs) < count:
        child = mutator.mutate(specs[rng.integers(len(specs))])
        specs += [child[0]] if child else []
    return specs


@pytest.mark.parametrize("blind", [False, True])
def test_programs_are_accepted_and_finite_and_read_back(task: TaskDescription, blind: bool) -> None:
    designer = OfflineDesigner(task, 0, blind=blind)
    arguments = random_arguments(task)
    for spec in some_specs(designer, 50):
        text = write(spec, designer.visible)
        assert not [f for f in check(text, task.signals) if f.severity == "error"], text
        program = parse(text, task.signals)
        asked = {name: arguments[name] for name in program.parameters if name in arguments}
        evaluation = program.compile()(asked)
        assert evaluation.total.shape == (16,)
        assert evaluation.total.isfinite().all()
        assert len(evaluation.components) == len(spec)
        assert read(text, designer.grammar) == spec


def test_every_production_can_be_written_and_read(task: TaskDescription) -> None:
    designer = OfflineDesigner(task, 0)
    for production in designer.grammar.productions:
        spec = (Term(1.5, (production.factor,)),)
        assert read(write(spec, designer.visible), designer.grammar) == spec


def test_programs_can_be_read_by_people(hopper: TaskDescription) -> None:
    text = OfflineDesigner(hopper, 0).propose(0, 1, [])[0].text
    assert text.startswith('"""Hop forward as fast as possible: reward the velocity of the torso')
    assert '"forward_velocity": 1.0' in text
    kernel = "torch.exp(-((torso_lean - start_torso_lean) / posture_width).square())"
    assert f"    posture = {kernel}\n" in text
    assert max(map(len, text.splitlines())) < 100


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not a program",
        '"""Thought."""\nWEIGHTS = {"a": 1.0}\ndef compute_reward(torso_lean):\n'
        '    a = torso_lean.sin() * 3.0\n    return {"a": a}\n',
        '"""Thought."""\nWEIGHTS = {"a": 0.0}\ndef compute_reward(action):\n'
        '    a = -action.square().mean(-1)\n    return {"a": a}\n',
        '"""Thought."""\nWEIGHTS = {}\ndef compute_reward(action):\n    return {}\n',
        '"""Thought."""\nWEIGHTS = {"a": "heavy"}\n',
        '"""Thought."""\nWEIGHTS = 3\n',
        "(" * 500,
    ],
)
def test_programs_by_other_authors_are_not_read(hopper: TaskDescription, text: str) -> None:
    assert read(text, OfflineDesigner(hopper, 0).grammar) is None


def test_order_and_common_factors_do_not_make_another_program(hopper: TaskDescription) -> None:
    grammar = OfflineDesigner(hopper, 0).grammar
    first, second = (grammar.productions[i].factor for i in (0, 3))
    spec = (Term(1.0, (first,)), Term(0.5, (second,)))
    assert canonical(spec) == canonical((Term(1.0, (second,)), Term(2.0, (first,))))
    assert canonical(spec) != canonical((Term(1.0, (first,)), Term(0.25, (second,))))


def test_hostile_documentation_stays_inside_the_docstring(hopper: TaskDescription) -> None:
    bad = 'Speed """ \\ \n import os'
    signals = tuple(replace(s, meaning=bad) for s in hopper.signals)
    designer = OfflineDesigner(replace(hopper, task=bad, signals=signals), 0)
    for proposal in designer.propose(0, 8, []):
        assert not [f for f in check(proposal.text, signals) if f.severity == "error"]
