"""What the language model is told: the templates in `prompts/`, filled in."""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jinja2

from eureka_agent.analysis.layout import plain, visible
from eureka_agent.designer.base import OBJECTION, TOO_NEAR
from eureka_agent.llm import ChatMessage
from eureka_agent.paths import data_folder
from eureka_agent.reward import Finding, language
from eureka_agent.reward.language import MAX_BYTES
from eureka_agent.reward.reference import library_lines

if TYPE_CHECKING:
    from eureka_agent.environment import TaskDescription

ECHO_LIMIT = 4000
"""Characters of a reply that its author sees again where it is no program of sound size."""


def render(template: str, **values: Any) -> str:
    """A template of `prompts/`, filled in.

    Raises:
        MissingError: the installation has no prompts.
        jinja2.UndefinedError: the template names a variable that it does not get.
    """
    return _templates().get_template(f"{template}.md.j2").render(**values).strip() + "\n"


def fenced(text: str, language: str = "python") -> str:
    """Text as a fenced block that nothing in the text can close."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.strip()}\n{fence}"


def system_message(task: "TaskDescription") -> ChatMessage:
    """The designer's role and the contract of a reward program."""
    content = render("system", library=library_of(task), language=language, task=task)
    return ChatMessage("system", content)


def library_of(task: "TaskDescription") -> list[Mapping[str, str]]:
    """The helpers that are of use for a task: `name`, `signature` and `meaning` of each."""
    turns = any(signal.kind == "orientation" and signal.size == 4 for signal in task.signals)
    return [line for line in library_lines() if turns or not line["name"].startswith("quat_")]


def task_message(
    task: "TaskDescription",
    *,
    generation: int,
    slot: int,
    count: int,
    best: int | None,
    history: str,
    initial: str,
    with_source: bool,
    strategies: bool = True,
    parts: str = "free",
) -> ChatMessage:
    """The request for one program.

    Args:
        task: what is known of the environment.
        generation: which, from 0.
        slot: which program of the generation, from 0.
        count: programs in the generation.
        best: number of the best program so far.
        history: what became of earlier programs; empty if there is nothing to tell.
        initial: a person's program to start from; may be empty.
        with_source: show the environment's source, too.
        strategies: ask each slot in its own way, or all alike.
        parts: what programs are made of: free, dense-sparse or signs.
    """
    turn = render(
        "turn",
        generation=generation,
        slot=slot,
        count=count,
        best=best,
        strategies=strategies,
        parts=parts,
    ).strip()
    content = render(
        "task",
        task=task,
        seconds=task.episode_steps * task.control_step,
        source=fenced(task.source) if with_source and task.source else "",
        initial=fenced(initial) if initial else "",
        history=history.strip(),
        turn=turn,
    )
    return ChatMessage("user", content)


def repair_messages(
    asked: Sequence[ChatMessage],
    program: str,
    reply: str,
    findings: Sequence[Finding],
    attempt: int,
    attempts: int,
) -> list[ChatMessage]:
    """The first request, the program that came of it, and what the critic found in that.

    Earlier repairs are left out: what they were about is mended, or found again.
    """
    lines = program.split("\n")
    objected = any(finding.rule == OBJECTION for finding in findings)
    with_lines = program != "" and not objected
    shown = [
        {
            "line": finding.line if with_lines and finding.rule not in TOO_NEAR else 0,
            "message": finding.message,
            "hint": finding.hint,
            "code": _source_line(lines, finding),
        }
        for finding in findings
    ]
    whole = 0 < len(program) <= MAX_BYTES
    answer = visible(fenced(program) if whole else reply[:ECHO_LIMIT] or "(nothing)")
    errors = {finding.rule for finding in findings if finding.severity == "error"}
    sound = bool(errors) and errors <= TOO_NEAR
    content = render(
        "repair",
        findings=shown,
        attempt=attempt,
        attempts=attempts,
        sound=sound,
        objected=objected,
    )
    return [*asked, ChatMessage("assistant", answer), ChatMessage("user", content)]


def _source_line(lines: Sequence[str], finding: Finding) -> str:
    line = lines[finding.line - 1].strip() if 0 < finding.line <= len(lines) else ""
    return plain(line, 120).replace("`", "'")


def _line(text: str) -> str:
    """Foreign text as one line that is no heading, table, quotation or fence."""
    return " ".join(text.split()).lstrip("#>`~| ")


@functools.cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(data_folder("prompts")),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # prompts are plain text
        # Whatever is filled in: values are never templates, and nothing in them is invisible.
        finalize=lambda value: visible(value) if isinstance(value, str) else value,
        keep_trailing_newline=True,
    )
    environment.filters["line"] = _line
    environment.filters["cell"] = lambda text: " ".join(text.split()).replace("|", "/")
    return environment
