"""Read what foreign environments return, and report their faults with class, file and line."""

import inspect
import io
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import gymnasium
import numpy as np

from eureka_agent.common.errors import EnvironmentFailed, EurekaError, describe
from eureka_agent.common.paths import user_frame

LOCKED = (
    "The process that trains is locked: it may open no file and no connection and start no thread "
    "or process. Open what the environment needs in its __init__ and keep it, or give "
    "--sandbox off."
)
_FOREIGN_ARGUMENT = (
    "Leave it out of gymnasium.register and of [arguments], or let __init__ take it."
)
_RESET_ARGUMENTS = (
    "Declare it as reset(self, *, seed=None, options=None), call super().reset(seed=seed) there, "
    "and draw from self.np_random."
)
_CURES = {  # words of an error, and what to do
    ("unexpected keyword argument", "registered"): _FOREIGN_ARGUMENT,
    ("unexpected keyword argument", "environment creator"): _FOREIGN_ARGUMENT,
    ("unexpected keyword argument", "'seed'"): _RESET_ARGUMENTS,
    ("unexpected keyword argument", "'options'"): _RESET_ARGUMENTS,
    ("must inherit from the gymnasium.Env class",): (
        "Derive its class from gymnasium.Env, or wrap it in one that is."
    ),
}


class _Nowhere(io.TextIOBase):
    def write(self, text: str, /) -> int:
        return len(text)

    def writable(self) -> bool:
        return True


_NOWHERE = _Nowhere()


@contextmanager
def foreign_environment(name: str, what: str, locked: bool = False) -> Iterator[None]:
    """Run code of a Gymnasium environment; its errors name the line of its code.

    What it prints is dropped: it would fill a disk, or break a document on stdout.

    Args:
        name: of the environment.
        what: it does, as in "cannot be made" or "failed in step".
        locked: whether this process has given up files, network and new threads.

    Raises:
        EnvironmentFailed: the code raised anything, or would end the program.
    """
    try:
        with redirect_stdout(_NOWHERE):
            yield
    except EurekaError:
        raise
    except (Exception, SystemExit) as error:
        text = describe(error)
        known = (cure for words, cure in _CURES.items() if all(word in text for word in words))
        remedy = next(known, "The fault is in the environment's code: fix it there.")
        if locked and _was_refused(error):
            remedy = LOCKED
        message = f"Gymnasium's {name} {what}: {text}".rstrip(".")
        raise EnvironmentFailed(f"{message}.{_place_of_error(error)}", remedy) from error


class Interface:
    """Checks and reads what `reset` and `step` of a Gymnasium environment return.

    Environments of old Gym are read as well: `reset` that returns an observation alone, and `step`
    with four values. Anything else raises EnvironmentFailed.

    Args:
        name: of the environment.
        made: the environment.
        size: numbers of an observation.
    """

    def __init__(self, name: str, made: gymnasium.Env[Any, Any], size: int) -> None:
        self._name, self._size = name, size
        self._class: type = type(made.unwrapped)

    def first(self, result: Any) -> np.ndarray:
        """The observation `[D]` that `reset` gave, float32; its numbers must be finite."""
        pair = isinstance(result, tuple) and len(result) == 2
        # A pair of numbers is an observation of old Gym.
        if pair and not all(isinstance(part, int | float | np.number) for part in result):
            result = result[0]
        seen = self._observation("reset", result)
        if not np.isfinite(seen).all():
            raise self._broken("reset", "an observation that is not finite", "Start from numbers.")
        return seen

    def later(self, result: Any) -> tuple[np.ndarray, Any, bool, bool, dict[str, Any]]:
        """What `step` gave: observation `[D]`, reward, terminated, truncated and info."""
        if not isinstance(result, tuple) or len(result) not in (4, 5):
            gives = "nothing" if result is None else f"a {type(result).__name__}"
            if isinstance(result, tuple):
                gives = f"{len(result)} values"
            remedy = "Return observation, reward, terminated, truncated, info."
            raise self._broken("step", f"{gives}, not a tuple of five", remedy)
        info = result[-1] if isinstance(result[-1], dict) else {}
        seen, paid = self._observation("step", result[0]), result[1]
        ended = self._flag(result[2])
        if len(result) == 5:
            return seen, paid, ended, self._flag(result[3]), info
        cut = bool(info.get("TimeLimit.truncated", False))
        return seen, paid, ended and not cut, cut, info

    def paid(self, value: Any) -> float:
        """A reward as a number."""
        number = one_number(value)
        if number is None:
            remedy = "Return one number, such as float(...)."
            raise self._broken("step", f"a reward {_kind(value)}", remedy)
        return number

    def _flag(self, value: Any) -> bool:
        number = one_number(value)
        if number is None:
            said = f"a value {_kind(value)} as terminated or truncated"
            raise self._broken("step", said, "Return True or False for each.")
        return bool(number)

    def _observation(self, method: str, value: Any) -> np.ndarray:
        try:
            seen = np.asarray(value, dtype=np.float32)
        except Exception:  # whatever a foreign array raises
            seen = None
        if seen is None or seen.shape != (self._size,):
            remedy = f"Return what its observation_space says: {self._size} numbers in one row."
            raise self._broken(method, f"an observation {_kind(value)}", remedy)
        return seen

    def _broken(self, method: str, gives: str, remedy: str) -> EnvironmentFailed:
        owner = self._class
        code = getattr(inspect.unwrap(getattr(owner, method)), "__code__", None)
        place = f" of {owner.__name__}"
        if code:
            place = (
                f" of its class {owner.__name__} ({code.co_filename}, line {code.co_firstlineno})"
            )
        message = f"Gymnasium's {self._name}: {method}{place} gives {gives}."
        return EnvironmentFailed(message, remedy)


def one_number(value: Any) -> float | None:
    """A value as a number if it is one, or an array of one; else None."""
    if isinstance(value, float | int):
        return float(value)
    if value is None or isinstance(value, str | bytes):
        return None
    try:
        values = np.asarray(value, dtype=np.float64)
    except Exception:  # whatever a foreign array raises
        return None
    return float(values.reshape(-1)[0]) if values.size == 1 else None


def _kind(value: Any) -> str:
    """The kind of a value, in words that follow its name."""
    shape, kind = getattr(value, "shape", None), getattr(getattr(value, "dtype", None), "kind", "f")
    if not shape or not isinstance(shape, tuple):
        return f"of type {type(value).__name__}"
    return {"O": "of objects", "U": "of texts", "S": "of texts"}.get(kind, f"of shape {shape}")


def _place_of_error(error: BaseException) -> str:
    """The innermost line of the environment at which an error came up, as a sentence."""
    walked = list(traceback.walk_tb(error.__traceback__))
    codes = ((frame.f_code, line) for frame, line in reversed(walked))
    frame = user_frame((code.co_filename, line, code.co_qualname) for code, line in codes)
    if frame is not None:
        return f" That is {frame[0]}, line {frame[1]}, in {frame[2]}."
    if isinstance(error, SyntaxError) and error.filename:
        return f" That is {error.filename}, line {error.lineno}."
    return ""


def _was_refused(error: BaseException | None) -> bool:
    """Whether the kernel refused something, here or where the error came from."""
    while error is not None:
        refused = isinstance(error, (PermissionError, BlockingIOError))
        if refused or "can't start new thread" in describe(error):
            return True
        error = error.__cause__ or error.__context__
    return False
