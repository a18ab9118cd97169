"""The base class of environments: everything about a task except its fitness."""

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import mujoco
import numpy as np
import torch
from torch import Tensor

from eureka_agent.common.environments import OLD_SETTINGS
from eureka_agent.common.errors import UsageError
from eureka_agent.environment.episodes import SignalLayout
from eureka_agent.environment.model_facts import (
    actuator_facts,
    compile_spec,
    controls,
    joint_facts,
    moving_mass,
)
from eureka_agent.environment.random import ResetNoise
from eureka_agent.environment.source_files import placeholder_lines
from eureka_agent.environment.state import State
from eureka_agent.reward import Signal
from eureka_agent.reward.signals import SignalKind

E = TypeVar("E")
_DECLARED = "__signal__"
_SCALAR_JOINTS = (int(mujoco.mjtJoint.mjJNT_SLIDE), int(mujoco.mjtJoint.mjJNT_HINGE))


@dataclass(frozen=True)
class TaskDescription:
    """What a reward designer may know of an environment: no fitness, no human reward.

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
        mass: mass of everything that moves, kg.
        physics_step: seconds between two states of the physics.
        discount: discount factor (gamma) per control step.
        source: text of `env.py`.
        weightless: whether there is no gravity.
        measured: whether a fitness measures how well a policy does the task.
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


def renamed_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Training settings under their present names, with a warning where there are old ones."""
    old = OLD_SETTINGS.keys() & settings.keys()
    if old:
        renamed = ", ".join(f"{name} is now {OLD_SETTINGS[name]}" for name in sorted(old))
        warnings.warn(f"Training settings have new names: {renamed}.", FutureWarning, stacklevel=3)
    present = {name: value for name, value in settings.items() if name not in old}
    return present | {OLD_SETTINGS[name]: settings[name] for name in old}


T = TypeVar("T")


def _with_old_names(cls: type[T]) -> type[T]:
    """Let a dataclass of settings take old names as well."""
    init = cls.__init__

    @functools.wraps(init)
    def renaming_init(self: T, **settings: Any) -> None:
        init(self, **renamed_settings(settings))

    cls.__init__ = renaming_init
    return cls


@_with_old_names
@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """PPO settings that suit an environment, the same for every reward that is trained on it.

    Names follow stable-baselines3; where ours differ, its name is in parentheses.
    """

    hidden: tuple[int, ...] = (64, 64)  # widths of the hidden layers of policy and value (net_arch)
    activation: Literal["tanh", "elu", "relu"] = "tanh"  # of the hidden layers (activation_fn)
    initial_log_std: float = 0.0  # of the actions, which live in [-1, 1] (log_std_init)
    lanes: int = 4  # K: policies trained side by side
    worlds: int = 64  # N: worlds per policy (n_envs)
    n_steps: int = 32  # T: control steps per world and rollout
    n_epochs: int = 5  # passes over a rollout
    minibatches: int = 4  # per pass; a batch has N·T / minibatches rows (batch_size)
    gamma: float = 0.99  # discount per control step
    gae_lambda: float = 0.95
    clip_range: float = 0.2  # of the probability ratio
    learning_rate: float = 3e-4  # at the start; it then follows the KL divergence
    target_kl: float = 0.01  # what the learning rate aims at; it never ends an update early
    ent_coef: float = 0.0  # weight of the entropy bonus
    vf_coef: float = 0.5  # weight of the value loss
    max_grad_norm: float = 0.5  # largest norm of a policy's gradient
    budget: int = 300_000  # environment steps per training run (total_timesteps)


def signal(
    *, unit: str, kind: SignalKind, size: int | None = None, axes: tuple[str, ...] = ()
) -> Callable[[Callable[[E, State], Tensor]], Callable[[E, State], Tensor]]:
    """Declare a method `(self, state) -> [N]` or `[N, size]` a signal with its name and docstring.

    Args:
        unit: SI unit, "1" for a pure number.
        kind: the physical kind.
        size: number of columns; None for a plain `[N]` signal.
        axes: what each column is.
    """

    def declare(method: Callable[[E, State], Tensor]) -> Callable[[E, State], Tensor]:
        meaning = " ".join((inspect.getdoc(method) or "").split()).rstrip(".")
        if not meaning:
            raise UsageError(
                f"Signal {method.__name__!r} has no docstring.",
                "Say in one phrase what it is: it becomes part of the designer's prompt.",
            )
        if axes and len(axes) != size:
            raise UsageError(
                f"Signal {method.__name__!r} has size {size} but names {len(axes)} axes.",
                "Name every column, or none.",
            )
        setattr(method, _DECLARED, Signal(method.__name__, size, unit, meaning, kind, axes))
        return method

    return declare


