"""The analyst: a language model that reads a policy's episodes in numbers and says why it fails.

It is the second half of the Trajectory Analyzer, after the rules of `trajectories/failures.py`. Its
opinion joins a candidate's reflection; without one the search continues.

The model must show where it saw what it claims. `read_analyst_reply` drops claims without an
episode and step that the model was shown, or about components that the program does not have, and
strikes out numbers that the model was not shown.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints

from eureka_agent.analysis.trajectories.episodes import Trajectories
from eureka_agent.analysis.trajectories.excerpt import Excerpt, Shown, excerpt
from eureka_agent.analysis.trajectories.failures import Diagnosis
from eureka_agent.common.choices import FREE
from eureka_agent.common.text import prompt_line, prompt_percent, prompt_quote
from eureka_agent.environment.episodes import BoolArray
from eureka_agent.llm import ChatMessage, Picture
from eureka_agent.llm.conversation import Conversation, ExchangeKey
from eureka_agent.llm.json_reply import UNKNOWN_NUMBER, numbers_in, read_model, without_unknown
from eureka_agent.llm.templates import fenced, render
from eureka_agent.reward import CheckedText, read_program, split_prefix
from eureka_agent.reward.language import NAME_PATTERN
from eureka_agent.store import CandidateRow

if TYPE_CHECKING:
    from eureka_agent.environment import TaskDescription

ROLE = "analyst"
"""Role under which the model's answers are kept and accounted."""
Action = Literal["add", "remove", "rescale", "gate", "rewrite"]
MOST_MODES, MOST_SUGGESTIONS, MOST_CITED = 3, 2, 2
MOST_ENTRIES = 20
"""Entries of a list that are read."""
LONGEST_TEXT = 400
"""Characters of a name or a reason."""
Draw = Callable[[Mapping[int, Excerpt]], Mapping[int, bytes]]
"""Makes a PNG file of each excerpt that can be drawn."""

T = TypeVar("T")


@dataclass(frozen=True)
class Citation:
    """A place in the episodes that shows something.

    Attributes:
        label: names the episode.
        episode: which of the policy's own episodes, from 0; None for another policy's.
        first: the first step, from 0.
        last: the last step.
    """

    label: str
    episode: int | None
    first: int
    last: int


@dataclass(frozen=True)
class FailureMode:
    """A way to fail.

    Attributes:
        name: describes it.
        evidence: the places that show it, at least one.
        share: fraction of the policy's episodes that were shown in which it was pointed out.
    """

    name: str
    evidence: tuple[Citation, ...]
    share: float


@dataclass(frozen=True)
class RewardHack:
    """A component that pays for something other than the task, the reason and where it shows."""

    component: str
    reason: str
    evidence: tuple[Citation, ...]


@dataclass(frozen=True)
class Suggestion:
    """A change of a component, which has a new name where the action is to add one."""

    component: str
    action: Action
    reason: str


@dataclass(frozen=True)
class AnalystReply:
    """A model's opinion of a candidate.

    Attributes:
        modes: the ways to fail that it sees.
        exploit: the component that it suspects, if any.
        suggestions: changes that it would make.
        keep: components that it would leave as they are.
        dropped: number of its statements that were left out.
    """

    modes: tuple[FailureMode, ...]
    exploit: RewardHack | None
    suggestions: tuple[Suggestion, ...]
    keep: tuple[str, ...]
    dropped: int

    def lines(self) -> list[str]:
        """At most ten lines for a designer of rewards, in plain ASCII; none without a statement."""
        said = [
            f"- Failure: {prompt_quote(mode.name, LONGEST_TEXT)} ({_places(mode.evidence)}; in "
            f"{prompt_percent(mode.share)} of the policy's episodes that it saw)."
            for mode in self.modes
        ]
        if self.exploit:
            reason = prompt_quote(self.exploit.reason, LONGEST_TEXT)
            said.append(
                f"- Suspected exploit of {self.exploit.component}: {reason} "
                f"({_places(self.exploit.evidence)})."
            )
        said += [
            f"- It would {s.action} {s.component}: {prompt_quote(s.reason, LONGEST_TEXT)}"
            for s in self.suggestions
        ]
        if self.keep:
            said.append(f"- It would keep {', '.join(self.keep)}.")
        if not said:
            return []
        head = "What a language model made of some episodes, an opinion, with where it saw it"
        if any(UNKNOWN_NUMBER in line for line in said):
            head += f" ({UNKNOWN_NUMBER}: a number that it had not been shown)"
        return [f"{head}:", *said]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


