"""What the language model is told: the templates in `prompts/`, filled in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eureka_agent.common.text import prompt_line, prompt_quote, prompt_text
from eureka_agent.designer.base import DUPLICATE_RULES, OBJECTION_RULE, PastCandidate, by_merit
from eureka_agent.llm import ChatMessage
from eureka_agent.llm.templates import ECHO_LIMIT, fenced, render
from eureka_agent.reward import Finding, language
from eureka_agent.reward.language import MAX_BYTES
from eureka_agent.reward.reference import library_lines

if TYPE_CHECKING:
    from eureka_agent.environment import TaskDescription


def system_message(task: "TaskDescription") -> ChatMessage:
    """The designer's role and the contract of a reward program."""
    content = render("system", library=library_for(task), language=language, task=task)
    return ChatMessage("system", content)


def library_for(task: "TaskDescription") -> list[Mapping[str, str]]:
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
    objected = any(finding.rule == OBJECTION_RULE for finding in findings)
    with_lines = program != "" and not objected
    shown = [
        {
            "line": finding.line if with_lines and finding.rule not in DUPLICATE_RULES else 0,
            "message": finding.message,
            "hint": finding.hint,
            "code": _source_line(lines, finding),
        }
        for finding in findings
    ]
    whole = 0 < len(program) <= MAX_BYTES
    answer = prompt_text(fenced(program) if whole else reply[:ECHO_LIMIT] or "(nothing)")
    errors = {finding.rule for finding in findings if finding.severity == "error"}
    sound = bool(errors) and errors <= DUPLICATE_RULES
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
    return prompt_line(line, 120).replace("`", "'")


LESSONS = 5
LINE = 260
"""Characters of one of the others in brief."""


@dataclass(frozen=True)
class Shown:
    """A program as a prompt shows it."""

    id: int
    generation: int
    outcome: str
    origin: str
    code: str
    reflection: str


def best_of(past: Sequence[PastCandidate]) -> PastCandidate | None:
    """The fittest; the earlier one of equals."""
    fit = [p for p in past if p.fitness is not None]
    return min(fit, key=by_merit, default=None)


def history(
    past: Sequence[PastCandidate],
    turns: int,
    training_steps: int,
    *,
    forgetful: bool = False,
    measured: bool = True,
) -> str:
    """What became of earlier programs; empty if there are none.

    Args:
        past: all earlier programs.
        turns: how many are shown with code and reflection, besides the best.
        training_steps: how long each was trained.
        forgetful: whether `past` is only the best one of the last generation.
        measured: whether what programs rank by is a fitness, or else a peer win rate.
    """
    if not past:
        return ""
    best = best_of(past)
    recent = _recent([p for p in past if p is not best], turns)
    came_of = _Outcomes("fitness" if measured else "peer win rate")
    chosen = {p.id for p in recent} | ({best.id} if best else set())
    return render(
        "history",
        generations=len({p.generation for p in past}),
        written=len(past),
        trained=sum(p.fitness is not None for p in past),
        training_steps=f"{training_steps:,}",
        forgetful=forgetful,
        measured=measured,
        best=_show(best, came_of) if best else None,
        recent=[_show(p, came_of) for p in recent],
        others=[_brief(p, came_of) for p in past if p.id not in chosen],
        lessons=_lessons(past, came_of),
    )


def _recent(past: Sequence[PastCandidate], turns: int) -> list[PastCandidate]:
    """The latest programs, fittest first; of too many the weakest one stays, as a contrast."""
    chosen: list[PastCandidate] = []
    for generation in sorted({p.generation for p in past}, reverse=True):
        room = turns - len(chosen)
        if room <= 0:
            break
        of_it = [p for p in past if p.generation == generation]
        of_it.sort(key=lambda p: (p.fitness is None, *by_merit(p)))
        chosen += of_it if len(of_it) <= room else [*of_it[: room - 1], of_it[-1]]
    return chosen


def _lessons(past: Sequence[PastCandidate], came_of: "_Outcomes") -> list[str]:
    """The latest lessons, each once."""
    distinct: dict[str, PastCandidate] = {}
    for p in reversed(past):
        if p.lesson:
            distinct.setdefault(p.lesson, p)
    lines = [
        f"#{p.id} ({came_of.lesson(p)}): {prompt_quote(lesson)}" for lesson, p in distinct.items()
    ]
    return lines[:LESSONS]


@dataclass(frozen=True)
class _Outcomes:
    """What became of programs, in words.

    Attributes:
        measure: what they rank by.
    """

    measure: str

    def __call__(self, past: PastCandidate) -> str:
        """What became of a program."""
        if past.fitness is not None:
            return f"{self.measure} {past.fitness:.4g}"
        return f"rejected or failed, no {self.measure}"

    def lesson(self, past: PastCandidate) -> str:
        """What became of the program that its author wrote with a lesson in mind."""
        if past.rewritten and past.fitness is not None:
            return f"{self(past)}, by a program that was rewritten since"
        return self(past)


def _show(past: PastCandidate, came_of: _Outcomes) -> Shown:
    return Shown(
        id=past.id,
        generation=past.generation,
        outcome=came_of(past),
        origin=f", built on {' and '.join(f'#{p}' for p in past.parents)}" if past.parents else "",
        code=_code(past.text),
        reflection=past.reflection.strip(),
    )


def _code(text: str) -> str:
    if len(text) > MAX_BYTES:
        return f"(a program of {len(text):,} characters, which is too long to show)"
    return fenced(text) if text else "(no program)"


def _brief(past: PastCandidate, came_of: _Outcomes) -> str:
    why = past.failure if past.fitness is None and past.failure else past.thought
    begin = f"#{past.id}, {came_of(past)}: "
    return begin + prompt_quote(why, LINE - len(begin))
