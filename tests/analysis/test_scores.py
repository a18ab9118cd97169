"""A child scores programs: it may die of them, and its replies are checked."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded import roamed
from sledge import REWARD

from eureka_agent.analysis.rewards.bank import ROWS, Bank, Entry, Record, Scorer
from eureka_agent.environment import Environment
from eureka_agent.environment.episodes import EvaluatedEpisodes
from eureka_agent.reward import parse
from eureka_agent.workers.probe.score import score_episodes
from eureka_agent.workers.probe_client import ProbeClient, Score
from eureka_agent.workers.process import WorkerProcess
from eureka_agent.workers.protocol import Message

INFINITE = REWARD.replace('"right": place', '"right": 1.0 / (place - place)')
CRASHING = REWARD + "\n# Crash.\n"


@pytest.fixture(scope="module")
def seen(environment: Environment) -> EvaluatedEpisodes:
    return roamed(environment, "random")[0]


@pytest.fixture
def bank(seen: EvaluatedEpisodes, tmp_path: Path) -> Bank:
    bank = Bank(tmp_path / "bank", 1 << 28, pytest.fail)
    bank.add(Record(Entry("random", 0, "reference"), seen))
    return bank


def test_a_worker_returns_the_rewards_of_recorded_steps(
    environment: Environment, prober: ProbeClient, seen: EvaluatedEpisodes
) -> None:
    here = score_episodes(
        parse(REWARD, environment.signals_described), seen.episodes, environment.layout, True
    )
    (there,) = prober.score([REWARD], seen.episodes, still=True)
    assert isinstance(there, Score)
    for name, value in here.items():
        assert np.array_equal(getattr(there, name), value)


def test_a_program_that_fails_says_why_and_others_are_scored(
    prober: ProbeClient, seen: EvaluatedEpisodes
) -> None:
    first, broken, last = prober.score([REWARD, INFINITE, REWARD], seen.episodes)
    assert isinstance(first, Score) and isinstance(last, Score)
    assert isinstance(broken, str)
    assert "not finite" in broken
    assert first.here.shape[0] == 0


def test_a_program_that_ends_its_process_costs_the_others_nothing(
    prober: ProbeClient, seen: EvaluatedEpisodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(child: WorkerProcess, message: Message, **limits: Any) -> Message:
        if CRASHING in message.fields.get("programs", ()):
            os.kill(child.pid, signal.SIGSEGV)
        return request(child, message, **limits)

    # The language has no words for a crash, so one is brought about from outside.
    request = WorkerProcess.request
    monkeypatch.setattr(WorkerProcess, "request", crash)
    first, crashing, last = prober.score([REWARD, CRASHING, REWARD], seen.episodes)
    assert isinstance(first, Score) and isinstance(last, Score)
    assert isinstance(crashing, str)


def test_nothing_is_asked_twice(
    bank: Bank, prober: ProbeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = Scorer(bank, prober)
    scorer.score([REWARD, INFINITE], bank.entries)
    monkeypatch.setattr(ProbeClient, "score", lambda *asked, **how: pytest.fail("asked again"))
    scorer.score([REWARD, INFINITE], bank.entries)
    assert list(scorer.failures) == [INFINITE]
    assert scorer.rewards(INFINITE, bank.entries[0]) is None


def test_a_sample_holds_steps_of_episodes_and_nothing_beyond_their_ends(
    bank: Bank, prober: ProbeClient, seen: EvaluatedEpisodes, environment: Environment
) -> None:
    scorer, (entry,) = Scorer(bank, prober), bank.entries
    scorer.score([REWARD], [entry])
    rewards, steps = scorer.rewards(REWARD, entry), scorer.steps(entry)
    assert rewards is not None and steps is not None
    alive = seen.episodes.alive().numpy()
    count = min(ROWS, int(alive.sum()))
    place = seen.episodes.states[1:, :, 0].numpy()[alive]
    assert rewards.mean == pytest.approx(place.mean())
    assert rewards.total.shape == (count,)
    assert rewards.here.shape == rewards.there.shape == (count, 1)
    assert steps.before.shape == (count, environment.layout.width + 1)
    assert np.array_equal(rewards.there[:, 0], steps.after[:, 0].astype(np.float32))
    assert np.array_equal(rewards.here[:, 0], steps.before[:, 0].astype(np.float32))
    assert int(steps.terminated.sum()) == int(seen.episodes.terminated.sum())
