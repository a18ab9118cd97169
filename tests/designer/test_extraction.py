"""The program in any reply of a language model is found, or the reply's fault is named."""

import ast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eureka_agent.common.choices import SIGNS
from eureka_agent.designer.extraction import (
    LESSON_LIMIT,
    TEXT_LIMIT,
    TRIES,
    ExtractedProgram,
    extract_program,
    structure_findings,
)
from eureka_agent.reward.language import MAX_BYTES

BODY = """WEIGHTS = {"fast": 1.0}


def compute_reward(speed):
    return {"fast": speed}
"""
PROGRAM = f'"""Be fast."""\n\n{BODY}'
OTHER = PROGRAM.replace("fast", "slow")
HELPER = "def bell(x):\n    return torch.exp(-x.square())\n"
CALLER = PROGRAM.replace('{"fast": speed}', '{"fast": bell(speed)}')


def fence(code: str, language: str = "python", mark: str = "```") -> str:
    return f"{mark}{language}\n{code}{mark}\n"


def rules(found: ExtractedProgram) -> list[str]:
    return [finding.rule for finding in found.findings]


@pytest.mark.parametrize(
    "reply",
    [
        fence(PROGRAM),
        fence(PROGRAM, ""),
        fence(PROGRAM, "Python"),
        fence(PROGRAM, "python title=reward.py"),
        fence(PROGRAM, mark="~~~"),
        fence(PROGRAM, mark="````"),
        fence(PROGRAM).replace("\n", "\r\n"),
        f"1. The program:\n\n   {fence(PROGRAM)}".replace("\n", "\n   "),
        f"Here it is.\n\n{fence(PROGRAM)}\nIt gates `fast`.",
        f"```speed``` is paid, as is ```height```.\n\n{fence(PROGRAM)}",
        fence("pip install torch\n", "bash") + fence(PROGRAM) + fence("{}\n", "json"),
    ],
)
def test_a_fenced_program_is_found_as_it_is(reply: str) -> None:
    assert extract_program(reply) == ExtractedProgram(PROGRAM, "", ())


def test_the_last_of_several_programs_counts() -> None:
    assert extract_program(f"First:\n{fence(PROGRAM)}Better:\n{fence(OTHER)}").text == OTHER


def test_a_fence_within_a_longer_fence_does_not_end_it() -> None:
    program = PROGRAM.replace("Be fast.", "Be fast:\n```\nspeed\n```\n")
    assert extract_program(fence(program, mark="````")).text == program


def test_other_fences_do_not_end_a_tilde_fence() -> None:
    program = PROGRAM.replace("Be fast.", "Be fast:\n```\nspeed\n```\n")
    assert extract_program(fence(program, mark="~~~")).text == program


@pytest.mark.parametrize(
    "reply", [fence(HELPER) + fence(CALLER), fence(CALLER) + fence(HELPER, "py")]
)
def test_a_helper_in_its_own_fence_is_put_between_docstring_and_program(reply: str) -> None:
    text = extract_program(reply).text
    tree = ast.parse(text)
    assert ast.get_docstring(tree) == "Be fast."
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert functions == ["bell", "compute_reward"]


def test_weights_in_their_own_fence_belong_to_the_program() -> None:
    weights, function = BODY.split("\n\n\n")
    assert ast.dump(
        ast.parse(extract_program(fence(weights + "\n") + fence(function)).text)
    ) == ast.dump(ast.parse(BODY))


def test_fences_that_the_program_does_not_need_are_left_out() -> None:
    assert extract_program(fence(HELPER) + fence(PROGRAM)).text == PROGRAM


@pytest.mark.parametrize("before", ["", "I propose this.\n\n"])
@pytest.mark.parametrize("after", ["", "\nIt pays speed, and that's all."])
def test_a_program_without_a_fence_is_cut_out_of_prose(before: str, after: str) -> None:
    assert extract_program(before + PROGRAM + after) == ExtractedProgram(PROGRAM, "", ())


def test_a_fence_that_never_closes_still_gives_a_whole_program() -> None:
    assert extract_program(f"```python\n{PROGRAM}", "stop") == ExtractedProgram(PROGRAM, "", ())


@pytest.mark.parametrize("closed", [True, False])
def test_a_program_that_was_cut_off_is_reported(closed: bool) -> None:
    half = PROGRAM[: PROGRAM.index("return {") + 8] + "\n"
    reply = fence(half) if closed else f"```python\n{half}"
    found = extract_program(reply, "length" if closed else "")
    assert found.text == half
    assert rules(found) == ["cut-off"]


def test_an_earlier_complete_program_wins_over_a_later_one_that_was_cut_off() -> None:
    half = OTHER[: OTHER.index("return {") + 8]
    assert extract_program(
        f"{fence(PROGRAM)}Better:\n```python\n{half}", "length"
    ) == ExtractedProgram(PROGRAM, "", ())


