"""How a search is run: all that decides its result, resolved once and stored with the run."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Self

from eureka_agent.common.choices import (
    FREE,
    MOST_TRAININGS,
    PARTS,
    require_device_name,
    whole_number,
)
from eureka_agent.common.errors import UsageError

if TYPE_CHECKING:
    from eureka_agent.environment import Environment

DESIGNERS = ("offline", "openai", "offline-blind", "given")
"""Who can write programs: the offline designer, a language model behind any server that speaks the
OpenAI protocol, the offline designer's control without documentation, the user."""
SANDBOX_POLICIES = ("required", "auto", "weak", "off")
"""How strictly reward programs are isolated; `workers.levels` says what each accepts."""
CONTEXTS = ("signals", "source")
"""What a language model is shown of the environment: its documentation, or its source as well."""
MEMORIES = ("archive", "generation")
"""Which earlier programs a designer knows: all, the best of which is always shown, or only the best
one of the last generation that had any, as in Eureka."""
MOST_ROUNDS = 3
"""Rounds of review, after which the author has had its say."""
TRAINERS = ("population", "sb3")
"""Who trains: our own trainer, or stable-baselines3's PPO, which is slow and checks ours."""
RANKINGS = ("fitness", "peers")
"""What candidates rank by: the fitness, or what the rewards of others say of their policies."""
MAX_CANDIDATES = 255
KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text in quotes",
    list: "a list of texts",
    dict: "a table",
}
"""Values of a configuration file by their type, in words."""

