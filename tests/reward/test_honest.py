"""No honest program is refused: the styles of people and of language models, as they write."""

import functools
import json
from pathlib import Path

import pytest

from eureka_agent.designer.extraction import extract_program
from eureka_agent.environment import (
    Environment,
    SignalLayout,
    Transitions,
    find_environment,
    list_environments,
)
from eureka_agent.reward import Finding, check, parse
from eureka_agent.workers.probe.dry_run import dry_run
from eureka_agent.workers.probe.samples import sample_transitions, sampled_batch

FOLDER = Path(__file__).parent / "honest"
RECORDING = Path(__file__).parents[1] / "search" / "exchange.json"
PROGRAMS = sorted(FOLDER.glob("*/*.py"))


@functools.cache
def environment(name: str) -> Environment:
    return find_environment(name)


@functools.cache
def transitions(name: str) -> Transitions:
    return sample_transitions(environment(name), 0)


def label(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


def findings(name: str, text: str) -> list[Finding]:
    """All that the critic finds: of the text, then of calling it on what random actions bring."""
    signals = environment(name).signals_described
    found = check(text, signals)
    if any(finding.severity == "error" for finding in found):
        return found
    program = parse(text, signals)
    batch = sampled_batch(transitions(name), SignalLayout(signals), program.compile().parameters)
    return found + dry_run(program, [batch])


@pytest.mark.parametrize("path", PROGRAMS, ids=label)
def test_an_honest_program_is_accepted(path: Path) -> None:
    name, text = path.parent.name, path.read_text("utf-8")
    assert check(text, environment(name).signals_described) == []
    assert [f for f in findings(name, text) if f.severity == "error"] == []


@pytest.mark.parametrize("name", list_environments())
def test_every_human_reward_is_accepted(name: str) -> None:
    path = environment(name).human_reward_path
    assert path is not None
    assert [f for f in findings(name, path.read_text("utf-8")) if f.severity == "error"] == []


def test_recorded_programs_of_a_language_model_are_accepted() -> None:
    exchanges = json.loads(RECORDING.read_text("utf-8"))["exchanges"]
    assert len(exchanges) == 12
    for exchange in exchanges:
        text = extract_program(exchange["reply"], exchange["finish_reason"]).text
        assert [f for f in findings("cartpole", text) if f.severity == "error"] == []


def test_windows_line_ends_make_no_difference() -> None:
    text = PROGRAMS[0].read_text("utf-8")
    signals = environment(PROGRAMS[0].parent.name).signals_described
    other = text.replace("\n", "\r\n")
    assert parse(other, signals).fingerprint == parse(text, signals).fingerprint


def test_there_are_many_honest_programs() -> None:
    assert len(PROGRAMS) >= 40
