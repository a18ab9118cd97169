"""What `gpu.py` measures."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from gpu_clock import Clock, wait

from eureka_agent.common.errors import EurekaError
from eureka_agent.environment import Environment, MujocoWorlds, find_environment
from eureka_agent.reward import parse
from eureka_agent.training import Population

NETWORK = {"hidden": (400, 200, 100), "activation": "elu"}
ROLLOUT = {"horizon": 16, "epochs": 5, "minibatches": 4}
CHECK_EPISODES = 16


@dataclass(frozen=True)
class Cell:
    """One measurement: one of `MEASURES`."""

    kind: str
    environment: str
    worlds: int = 0
    lanes: int = 1

    @property
    def key(self) -> str:
        """The cell in one word."""
        return f"{self.kind}/{self.environment}/{self.worlds}/{self.lanes}"


@dataclass
class Setting:
    """What all measurements of a run have in common."""

    device: torch.device
    backend: str | None
    seconds: float


def measure_raw(cell: Cell, setting: Setting) -> dict[str, Any]:
    """Bare `mujoco_warp` and our simulator, from states that random actions lead to.

    Bare: one graph of as many `mujoco_warp.step` as a control step has. Ours: the same physics,
    then positions and velocities of the new state, and a reset of the worlds of a mask.
    """
    environment, began = find_environment(cell.environment), time.perf_counter()
    worlds = MujocoWorlds(environment, cell.worlds, device=setting.device, backend=setting.backend)
    wait(setting.device)
    result: dict[str, Any] = {"construct_s": time.perf_counter() - began}
    _move_about(worlds, setting)
    simulator: Any = worlds.simulator
    state = simulator.state()
    none = torch.zeros(cell.worlds, dtype=torch.bool, device=setting.device)
    qpos, qvel = simulator.view("qpos").clone(), simulator.view("qvel").clone()
    began = time.perf_counter()
    graph = simulator._record(lambda: _bare_steps(simulator, environment.substeps))
    result["capture_s"] = time.perf_counter() - began

    def ours() -> None:
        simulator.step(environment.substeps)
        simulator.reset_where(none, qpos, qvel)

    for name, call in (("bare", lambda: simulator._replay(graph)), ("ours", ours)):
        rate = _rate(lambda: simulator.restore(state), call, setting)
        result[f"{name}_rate"] = cell.worlds * rate
    result["overflow"] = simulator.overflow()
    result["capacity"] = asdict(simulator.capacity)
    return result | _memory(setting.device)


def _move_about(worlds: MujocoWorlds, setting: Setting) -> None:
    """Random actions in episodes of all ages: states as a training begins with."""
    count = torch.arange(worlds.n)
    worlds.start(slice(0, worlds.n), count, count % worlds.environment.episode_steps)
    generator = torch.Generator(setting.device).manual_seed(0)
    size = (worlds.n, worlds.action_size)
    for _ in range(64):
        action = torch.rand(size, generator=generator, device=setting.device) * 2 - 1
        worlds.step(action)


def measure_deterministic(cell: Cell, setting: Setting) -> dict[str, Any]:
    """What it costs to sum in one order, and whether a world then depends on nothing else."""
    from eureka_agent.simulation.warp import mjw

    environment = find_environment(cell.environment)
    worlds = MujocoWorlds(environment, cell.worlds, device=setting.device, backend=setting.backend)
    _move_about(worlds, setting)
    simulator: Any = worlds.simulator
    state = simulator.state()
    result: dict[str, Any] = {}
    for name, order in (("any", mjw.DeterminismType.NONE), ("one", mjw.DeterminismType.ALL)):
        began = time.perf_counter()
        simulator._physics.opt.deterministic = int(order)
        simulator._compute_graph = simulator._record(simulator._compute)
        simulator._steps.clear()
        simulator.prepare(environment.substeps)
        simulator.step(environment.substeps)
        wait(setting.device)
        result[f"{name}_order_s"] = time.perf_counter() - began

        def run(start: Any) -> torch.Tensor:
            simulator.restore(start)
            for _ in range(32):
                simulator.step(environment.substeps)
            return simulator.view("qpos").clone()

        first = run(state)
        result[f"{name}_order_repeats"] = bool(torch.equal(run(state), first))
        # The same worlds at other places, among other neighbours.
        moved = run(state[::-1].copy()).flip(0)
        result[f"{name}_order_alone"] = bool(torch.equal(moved, first))
        result[f"{name}_order_rate"] = cell.worlds * _rate(
            lambda: simulator.restore(state), lambda: simulator.step(environment.substeps), setting
        )
    return result


def _bare_steps(simulator: Any, substeps: int) -> None:
    from eureka_agent.simulation.warp import mjw

    for _ in range(substeps):
        mjw.step(simulator._physics, simulator._data)


def measure_training(cell: Cell, setting: Setting) -> dict[str, Any]:
    """Train K policies on the human reward for a while."""
    environment, began = _for_training(cell.environment), time.perf_counter()
    population = Population(
        environment,
        cell.lanes,
        cell.worlds // cell.lanes,
        device=setting.device,
        backend=setting.backend,
    )
    reward = _human_reward(environment)
    for lane in range(cell.lanes):
        population.load(lane, reward, seed=lane)
    rollout = population.rollout_steps
    wait(setting.device)
    construct = time.perf_counter() - began
    population.advance(2 * rollout)  # the first one does not learn; the second warms the update up
    wait(setting.device)
    warm_up = time.perf_counter() - began - construct
    rollouts, began = 0, time.perf_counter()
    while rollouts < 2 or time.perf_counter() - began < setting.seconds:
        _sound(population.advance(rollout))
        wait(setting.device)
        rollouts += 1
    rate = rollouts * rollout * cell.lanes / (time.perf_counter() - began)
    return {
        "rate": rate,
        "shares": _shares(population, setting.device),
        "construct_s": construct,
        "warm_up_s": warm_up,
        "overflow": population.overflow,
    } | _memory(setting.device)


def _shares(population: Population, device: torch.device) -> dict[str, float]:
    """Where the time of one more rollout goes. Events are cheap, but not free: rates come first."""
    clock = Clock(device)
    for group in population._groups:
        clock.watch(group, "_collect", "inference")
        clock.watch(group._worlds, "step", "environment")
        worlds = group._worlds
        assert isinstance(worlds, MujocoWorlds)
        clock.watch(worlds.simulator, "step", "physics")
        clock.watch(worlds.simulator, "reset_where", "physics")
        clock.watch(group, "_evaluate", "reward")
        clock.watch(group, "_learn", "update")
    population.advance(population.rollout_steps)
    return clock.shares()


def measure_learning(cell: Cell, setting: Setting) -> dict[str, Any]:
    """Fitness after a training with the environment's own settings, a seed per lane."""
    from learning import Cell as Looked
    from learning import Looker, _deployed

    environment = find_environment(cell.environment)
    looker = Looker(environment, CHECK_EPISODES, threads=0)
    settings = environment.training
    population = Population(
        environment, cell.lanes, settings.worlds, device=setting.device, backend=setting.backend
    )
    for seed in range(cell.lanes):
        population.load(seed, looker.reward, seed)
    began = time.perf_counter()
    reports = population.advance(cell.worlds)  # here: environment steps per lane
    seconds = time.perf_counter() - began
    _sound(reports)
    fitness = []
    for report in reports:
        looked = Looked("gpu", environment.name, report.lane, "")
        act = _deployed(population.weights(report.lane), settings)
        looker.measure(looked, report.steps, act)
        fitness.append(looked.fitness[-1])
    return {"fitness": fitness, "seconds": seconds, "steps": reports[0].steps}


