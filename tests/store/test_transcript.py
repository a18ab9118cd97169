"""What was said to and by the language model lies beside the program, for people to read."""

from pathlib import Path

from eureka_agent.store import Run
from eureka_agent.store.writing import write_transcript


def answer(run: Run, attempt: int, reply: str, reasoning: str = "") -> None:
    run.add_exchange(
        "repair" if attempt else "designer",
        (0, 1, attempt),
        model="m",
        messages=[
            {"role": "system", "content": "You design.\n"},
            {"role": "user", "content": f"Question {attempt}, naïve?"},
        ],
        reply=reply,
        reasoning=reasoning,
        finish_reason="stop",
        prompt_tokens=1,
        completion_tokens=1,
        estimated=False,
        cost=None,
        seconds=1.0,
    )


def test_each_question_and_answer_has_a_file_by_the_programs_side(tmp_path: Path) -> None:
    with Run.create(tmp_path, "cartpole", goal="", seed=0, config={}) as run:
        answer(run, 0, "First.", reasoning="Hm.")
        answer(run, 1, "Second \ud800.")
        candidate = run.add_candidate(0, 1, "", designer="model")
        write_transcript(run, candidate)
        folder = run.candidate_folder(candidate.id)
    files = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    assert files == {
        "prompt.md": "<!-- system -->\n\nYou design.\n\n<!-- user -->\n\nQuestion 0, naïve?\n",
        "reply.md": "<!-- reasoning -->\n\nHm.\n\n<!-- reply -->\n\nFirst.\n",
        "repair-1.prompt.md": (
            "<!-- system -->\n\nYou design.\n\n<!-- user -->\n\nQuestion 1, naïve?\n"
        ),
        "repair-1.reply.md": "<!-- reply -->\n\nSecond \\ud800.\n",
    }


def test_a_candidate_that_nobody_was_asked_for_has_no_transcript(tmp_path: Path) -> None:
    with Run.create(tmp_path, "cartpole", goal="", seed=0, config={}) as run:
        candidate = run.add_candidate(0, 0, "", designer="offline")
        answer(run, 0, "About slot 1.")
        write_transcript(run, candidate)
        assert [path.name for path in run.candidate_folder(candidate.id).iterdir()] == ["reward.py"]
