"""The reward library: right numbers, row for row, without changing what it is given."""

import inspect
import math

import pytest
import torch
from torch import Tensor

from eureka_agent.reward.library import (
    LIBRARY,
    angle_difference,
    gaussian_kernel,
    laplace_kernel,
    progress,
    quat_angle,
    quat_conjugate,
    quat_mul,
    quat_rotate,
    quat_rotate_inverse,
    safe_norm,
    tolerance,
    wrap_angle,
)

SHAPES = {"q": 4, "v": 3, "vector": 3}


def turn(axis: tuple[float, float, float], angle: float) -> Tensor:
    """A quaternion `[1, 4]`."""
    half = torch.tensor(angle / 2)
    return torch.cat([half.cos()[None], half.sin() * torch.tensor(axis)])[None]


def rows_for(name: str, rows: int) -> dict[str, Tensor]:
    """Random arguments for a function of the library."""
    generator = torch.Generator().manual_seed(0)
    parameters = inspect.signature(LIBRARY[name]).parameters
    result: dict[str, Tensor] = {}
    for parameter in parameters:
        size = 4 if name.startswith("quat") and parameter in ("a", "b") else SHAPES.get(parameter)
        shape = (rows,) if size is None else (rows, size)
        value = torch.randn(shape, generator=generator)
        result[parameter] = value / value.norm(dim=-1, keepdim=True) if size == 4 else value
    return result


@pytest.mark.parametrize("name", LIBRARY)
def test_rows_do_not_depend_on_their_neighbours(name: str) -> None:
    arguments = rows_for(name, 33)
    before = {key: value.clone() for key, value in arguments.items()}
    whole = LIBRARY[name](**arguments)
    assert len(whole) == 33
    for row in (0, 7, 32):
        alone = LIBRARY[name](**{key: value[row : row + 1] for key, value in arguments.items()})
        torch.testing.assert_close(alone[0], whole[row])
    assert all(torch.equal(arguments[key], before[key]) for key in before)


@pytest.mark.parametrize("name", LIBRARY)
def test_every_function_says_its_shapes(name: str) -> None:
    documentation = inspect.getdoc(LIBRARY[name]) or ""
    assert "Args:" in documentation
    assert "Returns:" in documentation
    assert "`[M" in documentation


def test_a_quarter_turn_about_z_turns_x_into_y() -> None:
    quarter = turn((0.0, 0.0, 1.0), math.pi / 2)
    x, y = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 1.0, 0.0]])
    torch.testing.assert_close(quat_rotate(quarter, x), y)
    torch.testing.assert_close(quat_rotate_inverse(quarter, y), x)


def test_rotating_by_a_product_is_rotating_twice() -> None:
    a, b = rows_for("quat_mul", 20).values()
    v = torch.randn(20, 3, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(quat_rotate(quat_mul(a, b), v), quat_rotate(a, quat_rotate(b, v)))
    identity = torch.tensor([1.0, 0.0, 0.0, 0.0]).expand(20, 4)
    torch.testing.assert_close(quat_mul(a, quat_conjugate(a)), identity)


def test_one_target_may_serve_all_rows() -> None:
    q = rows_for("quat_conjugate", 5)["q"]
    up = torch.tensor([0.0, 0.0, 1.0])
    torch.testing.assert_close(quat_rotate(q, up), quat_rotate(q, up.expand(5, 3)))
    torch.testing.assert_close(
        quat_rotate(q[0], up.expand(5, 3)), quat_rotate(q[:1], up).expand(5, 3)
    )
    assert quat_angle(q, q[0]).shape == (5,)


@pytest.mark.parametrize("angle", [0.0, 1e-4, 0.5, 3.0, math.pi])
def test_quat_angle_is_the_angle_of_the_rotation_between(angle: float) -> None:
    start = turn((1.0, 0.0, 0.0), 0.7)
    end = quat_mul(turn((0.0, 1.0, 0.0), angle), start)
    for sign in (1.0, -1.0):
        torch.testing.assert_close(
            quat_angle(start, sign * end), torch.tensor([angle]), atol=1e-6, rtol=1e-5
        )


def test_angles_wrap_to_minus_pi_and_pi() -> None:
    angles = torch.tensor([0.0, 3.0, 4.0, -4.0, 9.0])
    wrapped = wrap_angle(angles)
    assert wrapped.abs().max() <= math.pi
    torch.testing.assert_close(wrapped.cos(), angles.cos())
    torch.testing.assert_close(
        angle_difference(torch.tensor([3.0]), torch.tensor([-3.0])), torch.tensor([6 - 2 * math.pi])
    )


def test_norms_can_be_divided_by() -> None:
    assert safe_norm(torch.tensor([[3.0, 4.0]])).tolist() == [5.0]
    assert torch.isfinite(1 / safe_norm(torch.zeros(2, 3))).all()


def test_kernels_have_their_documented_values() -> None:
    x = torch.tensor([0.0, 0.5, -0.5, 50.0])
    for kernel in (gaussian_kernel, laplace_kernel):
        expected = torch.tensor([1.0, math.exp(-1), math.exp(-1), 0.0])
        torch.testing.assert_close(kernel(x, 0.5), expected)
    inside_edge_margin = torch.tensor([1.5, 2.0, 1.0, 2.5, 0.5])
    expected = torch.tensor([1.0, 1.0, 1.0, 0.1, 0.1])
    torch.testing.assert_close(tolerance(inside_edge_margin, 1.0, 2.0, 0.5), expected)


def test_progress_is_positive_toward_the_target() -> None:
    assert progress(torch.tensor([1.0, 2.0]), torch.tensor([1.5, 1.0])).tolist() == [0.5, -1.0]
