"""The pieces of the update, against values worked out by hand."""

import math

import pytest
import torch

from eureka_agent.environment import TrainingSettings
from eureka_agent.training import PolicyStack, ppo
from eureka_agent.training.networks import initial_weights
from eureka_agent.training.normalise import ObservationNormaliser, PopArt
from eureka_agent.training.ppo import LaneAdam


def advantages(
    rewards: list[float], terminated: list[bool], ended: list[bool], gae_lambda: float = 1.0
) -> list[float]:
    steps = len(rewards)
    values = torch.full((steps, 1, 1), 10.0)
    return (
        ppo.gae(
            torch.tensor(rewards).view(-1, 1, 1),
            values,
            values,
            torch.tensor(terminated).view(-1, 1, 1),
            torch.tensor(ended).view(-1, 1, 1),
            0.5,
            gae_lambda,
        )
        .flatten()
        .tolist()
    )


def test_a_time_limit_does_not_take_away_what_would_have_followed() -> None:
    # 1 + 0.5 * 10 - 10 at a limit; 1 - 10 at a true end.
    assert advantages([1.0], [False], [True]) == [-4.0]
    assert advantages([1.0], [True], [True]) == [-9.0]


def test_nothing_flows_back_over_an_episodes_end() -> None:
    cut = advantages([1.0, 100.0], [False, False], [True, False])
    assert cut[0] == -4.0
    assert advantages([1.0, 100.0], [False, False], [False, False])[0] == -4.0 + 0.5 * 95.0


def test_lambda_zero_is_one_step() -> None:
    assert advantages([1.0, 100.0], [False] * 2, [False] * 2, gae_lambda=0.0)[0] == -4.0


def test_log_probability_is_the_gaussian_one() -> None:
    action, mean, log_std = (
        torch.tensor([[0.3, -1.0]]),
        torch.zeros(1, 2),
        torch.tensor([0.1, -0.5]),
    )
    expected = torch.distributions.Normal(mean, log_std.exp()).log_prob(action).sum(-1)
    torch.testing.assert_close(ppo.log_probability(action, mean, log_std), expected)


def test_normalised_advantages_do_not_know_their_scale() -> None:
    raw = torch.randn(2, 50)
    torch.testing.assert_close(ppo.normalise_advantages(raw), ppo.normalise_advantages(raw * 1e6))
    assert ppo.normalise_advantages(torch.zeros(1, 5)).tolist() == [[0.0] * 5]


def test_adam_equals_torchs_on_one_lane_and_leaves_a_still_lane_alone() -> None:
    torch.manual_seed(0)
    parameters = torch.randn(2, 6)
    reference = parameters[0].clone().requires_grad_()
    still = parameters[1].clone()
    ours = LaneAdam(parameters, 0.01, max_grad_norm=0.5)
    theirs = torch.optim.Adam([reference], lr=0.01, eps=1e-5)
    for _ in range(5):
        gradient = torch.randn(2, 6)
        gradient[1] = 0.0
        reference.grad = gradient[0].clone()
        torch.nn.utils.clip_grad_norm_([reference], 0.5)
        ours.step(gradient)
        theirs.step()
    torch.testing.assert_close(parameters[0], reference.detach(), rtol=1e-5, atol=1e-6)
    assert torch.equal(parameters[1], still)


def test_observations_are_normalised_by_everything_seen() -> None:
    normaliser = ObservationNormaliser(1, 2)
    batches = [torch.randn(1, 30, 2) * 3 + 5 for _ in range(3)]
    for batch in batches:
        normaliser.update(batch)
    everything = torch.cat(batches, dim=1)[0]
    mean, std = normaliser.mean_and_std()
    torch.testing.assert_close(mean[0], everything.mean(0))
    torch.testing.assert_close(std[0], everything.std(0, unbiased=False))


def test_a_constant_observation_does_not_explode() -> None:
    normaliser = ObservationNormaliser(1, 1)
    normaliser.update(torch.full((1, 10, 1), 3.0))
    assert normaliser(torch.full((1, 1, 1), 3.01)).abs().item() < 100