BY_ENVIRONMENT = ("candidates", "worlds", "steps")
"""Settings that a new run takes from the environment, unless they are given."""
SECOND_REPLICATE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """The resolved configuration of a run."""

    preset: str = "default"
    """What the configuration began as."""
    designer: str = "offline"
    """Who writes the programs: offline, or openai for a language model."""
    generations: int = 3
    """Generations of candidates."""
    candidates: int = 4
    """K: candidates per generation, trained side by side."""
    proposals: int = 0
    """Programs that are written per generation, where more than `candidates`: those against which
    the exam or a reviewer has doubts are left out first, then by the exam's score. 0 for no more
    than train."""
    worlds: int = 64
    """N: worlds per candidate."""
    trainer: str = "population"
    """Who trains: population, or sb3 for stable-baselines3's PPO, one candidate at a time."""
    device: str = "cpu"
    """Where trainings run: cpu, cuda or cuda:N. For a new run also auto: the GPU if it works."""
    steps: int = 300_000
    """Environment steps per training."""
    seed: int = 0
    """Source of all randomness of the search."""
    sandbox: str = "auto"
    """How well reward programs must be kept in: required, auto, weak or off."""
    threads: int = 0
    """Physics threads; 0 means one per core. It changes the speed, never a result."""
    checkpoints: int = 10
    """Points of a training at which the judge looks at the policy."""
    ranking_episodes: int = 4
    """Episodes per look, from the pool that candidates are chosen on."""
    reporting_episodes: int = 16
    """Episodes behind every number that is shown as a result, from a pool used for nothing else."""
    retrainings: int = 3
    """Fresh seeds on which winner, human reward and bare fitness are trained at the end."""
    repairs: int = 3
    """How often one program goes back to its author with the critic's findings."""
    rank_by: str = "fitness"
    """What candidates rank by: fitness, or peers for the rewards of the other candidates. With
    peers nothing is measured, and there is no fitness anywhere."""
    bank: int = 256
    """Megabytes of recorded episodes that a run keeps, on which every program can be scored."""
    video: bool = False
    """Whether the best of each generation is filmed, beside the training and at low priority."""
    picture: bool = True
    """Whether frames of the winner's policy are drawn at the end, for the report."""
    equivalents: bool = True
    """Whether a program that asks for the same as an earlier one goes back instead of training."""
    exam: bool = False
    """Whether programs are examined on recorded episodes of known fitness before they train. The
    author of a human reward had no such help: leave it off where one is compared with."""
    model: str = ""
    """Name of the language model at its server."""
    base_url: str = ""
    """Address of the server; empty for the openai package's default."""
    temperature: float = 1.0
    """How varied the model's answers are."""
    reply_tokens: int = 16_000
    """The most tokens of one answer."""
    reply_timeout: float = 600.0
    """Seconds that one answer may take, without those in which the server answers others."""
    concurrency: int = 8
    """Questions to the model at once; fewer, where its server turns out to answer fewer."""
    context: str = "signals"
    """What the model is shown of the environment: signals, or source as well."""
    history: int = 4
    """Earlier programs that the model is shown in full, besides the best."""
    reflection: bool = True
    """Whether designers know what became of earlier programs; without, each is a first shot."""
    memory: str = "archive"
    """Which earlier programs designers know: archive, or generation for the last one's best."""
    strategies: bool = True
    """Whether the programs of a generation are asked for in different ways, or all in one."""
    parts: str = FREE
    """What the model's programs are made of: free, dense-sparse, or signs for one part of each kind
    of which only the sign is paid."""
    review_rounds: int = 0
    """How often a sound program goes back at most to an author with a language model's objections;
    each version is reviewed before it trains. 0 for no review."""
    analyzer: bool = True
    """Whether designers are told how episodes failed: what rules find in them, without a model."""
    lens: bool = True
    """Whether designers are told where a program pays: its reward over its most telling signals."""
    analyst: bool = False
    """Whether a language model looks at the episodes of each policy and tells designers of it."""
    frames: bool = True
    """Whether it is shown pictures of them as well, if it takes any and this machine can draw."""
    max_tokens: int = 0
    """Tokens that the search may use; 0 for no limit."""
    max_cost: float = 0.0
    """US dollars that the search may spend on the model; 0 for no limit."""
    prompt_price: float = 0.0
    """US dollars per million tokens of questions, where the server does not tell the cost."""
    completion_price: float = 0.0
    """US dollars per million tokens of answers, where the server does not tell the cost."""

    def __post_init__(self) -> None:
        _require_one_of("designer", self.designer, DESIGNERS[:2], DESIGNERS)
        _require_one_of("context", self.context, CONTEXTS, CONTEXTS)
        _require_one_of("memory", self.memory, MEMORIES, MEMORIES)
        _require_one_of("kind of parts", self.parts, PARTS, PARTS)
        _require_one_of("ranking", self.rank_by, RANKINGS, RANKINGS)
        _require_one_of("trainer", self.trainer, TRAINERS, TRAINERS)
        require_device_name(self.device)
        if self.trainer == "sb3" and self.device.startswith("cuda"):
            raise UsageError("The trainer sb3 runs on the CPU.", "Give --device cpu.")
        _require_one_of("sandbox policy", self.sandbox, SANDBOX_POLICIES, SANDBOX_POLICIES)
        if self.trainer == "sb3" and self.candidates > 1:
            raise UsageError(
                "The trainer sb3 trains one policy at a time.",
                "Use it with: eureka-agent train ENV --reward FILE --trainer sb3",
            )
        if self.designer == "openai" and not self.model:
            raise UsageError(
                "The designer openai needs the name of a model.",
                "Give --model NAME, and --base-url URL for a server other than OpenAI's.",
            )
        self._check_roles()
        if self.exam and self.rank_by == "peers":
            raise UsageError(
                "The exam uses the fitness of episodes, which --no-fitness does without.",
                "Leave one of the two out.",
            )
        if self.candidates > MAX_CANDIDATES:
            raise UsageError(
                f"candidates is {self.candidates}.", f"At most {MAX_CANDIDATES} train side by side."
            )
        self._check_proposals()
        for name, most in _MOST.items():
            if getattr(self, name) > most:
                raise UsageError(f"{name} is {getattr(self, name)}.", f"At most {most:,} work.")
        for name in ("generations", "candidates", "worlds", "steps", "checkpoints"):
            _require(self, name, 1)
        for name in ("ranking_episodes", "reporting_episodes"):
            _require(self, name, 1)
        for name in ("reply_tokens", "reply_timeout", "concurrency"):
            _require(self, name, 1)
        for name in ("seed", "threads", "retrainings", "repairs", "history", "bank", "max_tokens"):
            _require(self, name, 0)
        for name in ("temperature", "max_cost", "prompt_price", "completion_price"):
            _require(self, name, 0)
        if self.max_cost and not (self.prompt_price or self.completion_price):
            self.require_asked_model()
            raise UsageError(
                "--max-cost needs to know what the model costs.",
                "Give its US dollars per million tokens: "
                "--set prompt_price=0.5 --set completion_price=2.",
            )

    @property
    def measured(self) -> bool:
        """Whether a fitness measures what policies do."""
        return self.rank_by == "fitness"

    @property
    def written(self) -> int:
        """Programs that are written per generation."""
        return self.proposals or self.candidates

    def _check_proposals(self) -> None:
        """Refuse to write programs among which nothing would choose, or too few.

        Raises:
            UsageError: proposals and what they need do not go together.
        """
        if self.proposals and not self.candidates <= self.proposals <= MAX_CANDIDATES:
            raise UsageError(
                f"proposals is {self.proposals}, and {self.candidates} of them train.",
                f"Give from {self.candidates} to {MAX_CANDIDATES}, or 0 for as many as train.",
            )
        if self.proposals > self.candidates and not (self.exam or self.review_rounds):
            raise UsageError(
                f"{self.proposals} programs are to be written and {self.candidates} to train, but "
                "nothing chooses among them.",
                "Add --set exam=true, or a language model's --set review_rounds=1.",
            )

    def _check_roles(self) -> None:
        """Refuse what only a language model can do where there is none.

        Raises:
            UsageError: a setting needs the designer openai, or there are too many rounds.
        """
        if not 0 <= self.review_rounds <= MOST_ROUNDS:
            raise UsageError(
                f"review_rounds is {self.review_rounds}.", f"It must be from 0 to {MOST_ROUNDS}."
            )
        asked = {
            "review_rounds": self.review_rounds > 0,
            "analyst": self.analyst,
            "parts": self.parts != FREE,
        }
        wanted = [name for name, value in asked.items() if value]
        if wanted and self.designer != "openai":
            raise UsageError(
                f"{' and '.join(wanted)}: the designer {self.designer} asks no language model.",
                "Give --designer openai and --model NAME, or leave such settings out.",
            )

    @classmethod
    def check(cls, **changes: Any) -> None:
        """Refuse changes that no environment could make right, before one is loaded.

        Raises:
            UsageError: a value does not fit, or two do not go together.
        """
        if changes.get("candidates") is None:  # the environment says how many train
            changes |= {"candidates": 1, "proposals": 0}
        config = cls(**{name: value for name, value in changes.items() if value is not None})
        config.require_asked_model()

    def require_asked_model(self) -> None:
        """Refuse options of a language model where none is asked.

        Raises:
            UsageError: there are some.
        """
        options = (self.base_url, self.model, self.max_tokens, self.max_cost)
        if self.designer != "openai" and any(options):
            raise UsageError(
                f"The designer {self.designer} asks no language model.",
                "Leave the model's options out, or give --designer openai.",
            )

    @classmethod
    def for_environment(cls, environment: "Environment", **changes: Any) -> Self:
        """The environment's own training settings, with changes; None changes nothing.

        The device becomes one that is there: a run must know which its results come from.

        Raises:
            MissingError: a GPU was asked for, and it cannot be used.
        """
        from eureka_agent.simulation import resolve_device  # loads torch and MuJoCo

        settings = environment.training
        own = (settings.lanes, settings.worlds, settings.budget)
        base: dict[str, Any] = {"device": "auto", **dict(zip(BY_ENVIRONMENT, own, strict=True))}
        given = {name: value for name, value in changes.items() if value is not None}
        config = cls(**(base | given))
        automatic = "cpu" if config.trainer == "sb3" else resolve_device(config.device).type
        return replace(config, device=automatic if config.device == "auto" else config.device)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """The configuration of a stored run; settings of other versions are ignored."""
        types = {field.name: type(field.default) for field in fields(cls)}
        known = {name: value for name, value in stored.items() if name in types}
        for name, value in known.items():
            whole = types[name] is float and type(value) is int
            if type(value) is not types[name] and not whole:
                raise UsageError(
                    f"The run's setting {name} is {value!r:.40}, not {KINDS[types[name]]}.",
                    "The run is damaged, or somebody made it up.",
                )
        return cls(**known)

    def as_dict(self) -> dict[str, Any]:
        """Plain values by name."""
        return asdict(self)

    def training_seed(self, replicate: int) -> int:
        """Seed of trainings: replicate 0 for all candidates of the search, others are fresh."""
        from eureka_agent.environment import mix  # loads torch and MuJoCo

        return int(mix(self.seed, replicate)) & 0x7FFFFFFF

    def second_seed(self) -> int:
        """Seed on which close calls are settled; no result is reported from it."""
        return self.training_seed(SECOND_REPLICATE)