def _sound(reports: Sequence[Any]) -> None:
    failed = [report.evicted for report in reports if report.evicted is not None]
    if failed:
        raise EurekaError(f"A lane stopped while it was measured: {failed[0]}")


def _for_training(name: str) -> Environment:
    environment = find_environment(name)
    vars(environment)["training"] = replace(environment.training, **NETWORK, **ROLLOUT)
    return environment


def _human_reward(environment: Environment) -> Any:
    path = environment.human_reward_path
    if path is None:
        raise EurekaError(f"{environment.name} has no human reward.")
    return parse(path.read_text(encoding="utf-8"), environment.signals_described).compile()


def _rate(prepare: Callable[[], None], call: Callable[[], None], setting: Setting) -> float:
    """Calls per second, at most 32 at a time between two preparations, which do not count."""
    spent, done = 0.0, 0
    while spent < setting.seconds:
        prepare()
        call()
        wait(setting.device)
        began = time.perf_counter()
        for _ in range(32):
            call()
        wait(setting.device)
        spent, done = spent + time.perf_counter() - began, done + 32
    return done / spent


def _memory(device: torch.device) -> dict[str, float]:
    """Memory of the device in use, by everything on it."""
    if device.type == "cpu":
        return {}
    free, total = torch.cuda.mem_get_info(device)
    return {"memory_gib": (total - free) / 2**30}


MEASURES = {
    "raw": measure_raw,
    "training": measure_training,
    "learning": measure_learning,
    "deterministic": measure_deterministic,
}
