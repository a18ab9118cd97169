"""What is told of an environment."""

from dataclasses import dataclass

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
