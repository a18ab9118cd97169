"""An empty answer is explained to its author, and to the user with the setting that fixes it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import Answer, Completion, Loopback, Received, Status
from scripted import fenced, place, program, sound

from eureka_agent.config import SearchConfig
from eureka_agent.designer.base import DECLINED_RULE, Proposal, RepairRequest
from eureka_agent.designer.llm_designer import LLMDesigner
from eureka_agent.environment import TaskDescription
from eureka_agent.llm import Client, ModelRefused, ModelSettings
from eureka_agent.llm.budget import Budget
from eureka_agent.llm.conversation import Conversation
from eureka_agent.store import Run

FILTER = Status(400, "The prompt was filtered.", error_code="content_filter")
CALL = {"id": "1", "type": "function", "function": {"name": "python", "arguments": "{}"}}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Run.create(tmp_path, "robot", goal="", seed=0, config={}) as run:
        yield run


def designer(run: Run, task: TaskDescription, server: Loopback) -> LLMDesigner:
    settings = ModelSettings(model="m", base_url=server.url, attempts=1)
    conversation = Conversation(
        lambda: Client(settings, notify=lambda text: None), run, Budget(run)
    )
    config = SearchConfig(
        designer="openai", model="m", base_url=server.url, history=1, steps=1000, repairs=1
    )
    return LLMDesigner(task, conversation, run, config)


def told(run: Run) -> str:
    return "\n".join(event.text for event in run.events())


def tokens(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion}


@pytest.mark.parametrize(
    ("answer", "author", "person"),
    [
        (
            Completion("", tokens(1900, 16000), "length", reasoning="Hm."),
            "All 16000 tokens of the answer went into reasoning",
            "--set reply_tokens=32000",
        ),
        (
            Completion(None, tokens(1900, 16000), "length"),  # of which the server shows nothing
            "All 16000 tokens of the answer went into reasoning",
            "--set reply_tokens=32000",
        ),
        (
            Completion("", tokens(4095, 1), "length"),
            "the question fills the model's window",
            "--set history=0",
        ),
        (Completion("", finish_reason="content_filter"), "content filter", "in other words"),
        (Completion("", finish_reason="SAFETY"), "content filter", "in other words"),
        (Completion(None, refusal="I cannot."), 'declined the task: "I cannot."', ""),
        (Completion(None, finish_reason="tool_calls", tool_calls=(CALL,)), "call of a tool", ""),
        (Completion(None, tool_calls=(CALL,)), "call of a tool", ""),
        (Completion("", reasoning="Hm."), "reasoning, and no program after it", ""),
        (Completion(None), "The reply was empty.", ""),
        (
            Completion(fenced(program(1.0))[:150], tokens(1900, 40), "max_tokens"),
            "ended in the middle",
            "the server's own limit cut it, as 16000 were asked for",
        ),
        (
            Completion(fenced(program(1.0))[:150], tokens(1900, 16000), "length"),
            "ended in the middle",
            "--set reply_tokens=32000",
        ),
    ],
)
def test_an_empty_answer_is_explained_to_its_author_and_to_the_user(
    run: Run, pendulum: TaskDescription, answer: Completion, author: str, person: str
) -> None:
    with Loopback(lambda received: answer) as server:
        (proposal,) = designer(run, pendulum, server).propose(0, 1, [])
    assert author in proposal.findings[-1].message
    assert person in told(run)
    assert ("has no end" in told(run)) == bool(person)


def test_a_program_is_used_whatever_finish_reason_the_server_reports(
    run: Run, pendulum: TaskDescription
) -> None:
    complete = Completion(fenced(program(1.0)), finish_reason="content_filter")
    with Loopback(lambda received: complete) as server:
        (proposal,) = designer(run, pendulum, server).propose(0, 1, [])
    assert proposal.text == program(1.0)
    assert proposal.findings == ()


@pytest.mark.parametrize(("counted", "cut"), [(500, True), (1500, False)])
def test_truncated_questions_are_reported_once(
    run: Run, pendulum: TaskDescription, counted: int, cut: bool
) -> None:
    def answer(received: Received) -> Answer:
        return Completion(sound(received), tokens(counted, 100))

    with Loopback(answer) as server:
        designer(run, pendulum, server).propose(0, 3, [])
    assert told(run).count(f"counted only {counted} tokens") == cut
    assert ("OLLAMA_CONTEXT_LENGTH" in told(run)) == cut


def filtered(slots: set[int], asked: list[int]) -> Loopback:
    """A server whose filter refuses the questions of some programs."""

    def answer(received: Received) -> Answer | str:
        slot = place(received)[1]
        asked.append(slot)
        return FILTER if slot in slots else sound(received)

    return Loopback(answer)


def test_a_filter_that_refuses_one_question_costs_one_program(
    run: Run, pendulum: TaskDescription
) -> None:
    asked: list[int] = []
    with filtered({1}, asked) as server:
        author = designer(run, pendulum, server)
        proposals = author.propose(0, 3, [])
        assert [bool(proposal.text) for proposal in proposals] == [True, False, True]
        (finding,) = proposals[1].findings
        assert (finding.rule, proposals[1].slot) == (DECLINED_RULE, 1)
        assert "The prompt was filtered" in finding.message
        broken = RepairRequest(1, 0, 1, 1, "", proposals[1].findings)
        assert author.repair([broken]) == [None]
    assert sorted(asked) == [0, 1, 2], "it is not asked a second time"
    assert "program 2 of generation 0 will never come" in told(run)


def test_a_refused_repair_leaves_the_program_as_it_was(run: Run, pendulum: TaskDescription) -> None:
    def answer(received: Received) -> Answer | str:
        return FILTER if place(received)[2] else sound(received)

    with Loopback(answer) as server:
        author = designer(run, pendulum, server)
        (first,) = author.propose(0, 1, [])
        assert author.repair([RepairRequest(0, 0, 0, 1, first.text)]) == [None]
    assert "repair 1 of program 1" in told(run)


def test_a_filter_that_refuses_everything_ends_the_search_with_its_reason(
    run: Run, pendulum: TaskDescription
) -> None:
    asked: list[int] = []
    with filtered({0, 1, 2}, asked) as server:
        with pytest.raises(ModelRefused) as refused:
            designer(run, pendulum, server).propose(0, 3, [])
        assert sorted(asked) == [0, 1, 2]
    assert "Every question of generation 0 was declined" in refused.value.message
    assert "The prompt was filtered" in refused.value.message
    assert "--model" in refused.value.remedy
    asked.clear()
    with filtered(set(), asked) as server:  # as a search that is resumed does
        proposals: list[Proposal] = designer(run, pendulum, server).propose(0, 3, [])
    assert all(proposal.text for proposal in proposals)
