"""The configuration of a search: every setting that decides its result, stored with the run."""

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import pydantic
from pydantic import Field
from pydantic.dataclasses import dataclass

from eureka_agent.common.choices import (
    FREE,
    MOST_TRAININGS,
    require_device_name,
    whole_number,
)
from eureka_agent.common.errors import UsageError
from eureka_agent.common.text import did_you_mean

if TYPE_CHECKING:
    from eureka_agent.environment import Environment

MAX_CANDIDATES = 255
BY_ENVIRONMENT = ("candidates", "worlds", "steps")
"""Settings that a new run takes from the environment unless they are given."""
SECOND_REPLICATE = 1_000_000
KINDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "text in quotes",
    "list": "a list of texts",
    "dict": "a table",
}
"""Types of values in a configuration file, in words."""

Natural = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Candidates = Annotated[int, Field(ge=1, le=MAX_CANDIDATES)]


@dataclass(
    frozen=True,
    kw_only=True,
    config=pydantic.ConfigDict(strict=True, extra="forbid", use_attribute_docstrings=True),
)
class SearchConfig:
    """The resolved configuration of a run."""

    preset: str = "default"
    """The preset that the configuration started from."""
    designer: Literal["offline", "openai", "offline-blind", "given"] = "offline"
    """Who writes the programs: offline, or openai for a language model."""
    generations: Annotated[int, Field(ge=1, le=10**6)] = 3
    """Generations of candidates."""
    candidates: Candidates = 4
    """K: candidates per generation, trained side by side."""
    proposals: Annotated[int, Field(ge=0, le=MAX_CANDIDATES)] = 0
    """Programs that are written per generation, if more than `candidates`: those that the exam or a
    reviewer doubts are left out first, then those with the lowest exam scores. 0 for as many as
    train."""
    worlds: Annotated[int, Field(ge=1, le=10**6)] = 64
    """N: worlds per candidate."""
    trainer: Literal["population", "sb3"] = "population"
    """Who trains: population, or sb3 for stable-baselines3's PPO, one candidate at a time."""
    device: str = "cpu"
    """Where policies train: cpu, cuda or cuda:N. For a new run also auto: the GPU if it works."""
    steps: Annotated[int, Field(ge=1, le=10**12)] = 300_000
    """Environment steps per training run."""
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    """Source of all randomness of the search."""
    sandbox: Literal["required", "auto", "weak", "off"] = "auto"
    """How well reward programs must be isolated: required, auto, weak or off."""
    threads: Natural = 0
    """Physics threads; 0 means one per core. It changes the speed, never a result."""
    checkpoints: Annotated[int, Field(ge=1, le=10**5)] = 10
    """Points of a training run at which the judge evaluates the policy."""
    ranking_episodes: Annotated[int, Field(ge=1, le=10**5)] = 4
    """Episodes per evaluation, from the pool that candidates are chosen on."""
    reporting_episodes: Annotated[int, Field(ge=1, le=10**5)] = 16
    """Episodes behind every number that is shown as a result, from a pool used for nothing else."""
    retrainings: Annotated[int, Field(ge=0, le=MOST_TRAININGS)] = 3
    """Fresh seeds on which winner, human reward and bare fitness are trained at the end."""
    repairs: Natural = 3
    """How often one program goes back to its author with the critic's findings."""
    rank_by: Literal["fitness", "peers"] = "fitness"
    """What candidates rank by: fitness, or peers for the rewards of the other candidates. With
    peers nothing is measured, and there is no fitness anywhere."""
    bank: Natural = 256
    """Megabytes of recorded episodes that a run keeps, on which every program can be scored."""
    video: bool = False
    """Whether the best of each generation is filmed, while others train and at low priority."""
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
    temperature: Amount = 1.0
    """How varied the model's answers are."""
    reply_tokens: Positive = 16_000
    """The most tokens of one answer."""
    reply_timeout: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 600.0
    """Seconds that one answer may take, without those in which the server answers others."""
    concurrency: Positive = 8
    """Questions to the model at once; fewer, where its server turns out to answer fewer."""
    context: Literal["signals", "source"] = "signals"
    """What the model is shown of the environment: signals, or source as well."""
    history: Natural = 4
    """Earlier programs that the model is shown in full, besides the best."""
    reflection: bool = True
    """Whether designers know the results of earlier programs; otherwise each is a first attempt."""
    memory: Literal["archive", "generation"] = "archive"
    """Which earlier programs designers know: archive for all, or generation for only the best of
    the last generation that had a result, as in Eureka."""
    strategies: bool = True
    """Whether the programs of a generation are asked for in different ways, or all in one."""
    parts: Literal["free", "dense-sparse", "signs"] = FREE
    """What the model's programs are made of: free, dense-sparse, or signs for one part of each
    kind with only its sign paid."""
    review_rounds: Annotated[int, Field(ge=0, le=3)] = 0
    """How often a sound program goes back at most to an author with a language model's objections;
    each version is reviewed before it trains. 0 for no review."""
    analyzer: bool = True
    """Whether designers learn how episodes failed, which rules find without a model."""
    lens: bool = True
    """Whether designers learn where a program pays: its reward over its main signals."""
    analyst: bool = False
    """Whether a language model looks at the episodes of each policy and reports to designers."""
    frames: bool = True
    """Whether that model also sees pictures of them, if it takes any and this machine can draw."""
    max_tokens: Natural = 0
    """Tokens that the search may use; 0 for no limit."""
    max_cost: Amount = 0.0
    """US dollars that the search may spend on the model; 0 for no limit."""
    prompt_price: Amount = 0.0
    """US dollars per million tokens of questions, where the server does not report the cost."""
    completion_price: Amount = 0.0
    """US dollars per million tokens of answers, where the server does not report the cost."""

    @pydantic.model_validator(mode="wrap")
    @classmethod
    def _explain(cls, values: Any, check: pydantic.ModelWrapValidatorHandler[Self]) -> Self:
        """Refuse a wrong value in words."""
        try:
            return check(values)
        except pydantic.ValidationError as error:
            raise _refusal(error) from None

    @pydantic.model_validator(mode="after")
    def _check_combinations(self) -> Self:
        """Refuse settings that do not go together.

        Raises:
            UsageError: there are some.
        """
        require_device_name(self.device)
        if self.trainer == "sb3" and self.device.startswith("cuda"):
            raise UsageError("The trainer sb3 runs on the CPU.", "Give --device cpu.")
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
        if self.exam and self.rank_by == "peers":
            raise UsageError(
                "The exam uses the fitness of episodes, which --no-fitness does without.",
                "Leave one of the two out.",
            )
        if 0 < self.proposals < self.candidates:
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
        if self.max_cost and not (self.prompt_price or self.completion_price):
            self.require_asked_model()
            raise UsageError(
                "--max-cost needs to know what the model costs.",
                "Give its US dollars per million tokens: "
                "--set prompt_price=0.5 --set completion_price=2.",
            )
        return self

    @property
    def measured(self) -> bool:
        """Whether a fitness measures what policies do."""
        return self.rank_by == "fitness"

    @property
    def written(self) -> int:
        """Programs that are written per generation."""
        return self.proposals or self.candidates

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
        """The configuration of a stored run; settings of other versions are ignored.

        Raises:
            UsageError: a value does not fit.
        """
        try:
            return cls(**{name: stored[name] for name in DEFAULTS if name in stored})
        except UsageError as error:
            said = f"The run's settings cannot be used: {error.message}"
            raise UsageError(said, "The run is damaged, or somebody made it up.") from None

    def as_dict(self) -> dict[str, Any]:
        """Plain values by name."""
        return asdict(self)

    def training_seed(self, replicate: int) -> int:
        """The seed of training runs: replicate 0 for all candidates, others are fresh."""
        from eureka_agent.environment import mix  # loads torch and MuJoCo

        return int(mix(self.seed, replicate)) & 0x7FFFFFFF

    def second_seed(self) -> int:
        """The seed that breaks ties between candidates; no result is reported from it."""
        return self.training_seed(SECOND_REPLICATE)


