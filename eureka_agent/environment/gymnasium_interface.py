"""What environments written elsewhere do wrong, said with their class, file and line."""

import inspect
import io
import traceback
import warnings
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
_REFUSED = (PermissionError, BlockingIOError)
_NO_THREAD = "can't start new thread"


@contextmanager
def foreign_environment(name: str, what: str, locked: bool = False) -> Iterator[None]:
    """Run code of an environment of Gymnasium: whatever breaks becomes an error that says where.

    What it prints is dropped: it would fill a disk, or break a document that somebody parses.

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
        said = f"Gymnasium's {name} {what}: {describe(error)}"
        remedy = LOCKED if locked and _was_refused(error) else _remedy(error)
        raise EnvironmentFailed(f"{said.rstrip('.')}.{_place(error)}", remedy) from error


@contextmanager
def without_warnings() -> Iterator[None]:
    """No warning of a library is shown: every process that makes an environment would repeat it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Interface:
    """What one environment of Gymnasium gives back, read as its interface has it.

    Environments of old Gym are read as well: `reset` that gives an observation alone, and `step`
    with four values.

    Args:
        name: of the environment.
        made: the environment.
        size: numbers of an observation.
    """

    def __init__(self, name: str, made: gymnasium.Env[Any, Any], size: int) -> None:
        self._name, self._size = name, size
        self._class: type = type(made.unwrapped)

    def first(self, result: Any) -> np.ndarray:
        """The observation `[D]` that `reset` gave, float32.

        Raises:
            EnvironmentFailed: it gave something else, or no finite numbers.
        """
        seen = self._observation("reset", result[0] if _has_info(result) else result)
        if not np.isfinite(seen).all():
            raise self._broken("reset", "an observation that is not finite", "Start from numbers.")
        return seen

    def later(self, result: Any) -> tuple[np.ndarray, Any, bool, bool, dict[str, Any]]:
        """What `step` gave: observation `[D]`, reward, terminated, truncated and info.

        Raises:
            EnvironmentFailed: it gave something else.
        """
        remedy = "Return observation, reward, terminated, truncated, info."
        if not isinstance(result, tuple) or len(result) not in (4, 5):
            gives = f"{len(result)} values" if isinstance(result, tuple) else _described(result)
            raise self._broken("step", f"{gives}, not a tuple of five", remedy)
        info = result[-1] if isinstance(result[-1], dict) else {}
        seen, paid = self._observation("step", result[0]), result[1]
        ended = self._flag(result[2])
        if len(result) == 5:
            return seen, paid, ended, self._flag(result[3]), info
        cut = bool(info.get("TimeLimit.truncated", False))
        return seen, paid, ended and not cut, cut, info

    def paid(self, value: Any) -> float:
        """A reward as a number.

        Raises:
            EnvironmentFailed: it is none.
        """
        number = one_number(value)
        if number is None:
            raise self._broken(
                "step", f"a reward {_of_kind(value)}", "Return one number, such as float(...)."
            )
        return number

    def _flag(self, value: Any) -> bool:
        number = one_number(value)
        if number is None:
            raise self._broken(
                "step",
                f"a value {_of_kind(value)} as terminated or truncated",
                "Return True or False for each.",
            )
        return bool(number)

    def _observation(self, method: str, value: Any) -> np.ndarray:
        try:
            seen = np.asarray(value, dtype=np.float32)
        except Exception:  # whatever a foreign array raises
            seen = None
        if seen is None or seen.shape != (self._size,):
            remedy = f"Return what its observation_space says: {self._size} numbers in one row."
            raise self._broken(method, f"an observation {_of_kind(value)}", remedy)
        return seen

    def _broken(self, method: str, gives: str, remedy: str) -> EnvironmentFailed:
        place = _place_of(self._class, method)
        return EnvironmentFailed(
            f"Gymnasium's {self._name}: {method}{place} gives {gives}.", remedy
        )


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


def _has_info(result: Any) -> bool:
    """Whether `reset` gave a pair; two numbers are an observation of old Gym."""
    pair = isinstance(result, tuple) and len(result) == 2
    return pair and not all(isinstance(part, int | float | np.number) for part in result)


def _described(value: Any) -> str:
    """A value that takes the place of several."""
    return "nothing" if value is None else f"a {type(value).__name__}"


def _of_kind(value: Any) -> str:
    """What kind of value one is, after its name."""
    shape, kind = getattr(value, "shape", None), getattr(getattr(value, "dtype", None), "kind", "f")
    if not shape or not isinstance(shape, tuple):
        return f"of type {type(value).__name__}"
    return {"O": "of objects", "U": "of texts", "S": "of texts"}.get(kind, f"of shape {shape}")


def _place_of(owner: type, method: str) -> str:
    """Where a class has a method, in words."""
    code = getattr(inspect.unwrap(getattr(owner, method)), "__code__", None)
    where = f", {code.co_filename}, line {code.co_firstlineno}" if code else ""
    return f" of its class {owner.__name__} ({where[2:]})" if where else f" of {owner.__name__}"


def _place(error: BaseException) -> str:
    """The innermost line of the environment at which an error came up, as a sentence."""
    walked = list(traceback.walk_tb(error.__traceback__))
    codes = ((frame.f_code, line) for frame, line in reversed(walked))
    frame = user_frame((code.co_filename, line, code.co_qualname) for code, line in codes)
    if frame is not None:
        return f" That is {frame[0]}, line {frame[1]}, in {frame[2]}."
    if isinstance(error, SyntaxError) and error.filename:
        return f" That is {error.filename}, line {error.lineno}."
    return ""


def _remedy(error: BaseException) -> str:
    text = describe(error)
    if isinstance(error, TypeError) and "unexpected keyword argument" in text:
        if "registered" in text or "environment creator" in text:
            return "Leave it out of gymnasium.register and of [arguments], or let __init__ take it."
        if "'seed'" in text or "'options'" in text:
            return (
                "Declare it as reset(self, *, seed=None, options=None), call super().reset("
                "seed=seed) there, and draw from self.np_random."
            )
    if "must inherit from the gymnasium.Env class" in text:
        return "Derive its class from gymnasium.Env, or wrap it in one that is."
    return "It is not this program's: fix it where it comes from."


def _was_refused(error: BaseException | None) -> bool:
    """Whether the kernel refused something, here or where the error came from."""
    while error is not None:
        if isinstance(error, _REFUSED) or _NO_THREAD in describe(error):
            return True
        error = error.__cause__ or error.__context__
    return False


class _Nowhere(io.TextIOBase):
    """A file that keeps nothing."""

    def write(self, text: str, /) -> int:
        return len(text)

    def writable(self) -> bool:
        return True


_NOWHERE = _Nowhere()