@pytest.mark.parametrize("activation", ["tanh", "elu", "relu"])
def test_the_gradient_is_the_one_of_automatic_differentiation(activation: str) -> None:
    lanes, rows, observations, actions = 2, 30, 5, 3
    settings = TrainingSettings(
        hidden=(8, 8), activation=activation, clip_range=0.1, ent_coef=0.01, vf_coef=0.7
    )
    stack = PolicyStack(initial_weights(observations, actions, settings, 0), lanes, activation)
    for lane in range(lanes):
        stack.load(lane, initial_weights(observations, actions, settings, lane))
    torch.manual_seed(0)
    observation = torch.randn(lanes, rows, observations)
    action, old = torch.randn(lanes, rows, actions), torch.randn(lanes, rows, actions)
    part = ppo.Batch(
        observation=observation,
        action=action,
        mean=old,
        log_std=torch.zeros(lanes, 1, actions),
        # Near the present density, so that ratios lie inside and outside the clip range.
        log_prob=ppo.log_probability(action, stack.actor(observation), stack.log_std[:, None])
        + 0.3 * torch.randn(lanes, rows),
        advantage=torch.randn(lanes, rows),
        target=torch.randn(lanes, rows),
    )
    measured = ppo._backward(stack, part, settings)
    assert 0.1 < measured["clip_share"][0] < 0.9

    parameters = stack.flat.clone().requires_grad_()
    views = stack._by_name(parameters)
    module = {"tanh": torch.tanh, "elu": torch.nn.functional.elu, "relu": torch.relu}[activation]

    def network(hidden: str, last: str) -> torch.Tensor:
        x = observation
        for name in (f"mlp_extractor.{hidden}.0", f"mlp_extractor.{hidden}.2", last):
            x = x @ views[f"{name}.weight"].transpose(1, 2) + views[f"{name}.bias"][:, None]
            x = x if name == last else module(x)
        return x

    normal = torch.distributions.Normal(
        network("policy_net", "action_net"), views["log_std"].exp()[:, None]
    )
    ratio = (normal.log_prob(action).sum(-1) - part.log_prob).exp()
    gain = torch.minimum(part.advantage * ratio, part.advantage * ratio.clamp(0.9, 1.1)).mean(1)
    value_loss = (network("value_net", "value_net")[..., 0] - part.target).square().mean(1)
    loss = -gain + 0.7 * value_loss - 0.01 * views["log_std"].sum(1)
    (expected,) = torch.autograd.grad(loss.sum(), parameters)
    torch.testing.assert_close(stack.gradient, expected, rtol=1e-4, atol=1e-6)


def test_rescaling_values_keeps_what_they_mean() -> None:
    normaliser = PopArt(1)
    normaliser.update(torch.randn(1, 100) * 4 + 7)
    predicted = torch.randn(1, 20)
    before = normaliser.denormalise(predicted)
    factor, offset = normaliser.update(torch.randn(1, 100) * 40 - 3)
    after = normaliser.denormalise(predicted * factor[:, None] + offset[:, None])
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)


def test_values_are_zero_before_any_return_was_seen() -> None:
    assert PopArt(1).denormalise(torch.randn(1, 5)).abs().sum() == 0


def test_the_learning_rate_follows_the_divergence_per_lane() -> None:
    rate = torch.tensor([1e-3, 1e-3, 1e-3])
    ppo._adapt_learning_rate(rate, torch.tensor([0.5, 0.01, 0.001]), target_kl=0.01)
    assert rate.tolist() == pytest.approx([1e-3 / 1.5, 1e-3, 1.5e-3])
    assert math.isclose(rate[1].item(), 1e-3, rel_tol=1e-6)


def test_a_policy_that_does_not_move_keeps_its_learning_rate() -> None:
    rate = torch.tensor([1e-3])
    for _ in range(100):
        ppo._adapt_learning_rate(rate, torch.tensor([0.0]), target_kl=0.01)
    assert rate.item() == pytest.approx(1e-3)
