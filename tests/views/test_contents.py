"""The page shows each question to a language model once, and loses none of it."""

from pathlib import Path

from eureka_agent.store import Run
from eureka_agent.views.html.contents import Passages
from eureka_agent.views.snapshot import RunSnapshot, candidate_snapshot


def test_each_repair_shows_only_what_is_new_in_it(tmp_path: Path) -> None:
    asked = [{"role": "system", "content": "Design."}, {"role": "user", "content": "Write."}]
    answers = {"model": "m", "cost": None, "seconds": 1.0, "prompt_tokens": 1}
    answers |= {"completion_tokens": 1, "estimated": False, "reply": "", "reasoning": ""}
    with Run.create(tmp_path, "cartpole", goal="Swing.", seed=0, config={}) as run:
        run.add_candidate(0, 0, "x", designer="openai")
        for attempt in range(3):
            again = [
                {"role": "assistant", "content": f"Program {attempt - 1}."},
                {"role": "user", "content": f"Finding {attempt}."},
            ]
            run.add_exchange(
                "repair" if attempt else "designer",
                (0, 0, attempt),
                messages=[*asked, *(again if attempt else [])],
                finish_reason="stop",
                **answers,
            )
        new = candidate_snapshot(RunSnapshot(run), 1).new_messages
    said = [[message["content"] for message in messages] for messages in new]
    assert said == [["Design.", "Write."], ["Finding 1."], ["Finding 2."]]


def test_the_page_holds_each_passage_once() -> None:
    passages = Passages()
    assert passages.add("a\n\nb\x1b[2J") == "0 1"
    assert passages.add("b\n\na\n\nc") == "1 0 2"
    assert passages.texts == ["a", "b", "c"]