DEFAULTS = {field.name: field.default for field in fields(SearchConfig)}
"""Every setting, and `preset`, with its default."""


def parse_setting(text: str) -> tuple[str, Any]:
    """Read `name=value` as given to `--set`.

    Raises:
        UsageError: there is no such setting, or the value does not fit.
    """
    name, equals, value = text.partition("=")
    if name == "preset":
        raise UsageError("A preset is not a setting.", f"Give --preset {value or 'P'}.")
    if name not in DEFAULTS:
        raise unknown_setting(name)
    if not equals:
        raise UsageError(f"{text!r} sets nothing.", f"Write {name}=VALUE.")
    kind = type(DEFAULTS[name])
    read = {bool: lambda text: _BOOLEANS[text.lower()], int: whole_number}.get(kind, kind)
    try:
        return name, read(value)
    except (KeyError, ValueError):
        raise wrong_kind(name, kind.__name__, value) from None


_BOOLEANS = {
    **dict.fromkeys(("true", "on", "yes", "1"), True),
    **dict.fromkeys(("false", "off", "no", "0"), False),
}


def unknown_setting(name: str, where: str = "") -> UsageError:
    """The refusal of a setting that does not exist.

    Args:
        name: as it was given.
        where: the place that it was given in, such as "mine.toml: "; may be empty.
    """
    guess = did_you_mean(name.strip().lower().replace("-", "_"), DEFAULTS, quote="")
    return UsageError(
        f"{where}There is no setting {name!r}.",
        f"{guess} All of them, with what they mean: eureka-agent config show".lstrip(),
    )


def wrong_kind(name: str, kind: str, value: object, where: str = "") -> UsageError:
    """The refusal of a value of another type.

    Args:
        name: of the setting.
        kind: a key of `KINDS`.
        value: as it was given.
        where: the place that it was given in, such as "mine.toml: "; may be empty.
    """
    return UsageError(
        f"{where}{name} must be {KINDS[kind]}, not {value!r:.60}.",
        "All settings and their values: eureka-agent config show",
    )


def _refusal(error: pydantic.ValidationError) -> UsageError:
    """The first thing that is wrong with a configuration, in words."""
    first = error.errors(include_url=False)[0]
    name, value, bounds = str(first["loc"][0]), first["input"], first.get("ctx", {})
    match first["type"]:
        case "unexpected_keyword_argument":
            return unknown_setting(name)
        case "literal_error":
            offered = "offline or openai" if name == "designer" else bounds["expected"]
            return UsageError(f"There is no {name} {value!r:.40}.", f"Use {offered}.")
        case "finite_number":
            return UsageError(f"{name} is {value}.", "It must be a finite number.")
        case "greater_than_equal":
            return UsageError(f"{name} is {value}.", f"It must be at least {bounds['ge']:g}.")
        case "less_than_equal":
            return UsageError(f"{name} is {value}.", f"It must be at most {bounds['le']:,}.")
        case _:
            return wrong_kind(name, type(DEFAULTS[name]).__name__, value)