def _integral(value: object) -> object:
    """Whole numbers may be written as 3.0, but not as true or "3"."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_integral), Field(strict=True)]
Text = Annotated[str, BeforeValidator(lambda value: value if isinstance(value, str) else "")]
"""A text that may be missing."""


class _Reply(BaseModel, strict=True):
    """The form of an answer; its entries are checked one by one."""

    failure_modes: list[Any]
    suspected_exploit: Any = None
    suggestions: list[Any]
    keep: list[Any] = []

    @property
    def suspicions(self) -> list[Any]:
        """The suspected exploit, if there is one."""
        said = self.suspected_exploit
        return [said] if isinstance(said, dict) and said.get("suspected") is True else []


class _CitedPlace(BaseModel):
    episode: Whole = Field(ge=1)
    first_step: Whole = Field(ge=0)
    last_step: Whole = Field(default_factory=lambda place: place["first_step"])


class _Claim(BaseModel):
    """A failure mode or a suspected exploit."""

    name: Text = ""
    component: Text = ""
    reason: Text = ""
    evidence: Annotated[
        list[Any], BeforeValidator(lambda value: [value] if isinstance(value, dict) else value)
    ]


class _Change(BaseModel):
    component: Annotated[str, StringConstraints(pattern=rf"^(?:{NAME_PATTERN})$")]
    action: Annotated[Action, BeforeValidator(lambda value: str(value).lower())]
    reason: Text = ""


def read_analyst_reply(
    reply: str, excerpt: Excerpt, components: Collection[str], numbers: frozenset[float]
) -> AnalystReply:
    """The opinion in a reply.

    Args:
        reply: the model's answer.
        excerpt: the episodes that it was shown, which it counts from 1.
        components: names of the program's components.
        numbers: all numbers that it was shown.

    Raises:
        UnusableReply: it is no JSON object of the required form.
    """
    said = read_model(reply, _Reply)
    reader = _Reader(excerpt.shown, components, numbers)
    modes = reader.read(said.failure_modes, reader.mode)
    exploit = reader.read(said.suspicions, reader.exploit)
    suggestions = reader.read(said.suggestions, reader.suggestion)
    keep = reader.read(said.keep, reader.component)
    return AnalystReply(
        tuple(modes[:MOST_MODES]),
        next(iter(exploit), None),
        tuple(suggestions[:MOST_SUGGESTIONS]),
        tuple(dict.fromkeys(keep)),
        reader.dropped,
    )


class _Reader:
    """Reads statements one by one, and counts those that cannot be believed.

    Its methods raise ValueError for such a statement; pydantic's ValidationError is one.
    """

    def __init__(
        self, shown: Sequence[Shown], components: Collection[str], numbers: frozenset[float]
    ) -> None:
        self._shown, self._components, self._numbers = shown, components, numbers
        self.dropped = 0

    def read(self, entries: Sequence[object], read: Callable[[Any], T]) -> list[T]:
        """The entries that can be believed."""
        kept = _readable(entries, read)
        self.dropped += len(entries) - len(kept)
        return kept

    def mode(self, entry: object) -> FailureMode:
        """A failure of the policy in question, with where it shows."""
        claim = _Claim.model_validate(entry)
        evidence, seen = self._evidence(claim)
        name = self._words(claim.name)
        if not name:
            raise ValueError("it has no name")
        return FailureMode(name, evidence, seen / sum(one.own for one in self._shown))

    def exploit(self, entry: object) -> RewardHack:
        """A component that the program has, with where it pays for the wrong thing."""
        claim = _Claim.model_validate(entry)
        evidence, _ = self._evidence(claim)
        return RewardHack(self.component(claim.component), self._words(claim.reason), evidence)

    def suggestion(self, entry: object) -> Suggestion:
        """A change of a component that the program has, or a new component."""
        change = _Change.model_validate(entry)
        if (change.action == "add") == (change.component in self._components):
            raise ValueError("it adds what is there, or changes what is not")
        # The reason may propose a number, as the author of a program must.
        return Suggestion(change.component, change.action, prompt_line(change.reason, LONGEST_TEXT))

    def component(self, name: object) -> str:
        """The name of a component that the program has."""
        if not isinstance(name, str) or name not in self._components:
            raise ValueError("the program has no such component")
        return name

    def _words(self, text: str) -> str:
        """Words in one line, without invented numbers."""
        return prompt_line(without_unknown(text, self._numbers), LONGEST_TEXT)

    def _evidence(self, claim: _Claim) -> tuple[tuple[Citation, ...], int]:
        """The places that it cites and was shown, and in how many of the policy's own episodes."""
        evidence = tuple(dict.fromkeys(_readable(claim.evidence, self._citation)))
        seen = {citation.episode for citation in evidence} - {None}
        if not seen:
            raise ValueError("nothing of it was shown")
        return evidence, len(seen)

    def _citation(self, entry: object) -> Citation:
        place = _CitedPlace.model_validate(entry)
        if place.episode > len(self._shown):
            raise ValueError("there is no such episode")
        shown = self._shown[place.episode - 1]
        first, last = place.first_step, place.last_step
        if last >= shown.length or not any(first <= step <= last for step in shown.steps):
            raise ValueError("none of these steps was shown")
        return Citation(shown.label, shown.place, first, last)


