"""What `throughput.py` measures: its cells, their common setting, and what a measurement holds."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import eureka_agent
from eureka_agent.common.errors import EurekaError, UsageError
from eureka_agent.environment import Environment, find_environment
from eureka_agent.reward import RewardFunction, parse

ENVIRONMENTS = ("half_cheetah", "hopper", "ant", "humanoid")
LANES = (1, 4, 8, 16)
NETWORKS = ((64, 64), (256, 128, 64))
TWICE, THREADED = "-twice", "-threaded"
PEERS = ("dummy-8", f"dummy-8{THREADED}", f"dummy-8{TWICE}", "subprocess-8", "subprocess-2")
"""Ways of stable-baselines3 to step Gymnasium's worlds, and how many: in the training process
(networks on one thread or on as many as our physics; and two such trainings side by side, as two
cores invite), or in a process each."""


@dataclass(frozen=True)
class Setting:
    """What all measurements of a run have in common."""

    worlds: int = 64
    """N: worlds per policy."""
    horizon: int = 32
    """T: control steps per rollout."""
    epochs: int = 5
    """Passes over a rollout."""
    minibatches: int = 4
    """Minibatches per pass."""
    threads: int = 2
    """Physics threads; networks always run on one."""
    seconds: float = 4.0
    """Shortest time of a measurement."""
    rollouts: int = 4
    """Rollouts of our training between two looks at the clock."""
    training: int = 100_000
    """Environment steps of the policy whose actions are replayed."""
    recorded: int = 64
    """Control steps of the recording."""

    def environment(self, name: str, hidden: tuple[int, ...]) -> Environment:
        """Load an environment, with these settings and networks instead of its own."""
        environment = find_environment(name)
        type(environment).training = replace(
            environment.training,
            hidden=hidden,
            worlds=self.worlds,
            n_steps=self.horizon,
            n_epochs=self.epochs,
            minibatches=self.minibatches,
        )
        return environment


@dataclass(frozen=True)
class Cell:
    """One row of the table.

    Attributes:
        environment: its name.
        kind: "limit" (physics alone), "ours" or "sb3".
        lanes: K; a training of stable-baselines3 has one policy.
        hidden: widths of the networks' layers; irrelevant to the limit.
        peer: one of `PEERS`, for stable-baselines3.
    """

    environment: str
    kind: str
    lanes: int = 1
    hidden: tuple[int, ...] = (64, 64)
    peer: str = ""

    @property
    def key(self) -> str:
        """The cell in one word, as it stands in the results."""
        if self.kind == "sb3":
            return f"{self.environment}/sb3/{self.peer}"
        networks = "" if self.kind == "limit" else "/" + "-".join(map(str, self.hidden))
        return f"{self.environment}/{self.kind}/{self.lanes}{networks}"

    @classmethod
    def from_key(cls, key: str) -> "Cell":
        """The inverse of `key`.

        Raises:
            UsageError: this is no key.
        """
        environment, kind, *rest = [*key.split("/"), ""]
        if kind == "sb3" and rest[0] in PEERS:
            return cls(environment, kind, peer=rest[0])
        try:
            lanes = int(rest[0])
            if kind == "limit":
                return cls(environment, kind, lanes)
            if kind == "ours":
                return cls(environment, kind, lanes, tuple(map(int, rest[1].split("-"))))
        except (IndexError, ValueError):
            pass
        raise UsageError(
            f"{key!r} is not a cell.", "A cell is named like half_cheetah/ours/8/64-64."
        )


@dataclass
class Measurement:
    """What one process measured.

    Attributes:
        rate: environment steps per second by the clock, of all policies together.
        idle_rate: the same by processor time, as if no other program ran: physics spread evenly
            over its threads, all else on one. A shared machine changes it little. 0 where the work
            is spread over processes in a way that processor time says nothing of.
        memory_mb: peak resident memory of the process and its children, 10^6 bytes.
        cores: processor seconds per second; physics alone on idle cores has one per thread.
        shares: parts of the idle time by phase, which sum to 1. Of our own training only.
        physics_us: idle time of the physics per environment step, microseconds; 0 if not measured.
    """

    rate: float
    idle_rate: float
    memory_mb: float
    cores: float
    shares: dict[str, float] = field(default_factory=dict)
    physics_us: float = 0.0


def plan(environment: str, lanes: Sequence[int], peers: Sequence[str]) -> list[Cell]:
    """All cells of an environment in the order in which a round measures them.

    Args:
        environment: its name.
        lanes: values of K.
        peers: those of `PEERS` to compare with.
    """
    cells = []
    for k in lanes:
        cells.append(Cell(environment, "limit", k))
        cells += [Cell(environment, "ours", k, hidden) for hidden in NETWORKS]
    return cells + [Cell(environment, "sb3", peer=peer) for peer in peers]


def bar(environment: str, peers: Sequence[str]) -> list[Cell]:
    """The cells that the bar is about, with at most the quickest way of stable-baselines3."""
    cells = [Cell(environment, "limit", 8), Cell(environment, "ours", 8)]
    return cells + [Cell(environment, "sb3", peer=peer) for peer in peers if peer == PEERS[0]]


def human_reward_text(environment: Environment) -> str:
    """The environment's human reward.

    Raises:
        UsageError: it has none.
    """
    path = environment.human_reward_path
    if path is None:
        raise UsageError(f"{environment.name} has no human reward.", "Write human_reward.py there.")
    return path.read_text(encoding="utf-8")


def human_reward(environment: Environment) -> RewardFunction:
    """The environment's human reward, compiled.

    Raises:
        UsageError: it has none.
    """
    return parse(human_reward_text(environment), environment.signals_described).compile()


def peak_memory_mb(pids: Sequence[int] = ()) -> float:
    """Peak resident memory of processes together, of this one if none is named, 10^6 bytes.

    Libraries that they share count once per process.

    Raises:
        EurekaError: the system has no /proc to read it from.
    """
    return sum(_peak_kib(pid) for pid in pids or [os.getpid()]) * 1024 / 1e6


def _peak_kib(pid: int) -> int:
    path = Path(f"/proc/{pid}/status")
    if not path.exists():
        raise EurekaError(
            f"There is no {path}: the memory of a process cannot be read.",
            "Measure on Linux, and while the process lives.",
        )
    (line,) = (line for line in path.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1])


def program_digest() -> str:
    """A short word that changes with the trainer, the simulator and what lies between."""
    digest = hashlib.sha256()
    program = Path(eureka_agent.__file__).parent
    for part in ("training", "environment", "simulation", "reward"):
        for file in sorted((program / part).glob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
