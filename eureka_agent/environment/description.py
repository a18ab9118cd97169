"""What is told of an environment."""

from dataclasses import dataclass
from typing import Literal

from eureka_agent.reward import Signal


@dataclass(frozen=True)
class TaskDescription:
    """What a designer of rewards may know of an environment: no code, no fitness, no human reward.

    Attributes:
        environment: its name.
        task: the task in one sentence.
        signals: what a program may read.
        actuators: one phrase per column of `action`.
        control_step: seconds between two actions.
        episode_steps: control steps until the time limit.
        termination: when an episode ends early, in words; empty if it never does.
        robot: what the robot is, in a sentence or two; may be empty.
        start: how an episode begins, in words; may be empty.
        subtasks: the parts of the task, if it has any.
        joints: one phrase per joint.
        actions: one phrase per column of `action`, with what it moves and how strongly.
        mass: of all that moves, kg.
        physics_step: seconds between two states of the physics.
        discount: of the training, per control step.
        source: text of the file that defines the environment.
        weightless: whether there is no gravity.
        measured: whether a fitness says how well a policy does the task.
    """

    environment: str
    task: str
    signals: tuple[Signal, ...]
    actuators: tuple[str, ...]
    control_step: float
    episode_steps: int
    termination: str
    robot: str = ""
    start: str = ""
    subtasks: tuple[str, ...] = ()
    joints: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    mass: float = 0.0
    physics_step: float = 0.0
    discount: float = 0.99
    source: str = ""
    weightless: bool = False
    measured: bool = True


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """PPO settings that suit an environment. They are the same for every reward trained on it."""

    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers, of the policy and of the value network alike."""
    activation: Literal["tanh", "elu", "relu"] = "tanh"
    """Activation of the hidden layers."""
    initial_log_std: float = 0.0
    """Logarithm of the action spread at the start; actions live in [-1, 1]."""
    lanes: int = 4
    """K: policies trained side by side."""
    worlds: int = 64
    """N: worlds per policy."""
    horizon: int = 32
    """T: control steps per rollout."""
    epochs: int = 5
    """Passes over a rollout."""
    minibatches: int = 4
    """Minibatches per pass."""
    discount: float = 0.99
    """Discount per control step."""
    gae_lambda: float = 0.95
    """Lambda of generalised advantage estimation."""
    clip: float = 0.2
    """PPO's clip range of the probability ratio."""
    learning_rate: float = 3e-4
    """Learning rate at the start; it then follows the KL divergence."""
    kl_target: float = 0.01
    """KL divergence per update that the learning rate aims at."""
    entropy: float = 0.0
    """Weight of the entropy bonus."""
    value_weight: float = 0.5
    """Weight of the value loss."""
    gradient_norm: float = 0.5
    """Largest norm of a policy's gradient."""
    budget: int = 300_000
    """Environment steps per training, by default."""
