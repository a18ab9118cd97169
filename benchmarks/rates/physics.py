"""The limit of a trainer: the physics alone, driven by what a trained policy did."""

import time

import numpy as np
import torch

from eureka_agent.common.errors import EurekaError
from eureka_agent.simulation import CpuSimulator, Simulator
from rates.recording import Recording
from rates.setting import Cell, Measurement, Setting, peak_memory_mb


def measure_limit(cell: Cell, setting: Setting, recording: Recording) -> Measurement:
    """Replay a recording in K·N worlds; only the stepping counts.

    Raises:
        EurekaError: the worlds did not do what was recorded.
    """
    environment = setting.environment(cell.environment, cell.hidden)
    simulator = CpuSimulator(environment.model, cell.lanes * setting.worlds, setting.threads)
    replay(simulator, environment.substeps, recording)  # once without a clock
    if not np.array_equal(simulator.state(), np.tile(recording.end, (cell.lanes, 1))):
        raise EurekaError(
            f"The replay on {environment.name} does not end where the recording ended.",
            "Remove the recording; if that does not help, the physics are not deterministic.",
        )
    wall, processor, steps = 0.0, 0.0, 0
    while wall < setting.seconds or not steps:
        spent = replay(simulator, environment.substeps, recording)
        wall, processor = wall + spent[0], processor + spent[1]
        steps += len(recording.controls) * simulator.n
    idle = processor / setting.threads
    return Measurement(
        rate=steps / wall,
        idle_rate=steps / idle,
        memory_mb=peak_memory_mb(),
        cores=processor / wall,
        physics_us=1e6 * idle / steps,
    )


def replay(simulator: Simulator, substeps: int, recording: Recording) -> tuple[float, float]:
    """Do once more what was recorded, in as many copies as the simulator has room for.

    Args:
        simulator: with a multiple of the recorded worlds.
        substeps: physics steps per control step.
        recording: what to do.

    Returns:
        Seconds spent stepping: of the clock, and of all processors.
    """
    recorded = recording.controls.shape[1]
    copies = simulator.n // recorded
    simulator.restore(np.tile(recording.start, (copies, 1)))
    control = simulator.view("ctrl")
    wall = processor = 0.0
    for t, controls in enumerate(recording.controls):
        control[:] = controls.repeat(copies, 1)
        wall_start, processor_start = time.perf_counter(), time.process_time()
        simulator.step(substeps)
        wall += time.perf_counter() - wall_start
        processor += time.process_time() - processor_start
        _begin_again(simulator, recording, t, copies)
    return wall, processor


def _begin_again(simulator: Simulator, recording: Recording, t: int, copies: int) -> None:
    """Reset the worlds that were reset after step `t`."""
    ended = recording.when == t
    if ended.any():
        first = torch.arange(copies) * recording.controls.shape[1]
        worlds = (first[:, None] + recording.which[ended]).flatten()
        mask = torch.zeros(simulator.n, dtype=torch.bool)
        mask[worlds] = True
        qpos, qvel = (simulator.view(field).clone() for field in ("qpos", "qvel"))
        for state, recorded in ((qpos, recording.qpos), (qvel, recording.qvel)):
            state[worlds] = recorded[ended].repeat(copies, 1)
        simulator.reset_where(mask, qpos, qvel)
