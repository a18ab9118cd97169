"""Reading a report as a browser would, without one."""

import base64
import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from eureka_agent.store import Run

MARKUP = '</script></pre><script>document.title = "taken"</script><img src=x onerror=alert(1)>'
HOSTILE = (
    f"{MARKUP} <a href='https://example.com'>a</a> \x1b[2J\x07 \u202e \ud800 & {{{{ 7 * 7 }}}}"
)
STEPS = 1000


class Page(HTMLParser):
    """A page, or a part of one, parsed.

    Attributes:
        tags: of all elements, with their attributes.
        text: all of it that a reader sees.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def unpack(packed: str) -> str:
    """What `pack` was given."""
    return gzip.decompress(base64.b64decode(packed)).decode()


def packed(html: str) -> dict[str, Any]:
    """The data that the page's script unpacks."""
    return json.loads(unpack(embedded(html, "data")))


def embedded(html: str, key: str) -> str:
    """What lies packed in a page under an id."""
    found = re.search(rf'id="{key}">([^<]*)<', html)
    assert found is not None
    return found[1]


def hostile_run(directory: Path) -> Run:
    """A run in which everything that others write is hostile: one trained, rejected and failed."""
    run = Run.create(
        directory, "cartpole", goal=HOSTILE, seed=0, config={"goal": HOSTILE, "steps": STEPS}
    )
    finding = {"rule": MARKUP, "severity": "error", "message": HOSTILE, "hint": HOSTILE}
    program = f'"""{HOSTILE}"""\n# {MARKUP}\nx = "{MARKUP}"\n'
    for slot in range(3):
        run.add_candidate(
            0, slot, program, designer="openai", thought=HOSTILE, note=HOSTILE, lesson=HOSTILE
        )
        run.add_exchange(
            "designer",
            (0, slot, 0),
            model=HOSTILE,
            messages=[],
            reply=HOSTILE,
            reasoning="",
            finish_reason="stop",
            prompt_tokens=1,
            completion_tokens=1,
            estimated=False,
            cost=None,
            seconds=1.0,
        )
    run.revise_candidate(1, program, thought=HOSTILE, sent_back=[finding])
    run.set_reflection(1, HOSTILE)
    training = run.add_training("candidate", 0, steps_total=STEPS, candidate=1).id
    run.start_training(training)
    for step in (STEPS // 2, STEPS):
        components = {HOSTILE: {"mean": 1.0}}
        run.add_evaluation(training, step, fitness=step / STEPS, components=components)
    run.finish_training(training, ranking_fitness=1.0, own_return=1.0, checkpoint_step=STEPS)
    run.set_result(1, fitness=1.0, own_return=1.0, checkpoint_step=STEPS)
    run.set_best(1)
    run.set_verdict(2, [finding], accepted=False, failure=HOSTILE)
    run.set_failure(3, f"Traceback:\n{HOSTILE}")
    run.set_status("failed", HOSTILE)
    return run
