"""Finds reward functions: describe a task, search over reward programs, get a trained policy."""

import os

__version__ = "0.1.0"


def _import_engine() -> None:
    """Import MuJoCo, if need be without what it would draw through.

    When it is first imported MuJoCo loads the library that MUJOCO_GL names, and fails with it; yet
    nothing but pictures needs that, and `simulation.rendering` says what is wrong with them.
    """
    variables = ("MUJOCO_GL", "PYOPENGL_PLATFORM")
    before = {name: os.environ[name] for name in variables if name in os.environ}
    try:
        import mujoco
    except ImportError:  # not installed: the code that needs it says so
        pass
    except Exception:  # every library fails in a way of its own
        os.environ["MUJOCO_GL"] = "disable"
        try:
            import mujoco  # noqa: F401
        finally:
            for name in variables:  # MuJoCo itself may have set the other one
                os.environ.pop(name, None)
            os.environ.update(before)


if os.environ.get("MUJOCO_GL"):
    _import_engine()
