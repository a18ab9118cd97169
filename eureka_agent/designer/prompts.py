"""The designer's prompts: the templates in `prompts/`, filled in."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from eureka_agent.common.text import prompt_line, prompt_quote, prompt_text
from eureka_agent.config import SearchConfig
from eureka_agent.designer.base import DUPLICATE_RULES, OBJECTION_RULE, PastCandidate, by_merit
from eureka_agent.llm import ChatMessage
from eureka_agent.llm.templates import ECHO_LIMIT, fenced, render
from eureka_agent.reward import Finding, language
from eureka_agent.reward.language import MAX_BYTES
from eureka_agent.reward.library import library_lines

if TYPE_CHECKING:
    from eureka_agent.environment import TaskDescription

LESSONS = 5
LINE = 260
"""Characters of a program that is described in one line."""


def system_message(task: "TaskDescription") -> ChatMessage:
    """The designer's role and the contract of a reward program."""
    content = render("system", library=library_for(task), language=language, task=task)
    return ChatMessage("system", content)


def library_for(task: "TaskDescription") -> list[Mapping[str, str]]:
    """`name`, `signature` and `meaning` of the library's functions that suit a task."""
    turns = any(signal.kind == "orientation" and signal.size == 4 for signal in task.signals)
    return [line for line in library_lines() if turns or not line["name"].startswith("quat_")]


def task_message(
    task: "TaskDescription",
    config: SearchConfig,
    generation: int,
    slot: int,
    count: int,
    past: Sequence[PastCandidate],
    initial: str = "",
) -> ChatMessage:
    """The request for one program.

    Args:
        task: what is known about the environment.
        config: what the request shows, and how it asks.
        generation: number of the generation, from 0.
        slot: place of the program in the generation, from 0.
        count: programs in the generation.
        past: earlier programs that the request shows.
        initial: a person's program to start from; may be empty.
    """
    best = best_of(past)
    turn = render(
        "turn",
        generation=generation,
        slot=slot,
        count=count,
        best=best.id if best else None,
        strategies=config.strategies,
        parts=config.parts,
    )
    forgetful = config.memory == "generation"
    shown = history(past, config.history, config.steps, forgetful=forgetful, measured=task.measured)
    content = render(
        "task",
        task=task,
        seconds=task.episode_steps * task.control_step,
        source=fenced(task.source) if config.context == "source" and task.source else "",
        initial=fenced(initial) if initial else "",
        history=shown.strip(),
        turn=turn.strip(),
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
    """The conversation that asks for a repair.

    Earlier repairs are left out: what they were about is fixed, or found again.

    Args:
        asked: the first request.
        program: the resulting program; may be empty.
        reply: the reply that it was found in.
        findings: what the critic found in the program.
        attempt: number of this repair, from 1.
        attempts: how many repairs a program gets at most.
    """
    lines = program.split("\n")
    objected = any(finding.rule == OBJECTION_RULE for finding in findings)
    shown = [
        {
            "line": finding.line
            if program and not objected and finding.rule not in DUPLICATE_RULES
            else 0,
            "message": finding.message,
            "hint": finding.hint,
            "code": _source_line(lines, finding),
        }
        for finding in findings
    ]
    whole = 0 < len(program) <= MAX_BYTES
    answer = prompt_text(fenced(program) if whole else reply[:ECHO_LIMIT] or "(nothing)")
    errors = {finding.rule for finding in findings if finding.severity == "error"}
    content = render(
        "repair",
        findings=shown,
        attempt=attempt,
        attempts=attempts,
        sound=bool(errors) and errors <= DUPLICATE_RULES,
        objected=objected,
    )
    return [*asked, ChatMessage("assistant", answer), ChatMessage("user", content)]


def _source_line(lines: Sequence[str], finding: Finding) -> str:
    line = lines[finding.line - 1].strip() if 0 < finding.line <= len(lines) else ""
    return prompt_line(line, 120).replace("`", "'")


def best_of(past: Sequence[PastCandidate]) -> PastCandidate | None:
    """The fittest; of equals the earlier one."""
    return min((p for p in past if p.fitness is not None), key=by_merit, default=None)


def history(
    past: Sequence[PastCandidate],
    turns: int,
    training_steps: int,
    *,
    forgetful: bool = False,
    measured: bool = True,
) -> str:
    """The results of earlier programs; empty if there are none.

    Args:
        past: all earlier programs.
        turns: how many are shown with code and reflection, besides the best.
        training_steps: how long each was trained.
        forgetful: whether `past` is only the best one of the last generation.
        measured: whether programs rank by a fitness, or else by a peer win rate.
    """
    if not past:
        return ""
    measure = "fitness" if measured else "peer win rate"
    best = best_of(past)
    recent = _recent([p for p in past if p is not best], turns)
    chosen = {p.id for p in recent} | ({best.id} if best else set())
    return render(
        "history",
        generations=len({p.generation for p in past}),
        written=len(past),
        trained=sum(p.fitness is not None for p in past),
        training_steps=f"{training_steps:,}",
        forgetful=forgetful,
        measured=measured,
        best=_shown(best, measure) if best else None,
        recent=[_shown(p, measure) for p in recent],
        others=[_brief(p, measure) for p in past if p.id not in chosen],
        lessons=_lessons(past, measure),
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


def _lessons(past: Sequence[PastCandidate], measure: str) -> list[str]:
    """The latest lessons, each once, with the outcome of the program that its author wrote."""
    distinct: dict[str, str] = {}
    for p in reversed(past):
        rewritten = p.rewritten and p.fitness is not None
        since = ", by a program that was rewritten since" if rewritten else ""
        line = f"#{p.id} ({_outcome(p, measure)}{since}): {prompt_quote(p.lesson)}"
        if p.lesson:
            distinct.setdefault(p.lesson, line)
    return list(distinct.values())[:LESSONS]


def _outcome(past: PastCandidate, measure: str) -> str:
    if past.fitness is not None:
        return f"{measure} {past.fitness:.4g}"
    return f"rejected or failed, no {measure}"


def _shown(past: PastCandidate, measure: str) -> Mapping[str, object]:
    """A program with its code and reflection, as the template `history` shows it."""
    code = fenced(past.text) if past.text else "(no program)"
    if len(past.text) > MAX_BYTES:
        code = f"(a program of {len(past.text):,} characters, which is too long to show)"
    return {
        "id": past.id,
        "generation": past.generation,
        "outcome": _outcome(past, measure),
        "origin": f", built on {' and '.join(f'#{p}' for p in past.parents)}"
        if past.parents
        else "",
        "code": code,
        "reflection": past.reflection.strip(),
    }


def _brief(past: PastCandidate, measure: str) -> str:
    why = past.failure if past.fitness is None and past.failure else past.thought
    begin = f"#{past.id}, {_outcome(past, measure)}: "
    return begin + prompt_quote(why, LINE - len(begin))
