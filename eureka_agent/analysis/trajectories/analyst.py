"""The analyst: a language model that looks at what a policy did, in numbers, and says why it fails.

It is the second half of the Trajectory Analyzer, after the rules of `analysis/failures.py`. What it
says joins a candidate's reflection as an opinion; that it says nothing stops no search.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from eureka_agent.analysis.arrays import BoolArray
from eureka_agent.analysis.trajectories.analyst_reply import ACTIONS, Verdict, read_verdict
from eureka_agent.analysis.trajectories.episodes import Recordings
from eureka_agent.analysis.trajectories.excerpt import Excerpt, excerpt
from eureka_agent.analysis.trajectories.failures import Diagnosis
from eureka_agent.common.choices import FREE
from eureka_agent.llm import ChatMessage, Picture
from eureka_agent.llm.conversation import Asking, Place
from eureka_agent.llm.json_reply import numbers_in
from eureka_agent.llm.templates import fenced, render
from eureka_agent.reward.check import Outline, outline
from eureka_agent.reward.signals import parse_parameter
from eureka_agent.store import CandidateRow

if TYPE_CHECKING:
    from eureka_agent.environment import TaskDescription

ROLE = "analyst"
"""Under which the model's answers are accounted."""
Draw = Callable[[Mapping[int, Excerpt]], Mapping[int, bytes]]
"""Makes a PNG file of each of some excerpts, as far as it can."""


@dataclass(frozen=True)
class Subject:
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
    recordings: Recordings
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

    def __init__(self, task: "TaskDescription", asking: Asking, parts: str = FREE) -> None:
        self._task, self._asking, self._parts = task, asking, parts

    def verdicts(self, subjects: Sequence[Subject], draw: Draw | None = None) -> dict[int, Verdict]:
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

        def read(place: Place, reply: str) -> Verdict:
            case = cases[place]
            return read_verdict(reply, case.excerpt, case.components, case.numbers)

        questions = {place: case.messages for place, case in cases.items()}
        found = self._asking.ask_for(ROLE, questions, read)
        return {numbers[place]: verdict for place, verdict in found.items()}

    def _case(self, subject: Subject, chosen: Excerpt, png: bytes | None) -> _Case:
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


def _excerpt(subject: Subject) -> Excerpt:
    """What is shown of a subject's episodes, what its program reads first."""
    reads = {parse_parameter(name)[1] for name in _outline(subject).parameters}
    return excerpt(subject.recordings, subject.own, reads, subject.diagnosis)


def _outline(subject: Subject) -> Outline:
    return outline(subject.candidate.text, subject.recordings.signals)