@pytest.mark.parametrize(
    ("line", "lesson"),
    [
        ("Lesson: gate speed by height.", "gate speed by height."),
        ("**Lesson:** gate `speed`.", "gate speed."),
        ("- **LESSON**: gate\tspeed.", "gate speed."),
        ("Lesson: one.\nLesson: two.", "two."),
        ("Lesson: red\x1b[31m\u202e", "red [31m"),
        ("Lesson:", ""),
        ("The lesson is simple: gate.", ""),
        (f"Lesson: {'long ' * 100}", ("long " * 100)[:LESSON_LIMIT]),
    ],
)
def test_the_lesson_is_one_printable_line(line: str, lesson: str) -> None:
    assert extract_program(f"{line}\n\n{fence(PROGRAM)}") == ExtractedProgram(PROGRAM, lesson, ())


@pytest.mark.parametrize(
    ("reply", "rule"),
    [
        ("", "empty-reply"),
        (" \n\t", "empty-reply"),
        ("I cannot help with that.", "no-program"),
        (fence('{"a": 1}\n', "json"), "no-program"),
        (fence(HELPER), "no-entry"),
        (fence("def compute_rewards(speed):\n    return {}\n"), "no-entry"),
    ],
)
def test_a_reply_without_a_program_says_what_it_is(reply: str, rule: str) -> None:
    found = extract_program(reply)
    assert found.text == ""
    assert rules(found) == [rule]
    assert all(finding.severity == "error" and finding.hint for finding in found.findings)


def test_the_beginning_of_a_useless_reply_is_shown_in_plain_characters() -> None:
    message = extract_program("\x1b[2JSorry\u2028 \u2013 " + "no " * 100).findings[0].message
    assert '"?[2JSorry ? no no' in message
    assert message.isascii() and message.isprintable()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Use\nimport torch\nas I do:\n\n", ""),
        ('A """ quotation.\n\n', ""),
        ("import is what I avoid.\ndef means define.\n\n", "\nThat's it, isn't it?\nYes (I think."),
        ("", "\nNote\n    - it's fast\n"),
        ("", "\nThe end.\n" + "It's so. " * 60_000),
        ("# a heading\n\n" * 3000, "\nwords of no end\n" * 3000),
    ],
)
def test_prose_that_looks_like_code_hides_no_program(before: str, after: str) -> None:
    assert extract_program(before + PROGRAM + after).text == PROGRAM


def test_half_a_function_is_not_a_program() -> None:
    broken = PROGRAM.replace("    return", "    slow = 1 - speed\n    fast = = 2\n    return")
    assert extract_program(f"Here it is.\n\n{broken}").text == broken
    cut = broken[: broken.index("fast = =") + 6]
    assert rules(extract_program(cut, "length")) == ["cut-off"]


def filled(piece: str, size: int = 100_000) -> str:
    return piece * (size // len(piece))


ROWS = "1," * 40 + "\n"
MANY = {
    "starts and ends": filled("import x\n") + "def compute_reward(a):\n x = (\n" + filled(ROWS),
    "functions": filled("def compute_reward(a):\n    return a\n", 400_000),
    "broken functions": filled("def compute_reward(a):\n  (\n"),
    "decorators": filled("@a\n") + PROGRAM,
    "docstrings": filled('"""\n') + PROGRAM,
    "open functions": filled("def f(\n") + PROGRAM,
    "tables": filled("WEIGHTS = {\n") + PROGRAM,
    "fences": filled("```python\ndef compute_reward(\n```\n", 200_000),
    "fenced programs": filled(fence(PROGRAM), 200_000),
    "brackets": PROGRAM + filled("("),
    "negations": f"{PROGRAM}x = {filled('not ')}1",
    "continuations": PROGRAM + filled("\\\n"),
    "digits": f"{PROGRAM}x = {filled('9')}",
    "null bytes": PROGRAM + filled("\0"),
    "one fence": fence(PROGRAM + filled("a = 1\n", 380_000)),
}


@pytest.mark.parametrize("kind", MANY)
def test_the_parser_reads_a_bounded_part_of_any_reply(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    parser = ast.parse

    def counting(text: str) -> ast.Module:
        read.append(len(text))
        return parser(text)

    monkeypatch.setattr(ast, "parse", counting)
    found = extract_program(MANY[kind])
    structure_findings(found.text, SIGNS)
    assert max(read, default=0) <= MAX_BYTES
    assert sum(read) <= 4 * TRIES * MAX_BYTES
    assert len(found.text) <= TEXT_LIMIT


PIECES = ["```", "```python\n", "~~~", "\n", "Lesson:", PROGRAM, HELPER, '"""', "def ", "\x00", "`"]


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(st.text(), st.lists(st.sampled_from(PIECES) | st.text(max_size=5)).map("".join)),
    st.sampled_from(["", "stop", "length"]),
)
@example("\ud800```\n\ud800def compute_reward(", "")
@example("```\n" + "(" * 5000 + "\ndef compute_reward(x): pass", "")
@example("\n" * 20_000 + "- " * 10_000 + "`" * 10_000, "")
def test_no_reply_breaks_the_extraction(reply: str, finish_reason: str) -> None:
    found = extract_program(reply, finish_reason)
    assert found.text or found.findings
    assert found.lesson.isprintable() and found.lesson.isascii()
