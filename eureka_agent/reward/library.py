"""The reward library: functions that every reward program can call by name.

All work row by row. `[M]` is one number per row, `[M, d]` one vector per row; quaternions are
`[M, 4]` in the order w, x, y, z. Where a target is the same for all rows, `[d]` works as well.
"""

import inspect
import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

_AT_MARGIN = math.log(0.1)
_SMALLEST = 1e-8


def quat_mul(a: Tensor, b: Tensor) -> Tensor:
    """Product of two quaternions: first rotate by `b`, then by `a`.

    Args:
        a: `[M, 4]`.
        b: `[M, 4]`.

    Returns:
        `[M, 4]`.
    """
    aw, ax, ay, az = a.unbind(-1)
    bw, bx, by, bz = b.unbind(-1)
    product = (
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    )
    return torch.stack(product, dim=-1)


def quat_conjugate(q: Tensor) -> Tensor:
    """The inverse rotation of a unit quaternion.

    Args:
        q: `[M, 4]`.

    Returns:
        `[M, 4]`.
    """
    return torch.cat([q[..., :1], -q[..., 1:]], dim=-1)


def quat_rotate(q: Tensor, v: Tensor) -> Tensor:
    """Rotate vectors by unit quaternions: from the body's frame to the world's.

    Args:
        q: `[M, 4]`.
        v: `[M, 3]`.

    Returns:
        `[M, 3]`.
    """
    axis, v = torch.broadcast_tensors(q[..., 1:], v)
    twice = 2.0 * torch.linalg.cross(axis, v)
    return v + q[..., :1] * twice + torch.linalg.cross(axis, twice)


def quat_rotate_inverse(q: Tensor, v: Tensor) -> Tensor:
    """Rotate vectors by the inverse of unit quaternions: from the world's frame to the body's.

    Args:
        q: `[M, 4]`.
        v: `[M, 3]`.

    Returns:
        `[M, 3]`.
    """
    return quat_rotate(quat_conjugate(q), v)


def quat_angle(a: Tensor, b: Tensor) -> Tensor:
    """Angle of the rotation between two orientations, in radians.

    Args:
        a: `[M, 4]`.
        b: `[M, 4]`.

    Returns:
        `[M]`, 0 to pi; q and -q are the same orientation.
    """
    between = quat_mul(a, quat_conjugate(b))
    # Not the arc cosine, which cannot distinguish small angles in float32.
    return 2.0 * torch.atan2(between[..., 1:].square().sum(-1).sqrt(), between[..., 0].abs())


def wrap_angle(angle: Tensor) -> Tensor:
    """The same angle between -pi and pi.

    Args:
        angle: radians, `[M]` or `[M, d]`.

    Returns:
        The same shape.
    """
    return torch.atan2(torch.sin(angle), torch.cos(angle))


def angle_difference(a: Tensor, b: Tensor | float) -> Tensor:
    """How far `a` is ahead of `b` on the shorter way round.

    Args:
        a: radians, `[M]` or `[M, d]`.
        b: radians, of the same shape or one number.

    Returns:
        The same shape, -pi to pi.
    """
    return wrap_angle(a - b)


def safe_norm(vector: Tensor) -> Tensor:
    """Length of vectors, never quite 0, so that one may divide by it.

    Args:
        vector: `[M, d]`.

    Returns:
        `[M]`, at least 1e-8.
    """
    return torch.linalg.vector_norm(vector, dim=-1).clamp(min=_SMALLEST)


def gaussian_kernel(error: Tensor, width: Tensor | float) -> Tensor:
    """exp(-(error / width)^2): 1 at no error, 0.37 at `width`, flat near 0.

    Args:
        error: `[M]` or `[M, d]`.
        width: above 0, in the unit of the error.

    Returns:
        The error's shape, 0 to 1.
    """
    return torch.exp(-(error / width).square())


def laplace_kernel(error: Tensor, width: Tensor | float) -> Tensor:
    """exp(-|error| / width): 1 at no error, 0.37 at `width`, steepest near 0.

    Args:
        error: `[M]` or `[M, d]`.
        width: above 0, in the unit of the error.

    Returns:
        The error's shape, 0 to 1.
    """
    return torch.exp(-error.abs() / width)


def tolerance(
    x: Tensor, lower: Tensor | float, upper: Tensor | float, margin: Tensor | float
) -> Tensor:
    """1 from `lower` to `upper`; outside it falls like a Gaussian, to 0.1 at `margin` away.

    Follows `dm_control.utils.rewards.tolerance`.

    Args:
        x: `[M]` or `[M, d]`.
        lower: lowest good value.
        upper: highest good value.
        margin: above 0, in the unit of x.

    Returns:
        The shape of x, 0 to 1.
    """
    outside = (lower - x).clamp(min=0.0) + (x - upper).clamp(min=0.0)
    return torch.exp(_AT_MARGIN * (outside / margin).square())


def progress(now: Tensor, before: Tensor) -> Tensor:
    """How much a distance has shrunk: positive on the way to the target.

    Args:
        now: distance, `[M]`.
        before: the same distance earlier, such as a prev_ signal, `[M]`.

    Returns:
        `[M]`, in the distance's unit.
    """
    return before - now


LIBRARY: dict[str, Callable[..., Tensor]] = {
    function.__name__: function
    for function in (
        quat_mul,
        quat_conjugate,
        quat_rotate,
        quat_rotate_inverse,
        quat_angle,
        wrap_angle,
        angle_difference,
        safe_norm,
        gaussian_kernel,
        laplace_kernel,
        tolerance,
        progress,
    )
}


def library_lines() -> list[Mapping[str, str]]:
    """The reward library: `name`, `signature` and `meaning` of each function."""
    return [
        {
            "name": name,
            "signature": f"({', '.join(inspect.signature(function).parameters)})",
            "meaning": (inspect.getdoc(function) or "").split("\n")[0],
        }
        for name, function in LIBRARY.items()
    ]
