"""The analyst: a language model that looks at what a policy did, in numbers, and says why it fails.

It is the second half of the Trajectory Analyzer, after the rules of `analysis/failures.py`. What it
says joins a candidate's reflection as an opinion; that it says nothing stops no search.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from eureka_agent.analysis.trajectories.episodes import Trajectories
from eureka_agent.analysis.trajectories.excerpt import Excerpt, Shown, excerpt
from eureka_agent.analysis.trajectories.failures import Diagnosis
from eureka_agent.common.choices import FREE
from eureka_agent.common.text import prompt_line, prompt_percent, prompt_quote
from eureka_agent.environment.episodes import BoolArray
from eureka_agent.llm import ChatMessage, Picture
from eureka_agent.llm.conversation import Conversation, ExchangeKey, UnusableReply
from eureka_agent.llm.json_reply import UNKNOWN_NUMBER, numbers_in, read_object, without_unknown
from eureka_agent.llm.templates import fenced, render
from eureka_agent.reward.check import CheckedText, read_program
from eureka_agent.reward.language import NAME_PATTERN
from eureka_agent.reward.signals import split_prefix
from eureka_agent.store import CandidateRow

if TYPE_CHECKING:
    from eureka_agent.environment import TaskDescription

ACTIONS = ("add", "remove", "rescale", "gate", "rewrite")
KEYS = ("failure_modes", "suspected_exploit", "suggestions", "keep")
MOST_MODES, MOST_SUGGESTIONS, MOST_CITED = 3, 2, 2
MOST_ENTRIES = 20
"""Entries of a list that are looked at."""
WORDS = 400
"""Characters of what is said in one place."""

T = TypeVar("T")


@dataclass(frozen=True)
class Citation:
    """Where in the episodes something shows.

    Attributes:
        label: which episode, in words.
        episode: which of the policy's own episodes, from 0; None of another policy's.
        first: the first step, from 0.
        last: the last step.
    """

    label: str
    episode: int | None
    first: int
    last: int

    @property
    def steps(self) -> str:
        """The steps in words."""
        return f"{self.first} to {self.last}"


@dataclass(frozen=True)
class FailureMode:
    """A way to fail.

    Attributes:
        name: what it is called.
        evidence: where it shows, at least one.
        share: of the policy's episodes that were shown, in how many it was pointed out.
    """

    name: str
    evidence: tuple[Citation, ...]
    share: float


@dataclass(frozen=True)
class RewardHack:
    """A component that pays for something other than the task.

    Attributes:
        component: its name.
        reason: what the policy does for it.
        evidence: where that shows, at least one.
    """

    component: str
    reason: str
    evidence: tuple[Citation, ...]


@dataclass(frozen=True)
class Suggestion:
    """A change of the program.

    Attributes:
        component: which part; a new one's name where it is to be added.
        action: one of `ACTIONS`.
        reason: why.
    """

    component: str
    action: str
    reason: str


@dataclass(frozen=True)
class AnalystReply:
    """A model's opinion of a candidate.

    Attributes:
        modes: the ways to fail that it sees.
        exploit: the component that it suspects, if any.
        suggestions: what it would change.
        keep: components that it would leave as they are.
        dropped: how many of its statements were left out.
    """

    modes: tuple[FailureMode, ...]
    exploit: RewardHack | None
    suggestions: tuple[Suggestion, ...]
    keep: tuple[str, ...]
    dropped: int

    def lines(self) -> list[str]:
        """At most ten lines for a designer of rewards, in plain ASCII; none if it says nothing."""
        said = [
            f"- Failure: {prompt_quote(mode.name, WORDS)} ({_places(mode.evidence)}; in "
            f"{prompt_percent(mode.share)} of the policy's episodes that it saw)."
            for mode in self.modes
        ]
        if self.exploit:
            said.append(
                f"- Suspected exploit of {self.exploit.component}: "
                f"{prompt_quote(self.exploit.reason, WORDS)} ({_places(self.exploit.evidence)})."
            )
        said += [
            f"- It would {s.action} {s.component}: {prompt_quote(s.reason, WORDS)}"
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


def read_analyst_reply(
    reply: str, excerpt: Excerpt, components: Collection[str], numbers: frozenset[float]
) -> AnalystReply:
    """The opinion in a reply.

    Args:
        reply: what the model said.
        excerpt: the episodes that it was shown, which it calls by their place, from 1.
        components: names of the program's components.
        numbers: all that it was shown.

    Raises:
        Unusable: it is no JSON object of the form that was asked for.
    """
    found = read_object(reply, KEYS)
    reader = _Reader(excerpt.shown, components, numbers)
    modes = reader.read(_entries(found, "failure_modes"), reader.mode)
    exploit = reader.read(_suspicion(found.get("suspected_exploit")), reader.exploit)
    suggestions = reader.read(_entries(found, "suggestions"), reader.suggestion)
    keep = reader.read(_entries(found, "keep", required=False), reader.kept)
    return AnalystReply(
        tuple(modes[:MOST_MODES]),
        next(iter(exploit), None),
        tuple(suggestions[:MOST_SUGGESTIONS]),
        tuple(dict.fromkeys(keep)),
        reader.dropped,
    )


class _Reader:
    """Reads statements one by one, and counts those that it does not believe."""

    def __init__(
        self, shown: Sequence[Shown], components: Collection[str], numbers: frozenset[float]
    ) -> None:
        self._shown, self._components, self._numbers = shown, components, numbers
        self.dropped = 0

    def read(self, entries: Sequence[object], read: Callable[[Any], T | None]) -> list[T]:
        """All entries of which something is left."""
        found = [read(entry) for entry in entries[:MOST_ENTRIES]]
        kept = [one for one in found if one is not None]
        self.dropped += len(entries) - len(kept)
        return kept

    def mode(self, entry: object) -> FailureMode | None:
        """A failure of the policy in question, with where it shows."""
        if not isinstance(entry, Mapping):
            return None
        evidence, name = self._evidence(entry), self._words(entry.get("name"))
        seen = {citation.episode for citation in evidence} - {None}
        if not seen or not name:
            return None
        return FailureMode(name, evidence, len(seen) / sum(one.own for one in self._shown))

    def exploit(self, entry: Mapping[str, Any]) -> RewardHack | None:
        """A component that the program has, with where it pays for the wrong thing."""
        component, evidence = self.kept(entry.get("component")), self._evidence(entry)
        if component is None or all(citation.episode is None for citation in evidence):
            return None
        return RewardHack(component, self._words(entry.get("reason")), evidence)

    def suggestion(self, entry: object) -> Suggestion | None:
        """A change of a component that the program has, or one more that it has not."""
        if not isinstance(entry, Mapping):
            return None
        name, action = entry.get("component"), str(entry.get("action")).lower()
        if not isinstance(name, str):
            return None
        new = action == "add"
        possible = re.fullmatch(NAME_PATTERN, name) and new != (name in self._components)
        if action not in ACTIONS or not possible:
            return None
        reason = entry.get("reason")  # it may propose a number, as whoever writes a program must
        return Suggestion(
            name, action, prompt_line(reason, WORDS) if isinstance(reason, str) else ""
        )

    def kept(self, entry: object) -> str | None:
        """The name of a component that the program has."""
        return entry if isinstance(entry, str) and entry in self._components else None

    def _words(self, value: object) -> str:
        """Words in one line, without numbers out of nowhere."""
        return (
            prompt_line(without_unknown(value, self._numbers), WORDS)
            if isinstance(value, str)
            else ""
        )

    def _evidence(self, entry: Mapping[str, Any]) -> tuple[Citation, ...]:
        """The places that it names and that were shown."""
        named = entry.get("evidence")
        places = [named] if isinstance(named, Mapping) else named
        if not isinstance(places, list):
            return ()
        found = [self._citation(place) for place in places[:MOST_ENTRIES]]
        return tuple(dict.fromkeys(one for one in found if one is not None))

    def _citation(self, place: object) -> Citation | None:
        """A place in the episodes; None unless a step of it was shown."""
        if not isinstance(place, Mapping):
            return None
        number, first = _whole(place.get("episode")), _whole(place.get("first_step"))
        last = _whole(place.get("last_step", first))
        if number is None or first is None or last is None or not 1 <= number <= len(self._shown):
            return None
        shown = self._shown[number - 1]
        inside = 0 <= first <= last < shown.length
        if not inside or not any(first <= step <= last for step in shown.steps):
            return None
        return Citation(shown.label, shown.place, first, last)


def _entries(found: Mapping[str, Any], key: str, *, required: bool = True) -> list[object]:
    """A list of the answer.

    Raises:
        Unusable: it is none, or is required and missing.
    """
    entries = found.get(key, None if required else [])
    if not isinstance(entries, list):
        raise UnusableReply(f'"{key}" has to be a list.')
    return entries


def _suspicion(value: object) -> list[Mapping[str, Any]]:
    """The suspected exploit, if there is one."""
    return [value] if isinstance(value, Mapping) and value.get("suspected") is True else []


def _whole(value: object) -> int | None:
    """A whole number, however JSON writes it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if value == value // 1 else None  # neither a fraction nor infinite