def _readable(entries: Sequence[object], read: Callable[[Any], T]) -> list[T]:
    """The readable ones among the first entries."""
    found: list[T] = []
    for entry in entries[:MOST_ENTRIES]:
        with suppress(ValueError):
            found.append(read(entry))
    return found


def _places(evidence: Sequence[Citation]) -> str:
    """The cited places, episode by episode."""
    by_label: dict[str, list[str]] = {}
    for citation in evidence:
        by_label.setdefault(citation.label, []).append(f"{citation.first} to {citation.last}")
    return "; ".join(
        f"steps {', '.join(steps[:MOST_CITED])} of {label}" for label, steps in by_label.items()
    )


@dataclass(frozen=True)
class AnalystRequest:
    """A policy to analyse.

    Attributes:
        candidate: its candidate.
        recordings: all known episodes, with what its program pays in them; without fitness where
            the model must not know it.
        own: which of them are of its selected checkpoint `[E]`, at least one.
        diagnosis: of the rules on them, where anything is known.
        failures: the same in sentences; empty for those of the diagnosis.
        reflection: a description of its training; may be empty.
    """

    candidate: CandidateRow
    recordings: Trajectories
    own: BoolArray
    diagnosis: Diagnosis | None = None
    failures: Sequence[str] = ()
    reflection: str = ""


class Analyst:
    """Asks a language model what is wrong with policies.

    Args:
        task: the environment, as the model may know it.
        conversation: puts questions, and keeps the answers.
        parts: the structure of programs, see `SearchConfig`.
    """

    def __init__(
        self, task: "TaskDescription", conversation: Conversation, parts: str = FREE
    ) -> None:
        self._task, self._conversation, self._parts = task, conversation, parts

    def verdicts(
        self, subjects: Sequence[AnalystRequest], draw: Draw | None = None
    ) -> dict[int, AnalystReply]:
        """Opinions by the candidate's number; all are asked for at the same time.

        A candidate is left out if the model gives no usable opinion, or the budget is spent.

        Args:
            subjects: the policies.
            draw: makes pictures of the episodes, which the model is shown as well; None for none.
        """
        asked = {(s.candidate.generation, s.candidate.slot, 0): s for s in subjects}
        programs = {
            key: read_program(s.candidate.text, s.recordings.signals) for key, s in asked.items()
        }
        excerpts = {key: _excerpt(s, programs[key]) for key, s in asked.items()}
        drawn = draw({asked[key].candidate.id: e for key, e in excerpts.items()}) if draw else {}
        questions = {
            key: self._question(s, excerpts[key], drawn.get(s.candidate.id))
            for key, s in asked.items()
        }

        def read(key: ExchangeKey, reply: str) -> AnalystReply:
            shown = numbers_in([questions[key][-1].content])
            return read_analyst_reply(reply, excerpts[key], programs[key].weights, shown)

        found = self._conversation.ask_and_read(ROLE, questions, read)
        return {asked[key].candidate.id: opinion for key, opinion in found.items()}

    def _question(
        self, subject: AnalystRequest, chosen: Excerpt, png: bytes | None
    ) -> list[ChatMessage]:
        content = render(
            "episodes",
            task=self._task,
            seconds=self._task.episode_steps * self._task.control_step,
            program=fenced(subject.candidate.text),
            parts=self._parts,
            reflection=subject.reflection.strip(),
            failures=subject.failures or (subject.diagnosis.lines() if subject.diagnosis else ()),
            excerpt=chosen,
            policy_episodes=int(subject.own.sum()),
        )
        system = render("analyst", actions=get_args(Action), measured=self._task.measured)
        picture = Picture(png, render("frames")) if png is not None else None
        return [ChatMessage("system", system), ChatMessage("user", content, picture)]


def _excerpt(subject: AnalystRequest, program: CheckedText) -> Excerpt:
    """The part of the episodes that is shown, beginning with the signals that its program reads."""
    reads = {split_prefix(name)[1] for name in program.parameters}
    return excerpt(subject.recordings, subject.own, reads, subject.diagnosis)
