"""Whatever a model sends, the search continues, and a repair prompt names the exact fault.

One search, with a candidate for each kind of reply: the first answer is the bad one, the repair is
sound.
"""

import re
from dataclasses import dataclass

import pytest
from loopback import Answer, Completion, Loopback, Received
from scripted import NO_ANALYSIS, author_search, fenced, place, program, sound

from eureka_agent.search.loop import search
from eureka_agent.store import CandidateRow, RunReader

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Kind:
    """A kind of reply.

    Attributes:
        reply: what the model sends first.
        told: pattern of what the repair prompt must say; empty if the reply must be accepted.
    """

    reply: Answer | str
    told: str = ""


def body(*lines: str, weights: str = '{"up": 1.0}', parameters: str = "pole_up") -> str:
    """A reply with a program of one function."""
    text = "\n    ".join(lines)
    head = f'"""A thought."""\n\nWEIGHTS = {weights}\n\n\n'
    return fenced(f"{head}def compute_reward({parameters}):\n    {text}\n")


GOOD = program(0.125)
KINDS: dict[str, Kind] = {
    "empty": Kind("", r"The reply was empty\."),
    "blank": Kind(" \n\n ", r"The reply was empty\."),
    "no content": Kind(Completion(None), r"The reply was empty\."),
    "refusal": Kind(
        Completion(None, refusal="I cannot help with that."),
        r'declined the task: "I cannot help with that\."',
    ),
    "prose only": Kind("Reward the pole for being up.", r'it begins "Reward the pole'),
    "json": Kind('{"code": "return pole_up"}', r"holds no program"),
    "another language": Kind("```cpp\nint main() {}\n```", r"holds no program"),
    "another name": Kind(
        fenced("WEIGHTS = {}\ndef reward(pole_up):\n    return pole_up\n"),
        r"defines no function compute_reward",
    ),
    "only a signature": Kind(body("..."), r"[Rr]eturn"),
    "syntax error": Kind(body('return {"up": pole_up'), r"Line \d+.*(closed|syntax|invalid)"),
    "curly quotes": Kind(body("return {\u201cup\u201d: pole_up}"), r"Line 7"),
    "unknown signal": Kind(
        body('return {"up": pole_angle}', parameters="pole_angle"), r"pole_angle"
    ),
    "near miss of a signal": Kind(
        body('return {"up": pole_upp}', parameters="pole_upp"), r'Did you mean "pole_up"'
    ),
    "two columns": Kind(
        body('return {"up": torch.stack([pole_up, pole_up], dim=1)}'), r"shape \[\d+, 2\]; expected"
    ),
    "kept dimension": Kind(
        body('return {"up": action}', parameters="action"), r"shape \[\d+, 1\].*x\[:, 0\]"
    ),
    "one number": Kind(body('return {"up": 1.0}'), r"one number for all rows"),
    "mean over rows": Kind(
        body('return {"up": pole_up - pole_up.mean()}'), r'"mean" mixes the rows'
    ),
    "cumulative sum over rows": Kind(body('return {"up": torch.cumsum(pole_up, dim=0)}'), r"rows"),
    "sorted rows": Kind(body('return {"up": pole_up[torch.argsort(pole_up)]}'), r"row"),
    "not a number at some rows": Kind(
        body('return {"up": torch.sqrt(pole_up)}'),
        r"not finite on [\d,]+ of [\d,]+ transitions.*where pole_up = ",
    ),
    "infinite": Kind(
        body('return {"up": 1.0 / (pole_up - pole_up)}'),
        r"not finite on [\d,]+ of [\d,]+ transitions.*where pole_up = ",
    ),
    "endless loop": Kind(body("while True:", "    pass", 'return {"up": pole_up}'), r"while loop"),
    "long loop": Kind(
        body("x = pole_up", "for i in range(100000):", "    x = x + i", 'return {"up": x}'),
        r"Line 8|loop|rounds",
    ),
    "giant tensor": Kind(
        body("x = torch.ones(1000000, 1000000)", 'return {"up": pole_up + x[0, 0]}'),
        r"memory",
    ),
    "all pairs of rows": Kind(
        body(
            "x = torch.ones(1000000).outer(torch.ones(1000000))", 'return {"up": pole_up * x[0, 0]}'
        ),
        r"memory|too",
    ),
    "index out of range": Kind(
        body('return {"up": action[:, 7]}', parameters="action"), r"index 7|column|IndexError"
    ),
    "randomness": Kind(body('return {"up": pole_up + torch.rand_like(pole_up)}'), r"rand_like"),
    "import of the system": Kind(fenced(f"import os\n{GOOD}"), r"Line 1.*import"),
    "numpy": Kind(fenced("import numpy as np\n" + GOOD), r"Line 1.*import"),
    "print": Kind(body("print(pole_up)", 'return {"up": pole_up}'), r"print"),
    "lambda": Kind(body("f = lambda x: x", 'return {"up": f(pole_up)}'), r"lambda"),
    "class": Kind(
        fenced("class Reward:\n    def compute_reward(self):\n        return 1\n"), r"class"
    ),
    "total and dict": Kind(
        body('parts = {"up": pole_up}', "return pole_up, parts"), r"dict|return"
    ),
    "a missing component": Kind(
        body('return {"up": pole_up}', weights='{"up": 1.0, "still": 1.0}'), r'"still"'
    ),
    "a component without weight": Kind(
        body('return {"up": pole_up, "extra": pole_up}'), r'"extra"'
    ),
    "no weights": Kind(
        fenced('def compute_reward(pole_up):\n    return {"up": pole_up}\n'), r"no WEIGHTS"
    ),
    "computed weights": Kind(
        body('return {"up": pole_up}', weights='{"up": 1.0 / 3.0 + x}'), r"plain finite number"
    ),
    "nested function": Kind(
        body("def inner(x):", "    return x", 'return {"up": inner(pole_up)}'), r"function inside"
    ),
    "cut in the middle": Kind(
        Completion(fenced(GOOD)[:150], finish_reason="length"), r"ended in the middle"
    ),
    "a program of 100 kB": Kind(
        fenced(GOOD + "# " + "\n# ".join(["x" * 90] * 1100) + "\n"), r"bytes|long|large"
    ),
    "the program of another": Kind(fenced(program(1.0)), r"The same program as #\d+"),
    "a helper after its use": Kind(
        fenced(
            'WEIGHTS = {"up": 1.0}\n\n\ndef compute_reward(pole_up):\n'
            '    return {"up": twice(pole_up)}\n\n\ndef twice(x):\n    return 2 * x\n'
        ),
        r'"twice" can only be called by functions further down',
    ),
    # Accepted as they are.
    "100 kB of prose": Kind("word " * 20_000 + "\n\n" + fenced(program(0.25))),
    "no fence": Kind(f"Sure! Here is the reward.\n\n{program(0.375)}\nI hope that it helps."),
    "thinking tags": Kind(
        f"<think>First ```python\nx = 1\n``` hm.</think>\n{fenced(program(0.5))}"
    ),
    "only reasoning": Kind(Completion("", reasoning=fenced(program(0.625)))),
    "two candidates": Kind(f"{fenced(program(7.0))}\nOn reflection:\n{fenced(program(0.75))}"),
    "a helper in a fence of its own": Kind(
        "The helper:\n```python\ndef far(x):\n    return x.abs()\n```\nThe reward:\n"
        + body('return {"up": pole_up - far(cart_position)}', parameters="pole_up, cart_position")
    ),
    "in-place write to a local": Kind(
        body("x = pole_up.clone()", "x[pole_up < 0] = 0.0", 'return {"up": x}')
    ),
    "a constant component": Kind(
        body(
            'return {"up": pole_up, "alive": torch.ones_like(pole_up)}',
            weights='{"up": 0.875, "alive": 0.5}',
        )
    ),
    "windows line ends": Kind(fenced(program(0.9375)).replace("\n", "\r\n")),
    "harmless imports": Kind(fenced("import torch\nimport math\n" + program(0.96875))),
}
NAMES = list(KINDS)
ACCEPTED = [name for name in NAMES if not KINDS[name].told]


