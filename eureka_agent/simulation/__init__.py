"""Simulators: many worlds of one MuJoCo model, stepped together.

Importing this package silences the engine's own log: by default MuJoCo appends every warning to
MUJOCO_LOG.TXT in the working folder. The simulators detect and count divergence instead.
"""

import mujoco

from eureka_agent.simulation.devices import (
    CPU,
    describe_devices,
    gpu_obstacle,
    make_simulator,
    resolve_device,
)
from eureka_agent.simulation.simulator import CpuSimulator, Simulator, available_cores

__all__ = [
    "CPU",
    "CpuSimulator",
    "Simulator",
    "available_cores",
    "describe_devices",
    "gpu_obstacle",
    "make_simulator",
    "resolve_device",
]

_log = mujoco.MjLogConfig.get()
_log.logto_file = False
_log.logto_console = False
mujoco.MjLogConfig.set(_log)
