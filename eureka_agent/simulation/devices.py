"""Devices by name, why a GPU cannot be used, and the simulator of a device."""

import importlib.metadata
import importlib.util
import warnings

import mujoco
import torch

from eureka_agent.common.choices import require_device_name
from eureka_agent.common.errors import MissingError
from eureka_agent.simulation.simulator import CpuSimulator, Simulator, available_cores

CPU = torch.device("cpu")


def resolve_device(name: str) -> torch.device:
    """Find the device that a name means on this machine.

    Args:
        name: "cpu", "cuda", "cuda:N", or "auto": the first GPU if it can be used, else the CPU.

    Raises:
        UsageError: there is no such name.
        MissingError: a GPU was named, and something that it needs is missing.
    """
    require_device_name(name)
    if name == "cpu":
        return CPU
    index = int(name.partition(":")[2] or 0)
    obstacle = gpu_obstacle(index)
    if obstacle is None:
        return torch.device("cuda", index)
    if name == "auto":
        return CPU
    raise obstacle


def gpu_obstacle(index: int = 0) -> MissingError | None:
    """Why the GPU of an index cannot be used, with the remedy; None when it can."""
    return _torch_obstacle(index) or _warp_obstacle(index)


def describe_devices() -> dict[str, str]:
    """Devices of this machine with versions, and why those that do not work do not."""
    said = {"cpu": f"works, with MuJoCo {mujoco.__version__} on {available_cores()} cores"}
    obstacle = gpu_obstacle()
    if obstacle is not None:
        return said | {"cuda": f"does not work: {obstacle}", "auto": "cpu"}
    with_versions = ", ".join(
        f"{package} {importlib.metadata.version(package)}"
        for package in ("torch", "mujoco-warp", "warp-lang")
    )
    for index in range(torch.cuda.device_count()):
        gpu = torch.cuda.get_device_properties(index)
        size = f"{gpu.total_memory / 2**30:.0f} GiB"
        works = f"works: {gpu.name}, {size}, with {with_versions}"
        obstacle = gpu_obstacle(index)
        said[f"cuda:{index}"] = f"does not work: {obstacle}" if obstacle else works
    return said | {"auto": "cuda:0"}


def make_simulator(
    model: mujoco.MjModel,
    n: int,
    device: torch.device,
    threads: int = 0,
    *,
    backend: str | None = None,
) -> Simulator:
    """Make the simulator of a device: MuJoCo's own on the CPU, MuJoCo Warp on a GPU.

    Args:
        model: the compiled model; it is copied and never changed.
        n: number of worlds.
        device: as `resolve_device` gives it.
        threads: physics threads on the CPU; 0 means one per core.
        backend: "cpu" or "warp" instead of the device's own. Warp on the CPU is for tests.

    Raises:
        UsageError: the GPU cannot simulate this model, or not so many worlds.
    """
    if (backend or ("warp" if device.type == "cuda" else "cpu")) == "cpu":
        return CpuSimulator(model, n, threads)
    # Imported only here: Warp is an extra, takes seconds to load and looks for a GPU driver.
    from eureka_agent.simulation.warp import WarpSimulator

    return WarpSimulator(model, n, device)


def _torch_obstacle(index: int) -> MissingError | None:
    if torch.version.cuda is None:
        return MissingError(
            f"PyTorch {torch.__version__} is a build without CUDA.",
            "Install one with CUDA: see https://pytorch.org/get-started/locally.",
        )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        reason = f" It says: {str(said[0].message).splitlines()[0]}" if said else ""
        return MissingError(
            f"PyTorch {torch.__version__} finds no GPU.{reason}",
            "See with nvidia-smi whether the driver works and is new enough for this build.",
        )
    if index >= count:
        return MissingError(
            f"There is no GPU cuda:{index}.", f"The GPUs here are cuda:0 to cuda:{count - 1}."
        )
    return None


def _warp_obstacle(index: int) -> MissingError | None:
    if not all(importlib.util.find_spec(name) for name in ("warp", "mujoco_warp")):
        return MissingError(
            "Training on a GPU needs MuJoCo Warp.",
            "Install it: pip install -c constraints.txt 'eureka-agent[gpu]' (in a checkout: "
            "'.[gpu]').",
        )
    from eureka_agent.simulation.warp import wp

    if index >= wp.get_cuda_device_count():  # 0 where the driver is missing or too old
        version = importlib.metadata.version("warp-lang")
        return MissingError(
            f"Warp {version} cannot use the GPU cuda:{index} with this machine's driver.",
            "Update the NVIDIA driver: warp-lang 1.18 and later need version 580 or newer.",
        )
    return None