@pytest.fixture(scope="module")
def asked() -> list[Received]:
    """All requests of `run`, in order."""
    return []


@pytest.fixture(scope="module")
def run(asked: list[Received], tmp_path_factory: pytest.TempPathFactory) -> RunReader:
    """A search with one candidate for each kind of reply, and one that is sound at once."""

    def answer(received: Received) -> Answer | str:
        asked.append(received)
        _, slot, attempt = place(received)
        if attempt == 0 and slot > 0:
            return KINDS[NAMES[slot - 1]].reply
        return sound(received)

    with Loopback(answer) as server:
        launch = author_search(
            tmp_path_factory.mktemp("runs"),
            server.url,
            candidates=len(KINDS) + 1,
            steps=256,
            **NO_ANALYSIS,
        )
        search(launch)
    launch.run.close()
    return RunReader.open(launch.run.path)


def candidate(run: RunReader, name: str) -> CandidateRow:
    """The candidate that began with a kind of reply."""
    return run.candidates()[1 + NAMES.index(name)]


def test_there_are_thirty_kinds_of_bad_replies() -> None:
    assert len(KINDS) - len(ACCEPTED) >= 30


def test_every_candidate_is_trained_in_the_end(run: RunReader) -> None:
    assert run.status() == "finished"
    broken = {c.id: c.failure for c in run.candidates() if c.state != "finished"}
    assert broken == {}


@pytest.mark.parametrize("name", [name for name in NAMES if KINDS[name].told])
def test_the_repair_prompt_says_what_was_wrong(
    run: RunReader, asked: list[Received], name: str
) -> None:
    row = candidate(run, name)
    repairs = [r for r in asked if place(r)[1:] == (row.slot, 1)]
    assert len(repairs) == 1
    told = repairs[0].messages[-1]["content"]
    assert re.search(KINDS[name].told, told), told
    assert [draft.attempt for draft in run.drafts(row.id)] == [0]


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_harmless_habit_costs_no_repair(run: RunReader, name: str) -> None:
    row = candidate(run, name)
    assert row.state == "finished"
    assert run.drafts(row.id) == []
    assert "compute_reward" in row.text


def test_the_last_of_two_programs_counts(run: RunReader) -> None:
    assert '"middle": 0.75' in candidate(run, "two candidates").text


def test_a_repair_prompt_stays_short(asked: list[Received]) -> None:
    repairs = [r for r in asked if place(r)[2]]
    assert max(sum(len(m["content"]) for m in r.messages) for r in repairs) < 40_000
