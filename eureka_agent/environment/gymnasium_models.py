"""The MuJoCo models that come with Gymnasium, for environments that simulate them here."""

from collections.abc import Sequence
from pathlib import Path

import gymnasium
import mujoco

_ASSETS = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"


def gymnasium_model(file: str, motors: Sequence[str] = ()) -> mujoco.MjSpec:
    """One of Gymnasium's models with the integrator `implicitfast`, which GPUs have as well.

    Args:
        file: its name, as "hopper.xml".
        motors: names for its motors in their order, as most models have none; empty to leave them.
    """
    spec = mujoco.MjSpec.from_file(str(_ASSETS / file))
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    if motors:
        for motor, name in zip(spec.actuators, motors, strict=True):
            motor.name = name
    return spec
