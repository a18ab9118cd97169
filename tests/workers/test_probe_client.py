"""Programs are blamed for what they do to their process, and for nothing else."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from support import processes_of

from eureka_agent.common.errors import EurekaError
from eureka_agent.environment import Environment, Episodes, SignalLayout, find_environment
from eureka_agent.reward import Finding, RewardFailed
from eureka_agent.workers.probe_client import ProbeClient, read_findings
from eureka_agent.workers.probe_server import Cost
from eureka_agent.workers.probe_server import ProbeServer as ProbeServer
from eureka_agent.workers.process import WorkerProcess
from eureka_agent.workers.protocol import InvalidReply, JobFailed, Message

SOUND = '''"""Keep the pole up."""
WEIGHTS = {"up": 1.0}

def compute_reward(pole_up):
    return {"up": pole_up}
'''
GREEDY = SOUND.replace("return", "x = torch.ones(30000, 30000)\n    return").replace(
    ": pole_up}", ": pole_up + x[0, 0]}"
)
HEAVY = SOUND.replace(
    "return",
    "x = torch.ones(2000, 2000)\n"
    "    for i in range(200):\n"
    "        for j in range(20):\n"
    "            x = torch.matmul(x, x) * 0.0005\n"
    "    return",
).replace(": pole_up}", ": pole_up + x[0, 0]}")
CRASHING = SOUND + "\n# Crash.\n"
CHILD = "eureka_agent.workers.probe_server"


@pytest.fixture(scope="module")
def prober() -> Iterator[ProbeClient]:
    with ProbeClient(find_environment("cartpole")) as prober:
        yield prober


def children() -> list[int]:
    return processes_of(os.getpid(), CHILD)


def recorded(environment: Environment, value: float) -> Episodes:
    """Two episodes in which every signal has one value."""
    states = torch.full((11, 2, SignalLayout(environment.signals_described).width), value)
    ended = torch.zeros(2, dtype=torch.bool)
    return Episodes(states, torch.zeros(10, 2, 1), torch.full((2,), 10), ended)


def rules(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.rule, finding.severity) for finding in findings]


def test_a_human_reward_passes_without_a_finding(prober: ProbeClient) -> None:
    path = find_environment("cartpole").human_reward_path
    assert path is not None
    assert prober.probe(path.read_text()) == []


def test_a_text_that_is_no_program_starts_no_process() -> None:
    before = children()
    with ProbeClient(find_environment("cartpole")) as prober:
        findings = prober.probe(SOUND.replace("(pole_up)", "(pole_pu)"))
        assert "unknown-parameter" in {finding.rule for finding in findings}
        assert children() == before


def test_warnings_of_both_checks_come_in_the_order_of_the_text(prober: ProbeClient) -> None:
    text = SOUND.removeprefix('"""Keep the pole up."""\n').replace("pole_up}", "0.0 * pole_up}")
    assert rules(prober.probe(text)) == [("no-thought", "warning"), ("constant-reward", "warning")]


def test_a_program_that_raises_costs_no_process(prober: ProbeClient) -> None:
    prober.probe(SOUND)
    before = children()
    assert rules(prober.probe(SOUND.replace(": pole_up}", ": pole_up.log()}"))) == [
        ("not-finite", "error")
    ]
    assert children() == before


def test_an_error_without_a_text_is_a_finding(prober: ProbeClient) -> None:
    deep = "t = (1,)\n    for i in range(100):\n        for j in range(60):\n            t = (t,)\n"
    text = SOUND.replace("return", f'{deep}    d = {{"a": 1.0}}\n    return').replace(
        ": pole_up}", ": pole_up * d[t]}"
    )
    (found,) = prober.probe(text)
    assert (found.rule, found.severity, found.line) == ("exception", "error", 10)
    assert "KeyError" in found.message
    episodes = recorded(find_environment("cartpole"), 0.0)
    (said, paid) = prober.score([text, SOUND], episodes)
    assert isinstance(said, str) and "KeyError" in said
    assert not isinstance(paid, str)


def test_a_probe_that_breaks_is_the_programs_fault_and_no_end_of_a_search(
    prober: ProbeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(worker: WorkerProcess, message: Message, **limits: Any) -> Message:
        if message.kind == "probe":
            raise JobFailed("RuntimeError", "This was not expected.")
        return request(worker, message, **limits)

    request = WorkerProcess.request
    monkeypatch.setattr(WorkerProcess, "request", broken)
    (found,) = prober.probe(SOUND)
    assert (found.rule, found.severity, found.line) == ("exception", "error", 4)
    assert "This was not expected." in found.message


def test_a_text_that_is_no_program_any_more_cannot_be_scored(prober: ProbeClient) -> None:
    episodes = recorded(find_environment("cartpole"), 0.0)
    said, paid = prober.score(["import os\n", SOUND], episodes)
    assert isinstance(said, str) and said
    assert not isinstance(paid, str)


def test_a_program_cannot_recognise_a_probe_by_its_number_of_rows(
    prober: ProbeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "_rows", 512)
    text = SOUND.replace("return", "if pole_up.shape[0] == 512:\n        pole_up = 1.0\n    return")
    assert rules(prober.probe(text)) == [("row-dependence", "error")]


def test_a_program_that_has_cost_too_much_is_not_scored_again() -> None:
    worker = ProbeServer()
    worker._costs["slow"] = Cost(seconds=99.0, rows=1000)
    with pytest.raises(RewardFailed, match="too slow"), worker._charged("slow", 1000):
        pytest.fail("It was called.")
    with worker._charged("quick", 1000):
        sum(range(1000))
    assert worker._costs["quick"].rows == 1000
    assert worker._costs["quick"].seconds > 0.0
    with pytest.raises(RewardFailed, match="broken"), worker._charged("quick", 1):
        raise RewardFailed("It is broken.", 1, "exception")
    assert worker._costs["quick"].rows == 1001
    assert not Cost(seconds=99.0, rows=1_000_000).too_high


def blamed(prober: ProbeClient, text: str) -> str:
    """The rule of the only finding; the next program must not be blamed."""
    (finding,) = prober.probe(text)
    assert (finding.severity, finding.line) == ("error", 4)
    assert finding.message.endswith(".") and finding.hint
    assert prober.probe(SOUND) == []
    return finding.rule


def test_a_program_that_takes_too_much_memory_is_blamed_for_it(prober: ProbeClient) -> None:
    assert blamed(prober, GREEDY) == "memory"


def test_a_program_that_does_not_end_is_blamed_for_it(
    prober: ProbeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "_deadline_s", 1.0)
    assert blamed(prober, HEAVY) == "too-slow"


def test_a_program_that_ends_its_process_every_time_is_blamed_for_it(
    prober: ProbeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(worker: WorkerProcess, message: Message, **limits: Any) -> Message:
        if message.fields.get("program") == CRASHING:
            os.kill(worker.pid, signal.SIGSEGV)
        return request(worker, message, **limits)

    # The language has no words for a crash, so one is brought about from outside.
    request = WorkerProcess.request
    monkeypatch.setattr(WorkerProcess, "request", crash)
    assert blamed(prober, CRASHING) == "died"


def test_a_process_that_was_killed_before_is_not_the_programs_fault(prober: ProbeClient) -> None:
    prober.probe(SOUND)
    for worker in children():
        os.kill(worker, signal.SIGKILL)
    while children():
        time.sleep(0.01)
    assert prober.probe(SOUND) == []


def test_recorded_episodes_cross_to_the_child(prober: ProbeClient) -> None:
    episodes = recorded(find_environment("cartpole"), -9.0)
    text = SOUND.replace(": pole_up}", ": (pole_up + 8.0).sqrt()}")
    assert prober.probe(text) == []
    (finding,) = prober.probe(text, episodes)
    assert finding.rule == "not-finite"
    assert "where pole_up = -9" in finding.message


def test_an_environment_that_cannot_be_set_up_is_no_programs_fault(tmp_path: Path) -> None:
    environment = find_environment("cartpole")
    folder = tmp_path / "broken"
    shutil.copytree(environment.folder, folder)
    environment.folder = folder
    before = children()
    with ProbeClient(environment) as prober:
        for broken in ("raise RuntimeError('no such robot')", "import os\nos._exit(3)"):
            (folder / "env.py").write_text(broken)
            with pytest.raises(EurekaError):
                prober.probe(SOUND)
        assert children() == before


def finding(**changes: Any) -> dict[str, Any]:
    sound = {
        "rule": "constant",
        "severity": "warning",
        "line": 5,
        "column": 1,
        "message": "It is.",
        "hint": "",
    }
    return sound | changes


def probed(findings: list[dict[str, Any]]) -> Message:
    return Message("done", {"findings": findings})


def test_a_workers_words_are_cleaned() -> None:
    (found,) = read_findings(probed([finding(message="\x1b[31mred\n" + "x" * 999)]), SOUND)
    assert found.message.startswith("[31mred x")
    assert len(found.message) == 300


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"findings": "none"},
        {"findings": [finding()] * 1000},
        {"findings": ["constant"]},
        {"findings": [finding(severity="fatal")]},
        {"findings": [finding(line=7)]},
        {"findings": [finding(line=0)]},
        {"findings": [finding(line=True)]},
        {"findings": [finding(line=1.0)]},
        {"findings": [finding(column=0)]},
        {"findings": [finding(message=None)]},
        {"findings": [{"rule": "constant"}]},
        {"findings": [finding(more=1)]},
        {"findings": [], "more": 1},
    ],
)
def test_a_reply_that_is_no_finding_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidReply):
        read_findings(Message("done", fields), SOUND)