def parse_setting(text: str) -> tuple[str, Any]:
    """Read `name=value` as given to `--set`.

    Raises:
        UsageError: there is no such setting, or the value does not fit.
    """
    name, equals, value = text.partition("=")
    types = {field.name: type(field.default) for field in fields(SearchConfig)}
    if name == "preset":
        raise UsageError("A preset is not a setting.", f"Give --preset {value or 'P'}.")
    if name not in types:
        raise unknown_setting(name)
    if not equals:
        raise UsageError(f"{text!r} sets nothing.", f"Write {name}=VALUE.")
    if types[name] is bool:
        if value.lower() not in _BOOLEANS:
            raise UsageError(f"{name} must be {KINDS[bool]}, not {value!r:.40}.")
        return name, _BOOLEANS[value.lower()]
    try:
        return name, whole_number(value) if types[name] is int else types[name](value)
    except ValueError:
        raise UsageError(f"{name} must be {KINDS[types[name]]}, not {value!r:.40}.") from None


_MOST = {
    "seed": 2**63 - 1,
    "steps": 10**12,
    "worlds": 10**6,
    "generations": 10**6,
    "ranking_episodes": 10**5,
    "reporting_episodes": 10**5,
    "checkpoints": 10**5,
    "retrainings": MOST_TRAININGS,
}
"""Beyond these the first array that a search makes fits into no machine, or it never ends."""


