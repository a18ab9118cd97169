"""How a search is run: all that decides its result, resolved once and stored with the run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from eureka_agent.environment import Environment, mix
from eureka_agent.errors import UsageError

DESIGNERS = ("offline", "offline-blind", "given")
"""Who can write programs: the offline designer, its control without documentation, the user."""


SECOND_REPLICATE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """The resolved configuration of a run."""

    designer: str = "offline"
    """Who writes the programs."""
    generations: int = 3
    """Generations of candidates."""
    candidates: int = 4
    """K: candidates per generation, trained side by side."""
    worlds: int = 64
    """N: worlds per candidate."""
    steps: int = 300_000
    """Environment steps per training."""
    seed: int = 0
    """Source of all randomness of the search."""
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

    def __post_init__(self) -> None:
        if self.designer not in DESIGNERS:
            raise UsageError(
                f"There is no designer {self.designer!r}.", f"Use {' or '.join(DESIGNERS[:2])}."
            )
        for name in ("seed", "steps"):
            if getattr(self, name) >= 2**63:
                raise UsageError(f"{name} is too large.", "It must fit into 63 bits.")
        for name in ("generations", "candidates", "worlds", "steps", "checkpoints"):
            _require(self, name, 1)
        for name in ("ranking_episodes", "reporting_episodes"):
            _require(self, name, 1)
        for name in ("seed", "threads", "retrainings"):
            _require(self, name, 0)

    @classmethod
    def for_environment(cls, environment: Environment, **changes: Any) -> Self:
        """The environment's own training settings, with changes; None changes nothing."""
        settings = environment.training
        base: dict[str, Any] = {
            "candidates": settings.lanes,
            "worlds": settings.worlds,
            "steps": settings.budget,
        }
        given = {name: value for name, value in changes.items() if value is not None}
        return cls(**(base | given))

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """The configuration of a stored run; settings of other versions are ignored."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})

    def as_dict(self) -> dict[str, Any]:
        """Plain values by name."""
        return asdict(self)

    def training_seed(self, replicate: int) -> int:
        """Seed of trainings: replicate 0 for all candidates of the search, others are fresh."""
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
    if not equals or name not in types:
        raise UsageError(
            f"{text!r} is not a setting.", f"Write name=value with {', '.join(types)}."
        )
    try:
        return name, types[name](value)
    except ValueError:
        raise UsageError(f"{name} must be {types[name].__name__}, not {value!r}.") from None


def _require(config: SearchConfig, name: str, least: int) -> None:
    value = getattr(config, name)
    if value < least:
        raise UsageError(f"{name} is {value}.", f"It must be at least {least}.")
