"""The conversation about a candidate as files beside its program, for people to read."""

from collections.abc import Sequence

from eureka_agent.store import CandidateRow, ExchangeRow, Run
from eureka_agent.store.files import write_atomically


def write_transcript(run: Run, candidate: CandidateRow) -> None:
    """Write `prompt.md` and `reply.md`, and for repairs `repair-<n>.prompt.md` and so on."""
    folder = run.candidate_folder(candidate.id)
    for exchange in run.exchanges(candidate.generation, candidate.slot):
        prefix = f"repair-{exchange.attempt}." if exchange.attempt else ""
        for name, text in (("prompt", _prompt(exchange)), ("reply", _reply(exchange))):
            write_atomically(folder / f"{prefix}{name}.md", text)


def _prompt(exchange: ExchangeRow) -> str:
    return _sections([(message["role"], message["content"]) for message in exchange.messages])


def _reply(exchange: ExchangeRow) -> str:
    reasoning = [("reasoning", exchange.reasoning)] if exchange.reasoning else []
    return _sections([*reasoning, ("reply", exchange.reply)])


def _sections(parts: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"<!-- {name} -->\n\n{text.strip()}\n" for name, text in parts)