def unknown_setting(name: str, where: str = "") -> UsageError:
    """What a person is told who names a setting that does not exist.

    Args:
        name: as it was given.
        where: what it stands in, such as "mine.toml: "; may be empty.
    """
    known = [field.name for field in fields(SearchConfig)]
    close = get_close_matches(name.strip().lower().replace("-", "_"), known, n=1)
    guess = f"Did you mean {close[0]}? " if close else ""
    return UsageError(
        f"{where}There is no setting {name!r}.",
        f"{guess}All of them, with what they mean: eureka-agent config show",
    )


_BOOLEANS = {"true": True, "on": True, "yes": True, "1": True} | {
    "false": False,
    "off": False,
    "no": False,
    "0": False,
}


def alternatives(names: Sequence[str]) -> str:
    """Names to choose one of, such as "a, b or c"."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def _require_one_of(name: str, value: str, offered: Sequence[str], known: Sequence[str]) -> None:
    if value not in known:
        raise UsageError(f"There is no {name} {value!r}.", f"Use {alternatives(offered)}.")


def _require(config: SearchConfig, name: str, least: int) -> None:
    value = getattr(config, name)
    if not least <= value < math.inf:
        finite = "" if math.isfinite(value) else "a finite number and "
        raise UsageError(f"{name} is {value}.", f"It must be {finite}at least {least}.")
