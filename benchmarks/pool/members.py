"""The programs of the pool: those that authors wrote, and those of the offline designer.

`programs/ENV.toml` holds the programs of an environment by name. The first word of a name is the
kind: `sound` and `broken` ones are authors' (`broken_FAULT_WORDS.py` also names the fault),
`offline` ones are filled in here. The first line of each program says what it is.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import count, islice
from pathlib import Path

from eureka_agent.common.errors import EurekaError, UsageError
from eureka_agent.designer.base import Proposal, RepairRequest
from eureka_agent.designer.offline.designer import OfflineDesigner
from eureka_agent.environment import Environment
from eureka_agent.reward import Finding, parse
from eureka_agent.store.folder import write_atomically
from eureka_agent.workers.probe_client import ProbeClient

ENVIRONMENTS = ("cartpole", "half_cheetah", "hopper", "walker2d")
PROGRAMS = Path(__file__).resolve().parent / "programs"
SIZE = 40
"""Programs of each environment."""
OPENING = 8
"""Offline programs that come first: what a search of so many would begin with."""
BLIND = 3
"""Offline programs after those by the designer's control, which reads no documentation."""
KINDS = ("offline", "broken", "sound")


@dataclass(frozen=True)
class Member:
    """A program of the pool.

    Attributes:
        file: its name, by which results and runs know it: the file that its author wrote.
        kind: one of `KINDS`.
        fault: what is wrong with a broken one, in a word; empty for others.
        text: the program.
    """

    file: str
    kind: str
    fault: str
    text: str

    @property
    def about(self) -> str:
        """What it says of itself in its first line."""
        return self.text.partition("\n")[0].lstrip("# ").strip()


def load(path: Path) -> list[Member]:
    """The programs of an environment, in the order in which they train.

    The offline ones come first, by number. The others are mixed, by a hash of their names alone, so
    that each part of the training has some of each kind.

    Args:
        path: the file of the environment's programs; there are none where it is missing.

    Raises:
        UsageError: the file cannot be read, or a name does not tell the kind of its program.
    """
    members = [_member(name, text, path) for name, text in _read(path).items()]
    mixed = {m.file: sha256(m.file.encode()).hexdigest() for m in members}
    offline = sorted((m for m in members if m.kind == "offline"), key=lambda m: m.file)
    others = [m for m in members if m.kind != "offline"]
    return offline + sorted(others, key=lambda m: mixed[m.file])


def complete(path: Path, size: int = SIZE) -> list[Member]:
    """The programs of an environment, all of them.

    Raises:
        UsageError: there are not as many as there should be.
    """
    members = load(path)
    if len(members) != size:
        raise UsageError(
            f"{path} holds {len(members)} of {size} programs.",
            f"Fill it up with: python -m benchmarks.pool programs --env {path.stem}",
        )
    return members


def fill(path: Path, environment: Environment, prober: ProbeClient, size: int = SIZE) -> list[str]:
    """Write offline programs until there are `size` in all, and check every one.

    What is there stays as it is, so that the same command goes on after a stop.

    Args:
        path: the file of the environment's programs; made if it is missing.
        environment: the task.
        prober: checks programs.
        size: programs in all.

    Returns:
        The names of the programs written.

    Raises:
        EurekaError: a program does not pass the critic, or computes the same as another one.
    """
    known: dict[str, str] = {}
    for member in load(path):
        _admit(member, environment, prober, known)
    texts, offers = _read(path), offered(environment)
    free = (name for n in count() if (name := f"offline_{n:02}.py") not in texts)
    written = list(islice(free, size - len(known)))
    for name in written:
        text = _next(offers, environment, set(known))
        _admit(Member(name, "offline", "", text), environment, prober, known)
        texts[name] = text
        save(path, texts)
    return written


def save(path: Path, texts: Mapping[str, str]) -> None:
    """Write programs by name, each as its author wrote it where TOML can have it so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = [f"{json.dumps(name)} = {_quoted(text)}\n" for name, text in sorted(texts.items())]
    write_atomically(path, "\n".join(entries))


def offered(environment: Environment) -> Iterator[Proposal]:
    """Programs of the offline designer, without end, each with a note on how it came about.

    First its opening, then its control's; from then on bold changes of the opening, as later
    generations make them, in turn with openings on other seeds.
    """
    task = environment.describe()
    designer = OfflineDesigner(task, 0)
    opening = designer.propose(0, OPENING, [])
    blind = OfflineDesigner(task, 0, blind=True).propose(0, BLIND, [])
    yield from (_noted(p, "the opening") for p in opening)
    yield from (_noted(p, "the control without documentation") for p in blind)
    for turn in count():
        changed = designer.repair([_too_near(opening[turn % OPENING].text, turn)])
        yield from (_noted(p, "a bold change") for p in changed if p is not None)
        (other,) = OfflineDesigner(task, 1 + turn).propose(0, OPENING, [])[turn % OPENING :][:1]
        yield _noted(other, f"the opening on seed {1 + turn}")


def _read(path: Path) -> dict[str, str]:
    """Programs of a file by name; none where it is missing."""
    try:
        texts = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}.", "Restore it.") from error
    if not all(isinstance(text, str) for text in texts.values()):
        raise UsageError(f"{path} holds something else than programs.", "Restore it.")
    return texts


def _quoted(text: str) -> str:
    literal = f"'''\n{text}'''"
    try:
        kept = tomllib.loads(f"text = {literal}") == {"text": text}
    except tomllib.TOMLDecodeError:
        kept = False
    return literal if kept else json.dumps(text)


def _member(name: str, text: str, path: Path) -> Member:
    kind, _, rest = name.removesuffix(".py").partition("_")
    if kind not in KINDS or not rest:
        raise UsageError(
            f"{path}: {name!r} does not say what kind of program it is.",
            "Name it offline_NN.py, sound_WORDS.py or broken_FAULT_WORDS.py.",
        )
    fault = rest.partition("_")[0] if kind == "broken" else ""
    return Member(name, kind, fault, text)


def _next(offers: Iterator[Proposal], environment: Environment, known: set[str]) -> str:
    """The next offer that computes something new, with a line on what it is."""
    signals = environment.signals_described
    offer = next(p for p in offers if parse(p.text, signals).fingerprint not in known)
    return f"# The offline designer: {offer.note}.\n{offer.text}"


def _admit(
    member: Member, environment: Environment, prober: ProbeClient, known: dict[str, str]
) -> None:
    """Check a program and note what it computes."""
    errors = [f.message for f in prober.probe(member.text) if f.severity == "error"]
    if errors:
        raise EurekaError(f"{member.file} does not pass the critic: {errors[0]}", "Correct it.")
    computes = parse(member.text, environment.signals_described).fingerprint
    first = known.setdefault(computes, member.file)
    if first != member.file:
        raise EurekaError(f"{member.file} computes the same as {first}.", "Remove one of them.")


def _noted(proposal: Proposal, origin: str) -> Proposal:
    return Proposal(proposal.text, (), f"{origin}, {proposal.note}")


def _too_near(text: str, attempt: int) -> RepairRequest:
    """A program that the designer is to change."""
    said = Finding("duplicate", "error", 1, 1, "It is there already.", "")
    return RepairRequest(0, 0, attempt % OPENING, attempt, text, (said,))
