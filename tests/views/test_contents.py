"""What a language model was asked is shown once, and nothing of it is lost."""

from pathlib import Path

from eureka_agent.store import Run
from eureka_agent.views.html.contents import Passages, new_messages


def test_each_repair_shows_only_what_is_new_in_it(tmp_path: Path) -> None:
    asked = [{"role": "system", "content": "Design."}, {"role": "user", "content": "Write."}]
    answers = {"model": "m", "cost": None, "seconds": 1.0, "prompt_tokens": 1}
    answers |= {"completion_tokens": 1, "estimated": False, "reply": "", "reasoning": ""}
    with Run.create(tmp_path, "cartpole", goal="Swing.", seed=0, config={}) as run:
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
        passages = Passages()
        found = new_messages(run.exchanges_about(0, 0), passages)
    said = [[passages.texts[int(n)] for _, ns in one for n in ns.split()] for one in found]
    assert said == [["Design.", "Write."], ["Finding 1."], ["Finding 2."]]