def _places(evidence: Sequence[Citation]) -> str:
    """Where something shows, episode by episode."""
    by_label: dict[str, list[str]] = {}
    for citation in evidence:
        by_label.setdefault(citation.label, []).append(citation.steps)
    return "; ".join(
        f"steps {', '.join(steps[:MOST_CITED])} of {label}" for label, steps in by_label.items()
    )


ROLE = "analyst"
"""Under which the model's answers are accounted."""
Draw = Callable[[Mapping[int, Excerpt]], Mapping[int, bytes]]
"""Makes a PNG file of each of some excerpts, as far as it can."""


@dataclass(frozen=True)
class AnalystRequest:
    """What the analyst is asked about.

    Attributes:
        candidate: whose policy and program.
        recordings: all episodes that are known, with the incomes under its program; without
            fitness where nobody may know that.
        own: which of them are of its shipped policy `[E]`, at least one.
        diagnosis: what the rules found in them, where anything is known.
        failures: the same in sentences; empty for those of the diagnosis.
        reflection: what its training showed, for the reader of the numbers; may be empty.
    """

    candidate: CandidateRow
    recordings: Trajectories
    own: BoolArray
    diagnosis: Diagnosis | None = None
    failures: Sequence[str] = ()
    reflection: str = ""


@dataclass(frozen=True)
class _Case:
    """A subject as it is put before the model."""

    messages: tuple[ChatMessage, ...]
    excerpt: Excerpt
    components: Collection[str]
    numbers: frozenset[float] = field(repr=False)


