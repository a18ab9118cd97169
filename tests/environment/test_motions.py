"""Changes of recordings that move the robot as a whole."""

import numpy as np

from eureka_agent.environment.contrasts import carried, shaken, slowed


def recording() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {
        "position": generator.normal(size=(6, 3, 2)).astype(np.float32),
        "velocity": generator.normal(size=(6, 3, 2)).astype(np.float32),
        "pitch": generator.normal(size=(6, 3)).astype(np.float32),
        "pitch_rate": generator.normal(size=(6, 3)).astype(np.float32),
        "action": generator.uniform(-1, 1, size=(5, 3, 4)).astype(np.float32),
    }


def test_a_robot_is_carried_along_one_axis_from_where_it_was_reset() -> None:
    recorded = recording()
    result = carried(("position", "velocity", 0), 2.0, control_step=0.5)(recorded)
    moved = result["position"][..., 0] - recorded["position"][0, :, 0]
    assert np.allclose(moved, np.arange(6.0)[:, None])
    assert (result["velocity"][1:, :, 0] == 2.0).all()
    assert np.array_equal(result["velocity"][0], recorded["velocity"][0])
    for name in ("position", "velocity"):
        assert np.array_equal(result[name][..., 1], recorded[name][..., 1])


def test_an_angle_turns_at_a_steady_rate() -> None:
    recorded = recording()
    result = carried(("pitch", "pitch_rate", None), -3.0, control_step=0.1)(recorded)
    assert np.allclose(result["pitch"][5] - recorded["pitch"][0], -1.5)
    assert (result["pitch_rate"][1:] == -3.0).all()


def test_what_is_slowed_gets_less_far_from_the_reset() -> None:
    recorded = recording()
    result = slowed({"position": [0], "pitch": None}, 0.5)(recorded)
    gone = recorded["position"] - recorded["position"][0]
    assert np.allclose(
        (result["position"] - recorded["position"][0])[..., 0], 0.5 * gone[..., 0], atol=1e-6
    )
    assert np.array_equal(result["position"][..., 1], recorded["position"][..., 1])
    assert np.allclose(result["pitch"][0], recorded["pitch"][0])


def test_motors_tremble_within_their_range() -> None:
    recorded = {"action": np.zeros((4, 1, 2), dtype=np.float32)}
    assert shaken(0.5)(recorded)["action"][:, 0, 0].tolist() == [0.5, -0.5, 0.5, -0.5]
    assert np.abs(shaken(0.5)(recording())["action"]).max() <= 1.0


def test_a_change_leaves_the_recording_as_it_was() -> None:
    recorded, columns = recording(), {"position": [0]}
    carried(("position", "velocity", 0), 2.0, 0.5)(recorded)
    slowed(columns)(recorded)
    shaken()(recorded)
    assert all(np.array_equal(value, recording()[name]) for name, value in recorded.items())
