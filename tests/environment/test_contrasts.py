"""The contrasts that environments declare are about their signals, and their experts agree."""

import numpy as np
import pytest
import torch
from recorded import roamed

from eureka_agent.common.paths import data_folder
from eureka_agent.critic.examination import contrast_result
from eureka_agent.critic.examiner import sustained
from eureka_agent.environment import Environment, Episodes, find_environment
from eureka_agent.environment.contrasts import CONTRASTS_FILE, UNTRAINED, Change, load_contrasts
from eureka_agent.reward import parse
from eureka_agent.workers.probe.score import score_episodes

SPEED = 3.0
NAMES = sorted(path.parent.name for path in data_folder("envs").glob(f"*/{CONTRASTS_FILE}"))


def good(environment: Environment) -> Episodes:
    """Random motion of the joints, under which the task is done all the same."""
    (seen,) = roamed(environment, "waves")
    episodes = seen.episodes
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
    episodes = good(environment)
    (untrained,) = roamed(environment, "waves")
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