class Analyst:
    """Asks a language model what is wrong with policies.

    Args:
        task: what it may know of the environment.
        asking: asks and remembers.
        parts: what programs are made of, see `choices.PARTS`.
    """

    def __init__(
        self, task: "TaskDescription", conversation: Conversation, parts: str = FREE
    ) -> None:
        self._task, self._conversation, self._parts = task, conversation, parts

    def verdicts(
        self, subjects: Sequence[AnalystRequest], draw: Draw | None = None
    ) -> dict[int, AnalystReply]:
        """Opinions by the candidate's number; all are asked for at the same time.

        A candidate of which the model gives no usable opinion, or of which nobody may ask for one
        any more, is left out.

        Args:
            subjects: what is asked about.
            draw: makes pictures of the episodes, which the model is shown as well; None for none.
        """
        numbers = {(s.candidate.generation, s.candidate.slot, 0): s.candidate.id for s in subjects}
        excerpts = dict(zip(numbers.values(), map(_excerpt, subjects), strict=True))
        drawn = draw(excerpts) if draw else {}
        cases = {
            place: self._case(subject, excerpts[number], drawn.get(number))
            for (place, number), subject in zip(numbers.items(), subjects, strict=True)
        }

        def read(place: ExchangeKey, reply: str) -> AnalystReply:
            case = cases[place]
            return read_analyst_reply(reply, case.excerpt, case.components, case.numbers)

        questions = {place: case.messages for place, case in cases.items()}
        found = self._conversation.ask_and_read(ROLE, questions, read)
        return {numbers[place]: verdict for place, verdict in found.items()}

    def _case(self, subject: AnalystRequest, chosen: Excerpt, png: bytes | None) -> _Case:
        asked = render(
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
        system = render("analyst", actions=ACTIONS, measured=self._task.measured)
        picture = Picture(png, render("frames")) if png is not None else None
        messages = (ChatMessage("system", system), ChatMessage("user", asked, picture))
        return _Case(messages, chosen, _outline(subject).weights, numbers_in([asked]))


def _excerpt(subject: AnalystRequest) -> Excerpt:
    """What is shown of a subject's episodes, what its program reads first."""
    reads = {split_prefix(name)[1] for name in _outline(subject).parameters}
    return excerpt(subject.recordings, subject.own, reads, subject.diagnosis)


def _outline(subject: AnalystRequest) -> CheckedText:
    return read_program(subject.candidate.text, subject.recordings.signals)
