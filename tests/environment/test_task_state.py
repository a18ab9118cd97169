"""Task state beside the physics: goals change, counters count, and neither leaks."""

import textwrap
from pathlib import Path

import pytest
import torch
from torch import Tensor

from eureka_agent.common.errors import UsageError
from eureka_agent.environment import (
    Environment,
    Episodes,
    Memory,
    MujocoWorlds,
    Transitions,
    load_environment,
    pools,
    variant_of,
)

TASK = """
    import torch
    from eureka_agent.environment import signal, variant_of

    class Rail(variant_of("cartpole")):
        task = "Move the cart from goal to goal."
        task_state = {"goal": 1, "reached": 1, "steps": 1}

        @signal(unit="m", kind="goal")
        def goal(self, state):
            '''Position of the goal on the rail.'''
            return state.task["goal"][:, 0]

        @signal(unit="1", kind="other")
        def reached(self, state):
            '''How many goals were reached in this episode.'''
            return state.task["reached"][:, 0]

        @signal(unit="1", kind="other")
        def steps(self, state):
            '''Control steps of this episode.'''
            return state.task["steps"][:, 0]

        def observation(self, state):
            return torch.cat([super().observation(state), state.task["goal"]], dim=1)

        def begin_task(self, state, noise):
            return {"goal": noise.uniform(1, -1.0, 1.0)}

        def update_task(self, state):
            return {
                "reached": state.task["reached"] + self._near(state)[:, None],
                "steps": state.task["steps"] + 1,
            }

        def task_changes(self, state):
            return self._near(state)

        def _near(self, state):
            return (state.qpos[:, 0] - state.task["goal"][:, 0]).abs() < 0.3
"""
N, STEPS = 4, 60


@pytest.fixture
def rail(tmp_path: Path) -> Environment:
    return written(tmp_path, TASK)


def written(folder: Path, text: str) -> Environment:
    (folder / "env.py").write_text(textwrap.dedent(text))
    cartpole = variant_of("cartpole")
    assert issubclass(cartpole, Environment)
    for file in ("scene.xml", "fitness.py"):
        source = Path("envs/cartpole") / file
        (folder / file).write_text(source.read_text())
    return load_environment(folder)


def started(environment: Environment, n: int = N, first: int = 0) -> MujocoWorlds:
    worlds = MujocoWorlds(environment, n, threads=1)
    streams = pools.streams(pools.TRAINING, 0, first + n)[first:]
    worlds.start(slice(0, n), streams, torch.zeros(n, dtype=torch.int64))
    return worlds


def rolled(worlds: MujocoWorlds, action: float = 1.0) -> Transitions:
    steps = [worlds.step(torch.full((worlds.n, 1), action)) for _ in range(STEPS)]
    names = ("before", "after", "prev_action", "terminated", "time_left", "fresh")
    return Transitions(
        action=torch.full((STEPS, worlds.n, 1), action),
        **{name: torch.stack([getattr(step, name) for step in steps]) for name in names},
    )


def column(worlds: MujocoWorlds, packed: Tensor, name: str) -> Tensor:
    return worlds.layout.read(packed, name)


def test_reaching_a_goal_counts_in_the_step_and_changes_the_goal_for_the_next(
    rail: Environment,
) -> None:
    worlds = started(rail)
    seen = rolled(worlds)
    goal_after, goal_before = (column(worlds, part, "goal") for part in (seen.after, seen.before))
    reached_after, reached_before = (
        column(worlds, part, "reached") for part in (seen.after, seen.before)
    )
    counted = reached_after > reached_before
    assert counted.any()
    # Within a step the goal is one and the same; between two it changes where one was reached.
    assert torch.equal(goal_after, goal_before)
    assert torch.equal(goal_before[1:] != goal_after[:-1], counted[:-1])
    assert torch.equal(reached_before[1:], reached_after[:-1])


def test_counters_begin_at_zero_with_every_episode(rail: Environment) -> None:
    worlds = started(rail)
    rolled(worlds)
    assert (column(worlds, worlds.signals, "steps") == STEPS).all()
    worlds.start(slice(1, 2), torch.tensor([9]), torch.zeros(1, dtype=torch.int64))
    assert column(worlds, worlds.signals, "steps").tolist() == [STEPS, 0, STEPS, STEPS]


def test_goals_depend_on_the_stream_alone(rail: Environment) -> None:
    worlds, alone = started(rail), started(rail, 1, first=2)
    among, single = rolled(worlds), rolled(alone)
    assert torch.equal(among.after[:, 2:3], single.after)
    assert len(column(worlds, among.after, "goal").unique()) > N


def test_a_restored_state_leads_to_the_same_goals(rail: Environment) -> None:
    worlds, other = started(rail), started(rail)
    rolled(worlds)
    other.restore(worlds.state())
    first, second = rolled(worlds, -1.0), rolled(other, -1.0)
    assert torch.equal(first.after, second.after)
    assert torch.equal(first.before, second.before)


def test_recorded_episodes_are_scored_as_they_were_lived(rail: Environment) -> None:
    worlds = started(rail)
    first = worlds.signals
    seen = rolled(worlds)
    lived = seen.arguments(
        worlds.layout, ("goal", "prev_goal", "max_goal"), Memory.empty(N, worlds.layout)
    )
    episodes = Episodes(
        torch.cat([first[None], seen.after]),
        seen.action,
        torch.full((N,), STEPS),
        torch.zeros(N, dtype=torch.bool),
        seen.before,
    )
    stored = Episodes.from_arrays(episodes.arrays()).part(slice(0, N))
    scored = stored.arguments(worlds.layout, ("goal", "prev_goal", "max_goal"))
    for name, value in lived.items():
        assert torch.equal(scored[name], value), name


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ('return {"gaol": noise.uniform(1)}', "no entry 'gaol'"),
        ('return {"goal": noise.uniform(2)}', r"'goal' has the shape \[4, 2\]"),
    ],
)
def test_a_task_state_that_was_not_declared_is_named(
    tmp_path: Path, wrong: str, message: str
) -> None:
    right = 'return {"goal": noise.uniform(1, -1.0, 1.0)}'
    environment = written(tmp_path, TASK.replace(right, wrong))
    with pytest.raises(UsageError, match=message):
        started(environment)


def test_actuators_with_a_state_begin_where_the_environment_says(tmp_path: Path) -> None:
    text = (
        TASK
        + """
        def activations(self, qpos):
            return qpos[:, :1] + 0.5
    """
    )
    (tmp_path / "env.py").write_text("")
    environment = written(tmp_path, text)
    scene = (tmp_path / "scene.xml").read_text()
    start, end = scene.index("<motor"), scene.index("</actuator>")
    servo = '<intvelocity joint="slider" kp="9" ctrlrange="-1 1" actrange="-2 2"/>'
    (tmp_path / "scene.xml").write_text(scene[:start] + servo + scene[end:])
    environment = load_environment(tmp_path)
    worlds = started(environment)
    cart = worlds.simulator.view("qpos")[:, 0]
    assert torch.equal(worlds.simulator.view("act")[:, 0], cart + 0.5)
