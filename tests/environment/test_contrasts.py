"""Contrasts change recordings as stated, and human rewards agree with declared ones."""

import copy

import numpy as np
import pytest
import torch
from recorded import roamed

from eureka_agent.common.paths import data_folder
from eureka_agent.critic.examination import contrast_result
from eureka_agent.critic.examiner import sustained
from eureka_agent.environment import Environment, Episodes, find_environment
from eureka_agent.environment.contrasts import (
    CONTRASTS_FILE,
    UNTRAINED,
    Change,
    carried,
    load_contrasts,
    shaken,
    slowed,
)
from eureka_agent.reward import parse
from eureka_agent.workers.probe.score import score_episodes

SPEED = 3.0
NAMES = sorted(path.parent.name for path in data_folder("envs").glob(f"*/{CONTRASTS_FILE}"))


def good(environment: Environment, moving: Episodes) -> Episodes:
    """The same motion of the joints, and the task done all the same."""
    episodes = copy.deepcopy(moving)
    named = {s.name for s in environment.layout.signals}
    if "pole_up" in named:
        environment.layout.read(episodes.states, "pole_up").fill_(1.0)
    else:
        time = torch.arange(len(episodes.states)) * environment.control_step
        environment.layout.read(episodes.states, "torso_velocity")[1:, ..., 0] = SPEED
        environment.layout.read(episodes.states, "torso_position")[..., 0] = SPEED * time[:, None]
    episodes.lengths.fill_(len(episodes.actions))
    episodes.terminated.fill_(False)
    return episodes


def changed(environment: Environment, episodes: Episodes, change: Change) -> Episodes:
    layout = environment.layout
    recorded = {s.name: layout.read(episodes.states, s.name).numpy() for s in layout.signals}
    result = change({**recorded, "action": episodes.actions.numpy()})
    values = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in result.items()}
    states = torch.cat(
        [values[s.name] if s.size else values[s.name][..., None] for s in layout.signals], dim=-1
    )
    return Episodes(states, values["action"], episodes.lengths, episodes.terminated)


def test_some_environments_declare_contrasts() -> None:
    assert {"ant", "cartpole", "half_cheetah", "hopper", "walker2d"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_human_reward_moves_as_its_contrasts_say(name: str) -> None:
    environment = find_environment(name)
    assert environment.human_reward_path is not None
    program = parse(environment.human_reward_path.read_text(), environment.signals_described)
    (untrained,) = roamed(environment, "waves")
    episodes = good(environment, untrained.episodes)
    begun = sustained(untrained.episodes, environment)

    def pay(of: Episodes) -> np.ndarray:
        paid = score_episodes(program, of, environment.layout, False)["total"]
        return paid.sum(axis=0, dtype=np.float64)

    at_stake = abs(float(np.median(pay(episodes)) - np.median(pay(begun))))
    for contrast in load_contrasts(environment):
        if contrast.change is None:
            continue
        base = begun if contrast.kind == UNTRAINED else episodes
        others = changed(environment, base, contrast.change)
        result = contrast_result(contrast, pay(base), pay(others), at_stake)
        assert result.count == len(base.lengths)
        assert result.share == 1.0, result.reason


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


def test_slowed_quantities_get_less_far_from_the_reset() -> None:
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