class Environment:
    """A task for a simulated robot: subclass it in `env.py` of an environment's folder.

    Class attributes to set: `task`, `substeps`, `episode_steps`, `training`, and `termination` if
    episodes can end early. Methods to write: `build`, signals (see `signal`), `observation`,
    `reset`, and `terminated` if episodes can end early.
    """

    task: str
    """The task in one sentence, as a person would put it."""
    substeps: ClassVar[int]
    """Physics steps per control step."""
    episode_steps: int
    """Control steps until the time limit."""
    termination: str = ""
    """When an episode ends early, in words; empty if it never does."""
    robot: str = ""
    """What the robot is, in a sentence or two: its body, its axes, which way is forward."""
    start: str = ""
    """How an episode begins, in words."""
    subtasks: ClassVar[tuple[str, ...]] = ()
    """The parts of the task in order, where it has parts."""
    task_state: ClassVar[Mapping[str, int]] = {}
    """Numbers of each world beyond its physics, as goals and counters: columns by name."""
    training: TrainingSettings = TrainingSettings()
    """Training settings that suit the task, fixed before any search."""
    keyframe: str = ""
    """The keyframe of the model in which episodes begin; the model's own pose if empty.

    Mocap poses, controls, activations and time begin as the keyframe has them.
    """

    reads_files: ClassVar[bool] = False
    """Whether worlds read files when they are made, which a locked process cannot."""
    simulated: ClassVar[bool] = True
    """Whether its worlds step a MuJoCo model; a Gymnasium environment steps itself."""
    open_goal: bool = False
    """Whether no task is stated: then any goal may go with the environment's fitness."""
    locked: bool = False
    """Whether the process that steps it has given up files, network and new threads."""
    alive: Callable[[], None] = staticmethod(lambda: None)
    """Heartbeat for the supervisor, called after each world where worlds are stepped one by one."""
    folder: Path
    """Where the environment lies; set by discovery."""

    def build(self) -> mujoco.MjModel | mujoco.MjSpec:
        """The model, compiled or as a spec; by default `scene.xml` of the environment's folder."""
        return mujoco.MjModel.from_xml_path(str(self.folder / "scene.xml"))

    def observation(self, state: State) -> Tensor:
        """What the policy sees, `[N, D]`."""
        raise NotImplementedError

    def terminated(self, state: State) -> Tensor:
        """Which episodes end here, before their time limit, `[N]` bool."""
        return state.qpos.new_zeros(len(state.qpos), dtype=torch.bool)

    def reset(self, noise: ResetNoise) -> tuple[Tensor, Tensor]:
        """First states of `m = len(noise)` episodes: qpos `[m, nq]`, qvel `[m, nv]`."""
        raise NotImplementedError

    def activations(self, qpos: Tensor) -> Tensor:
        """First activations `[m, na]` of stateful actuators, for episodes that begin at `qpos`.

        By default those of the keyframe, zeros without one. An actuator that integrates its control
        begins at the joint's position.
        """
        if self.keyframe_number < 0:
            return qpos.new_zeros(len(qpos), self.model.na)
        return self._fixed("key_act", qpos.device).expand(len(qpos), -1)

    def begin_task(self, state: State, noise: ResetNoise) -> dict[str, Tensor]:
        """Task state where an episode begins or `task_changes`, `[m, columns]` each.

        Entries left out are 0 when an episode begins, and stay when the task changes.
        """
        return {}

    def update_task(self, state: State) -> dict[str, Tensor]:
        """Task state after a control step's physics, before signals are read; others stay."""
        return {}

    def task_changes(self, state: State) -> Tensor:
        """Where `begin_task` sets another task for the next step, as a goal was reached, `[N]`.

        Asked after the signals of the step are read. Those before the next step are read anew.
        """
        return state.qpos.new_zeros(len(state.qpos), dtype=torch.bool)

    # What follows is the same for every environment.

    def __deepcopy__(self, memo: dict[int, Any]) -> "Environment":
        """Itself: an environment has no state, so copies of its worlds share it."""
        return self

    def rest_pose(self, noise: ResetNoise) -> Tensor:
        """Positions of the keyframe or the model's own, `[nq]` float64, on the noise's device."""
        return self._fixed("qpos0" if self.keyframe_number < 0 else "key_qpos", noise.device)

    def rest_velocity(self, noise: ResetNoise) -> Tensor:
        """Velocities of the keyframe, else zeros, `[nv]` float64, on the noise's device."""
        if self.keyframe_number < 0:
            return torch.zeros(self.model.nv, dtype=torch.float64, device=noise.device)
        return self._fixed("key_qvel", noise.device)

    def within_limits(self, qpos: Tensor) -> Tensor:
        """Positions `[m, nq]` with slides and hinges clamped to the limits of their joints."""
        return qpos.clamp(self._fixed("low", qpos.device), self._fixed("high", qpos.device))

    @functools.cached_property
    def keyframe_number(self) -> int:
        """Number of the keyframe in which episodes begin; -1 for the model's own pose.

        Raises:
            UsageError: the model has no keyframe of that name.
        """
        if not self.keyframe:
            return -1
        names = [self.model.key(i).name for i in range(self.model.nkey)]
        if self.keyframe not in names:
            listed = ", ".join(repr(name) for name in names if name)
            cure = f"Take one of {listed}" if listed else "Add it to the model"
            raise UsageError(
                f"The model of {self.name!r} has no keyframe {self.keyframe!r}.",
                f"{cure}, or leave `keyframe` out to begin in the model's own pose.",
            )
        return names.index(self.keyframe)

    def _fixed(self, name: str, device: torch.device) -> Tensor:
        """Numbers of the model, float64; sent to a device once, as each transfer waits for it."""
        if (name, device) not in self._on_devices:
            self._on_devices[name, device] = torch.as_tensor(self._numbers(name), device=device)
        return self._on_devices[name, device]

    def _numbers(self, name: str) -> np.ndarray:
        model = self.model
        if name in ("low", "high"):
            bounds = np.full(model.nq, -np.inf if name == "low" else np.inf)
            scalar = np.isin(model.jnt_type, _SCALAR_JOINTS) & model.jnt_limited.astype(bool)
            bounds[model.jnt_qposadr[scalar]] = model.jnt_range[scalar, int(name == "high")]
            return bounds
        field = getattr(model, name)
        return field[self.keyframe_number] if name.startswith("key_") else field

    @functools.cached_property
    def _on_devices(self) -> dict[tuple[str, torch.device], Tensor]:
        return {}

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @functools.cached_property
    def model(self) -> mujoco.MjModel:
        """The compiled model."""
        built = self.build()
        return compile_spec(built) if isinstance(built, mujoco.MjSpec) else built

    @functools.cached_property
    def signals_described(self) -> tuple[Signal, ...]:
        """All signals in the order of their declaration, base classes first."""
        members = [m for cls in reversed(type(self).__mro__) for m in vars(cls).values()]
        declared: list[Any] = [getattr(member, _DECLARED, None) for member in members]
        # A redefined signal keeps its place.
        return tuple({s.name: s for s in declared if isinstance(s, Signal)}.values())

    @functools.cached_property
    def layout(self) -> SignalLayout:
        """How the signals of a state are packed."""
        return SignalLayout(self.signals_described)

    def signals(self, state: State) -> dict[str, Tensor]:
        """All signals of a state, each `[N]` or `[N, size]`."""
        return {s.name: getattr(self, s.name)(state) for s in self.signals_described}

    @property
    def control_step(self) -> float:
        """Seconds between two actions."""
        return self.physics_step * self.substeps

    @property
    def physics_step(self) -> float:
        """Seconds between two states of the physics."""
        return float(self.model.opt.timestep)

    @property
    def action_size(self) -> int:
        """Numbers per action."""
        return self.model.nu

    @property
    def actuators(self) -> tuple[str, ...]:
        """One phrase per column of `action`: its actuator's name, with its input if it has more."""
        return tuple(control.name for control in controls(self.model))

    def action_range(self) -> tuple[Tensor, Tensor]:
        """Control values at action -1 and +1, each `[nu]`; the map between is linear.

        Raises:
            UsageError: an actuator has no control range.
        """
        limited = self.model.actuator_ctrllimited.astype(bool)
        if not limited.all():
            name = self.actuators[int((~limited).argmax())]
            raise UsageError(
                f"Environment {self.name!r}: {name!r} has no control range.",
                "Give every actuator a ctrlrange in the model (a pid velrange and ffrange, too): "
                "actions in [-1, 1] map onto it.",
            )
        low, high = torch.as_tensor(self.model.actuator_ctrlrange.T.copy())
        return low, high

    def describe(self) -> TaskDescription:
        """What a reward designer may know."""
        return TaskDescription(
            environment=self.name,
            task=self.task,
            signals=self.signals_described,
            actuators=self.actuators,
            control_step=self.control_step,
            episode_steps=self.episode_steps,
            termination=self.termination,
            robot=self.robot,
            start=self.start,
            subtasks=self.subtasks,
            physics_step=self.physics_step,
            discount=self.training.gamma,
            **self._model_facts(),
        )

    def _model_facts(self) -> dict[str, Any]:
        """Fields of the description that come from the model and the code."""
        option = self.model.opt
        return {
            "joints": joint_facts(self.model),
            "actions": actuator_facts(self.model),
            "mass": moving_mass(self.model),
            "source": (self.folder / "env.py").read_text(encoding="utf-8"),
            "weightless": not option.gravity.any()
            or bool(option.disableflags & mujoco.mjtDisableBit.mjDSBL_GRAVITY),
        }

    @property
    def source(self) -> str:
        """What `find_environment` finds it by, in any process and from any working folder."""
        return str(self.folder)

    @property
    def fitness_path(self) -> Path:
        """The file with the measure of the task; only the judge loads it."""
        return self.folder / "fitness.py"

    @property
    def human_reward_path(self) -> Path | None:
        """The expert's reward program; None if there is none or only a placeholder."""
        path = self.folder / "human_reward.py"
        return path if path.is_file() and not placeholder_lines(path) else None
