"""Proximal policy optimisation for K lanes at once: advantages and the update.

Schulman et al., "Proximal policy optimization algorithms" (2017), equation 7, with generalised
advantage estimation (Schulman et al., 2016, equation 16) and a learning rate that follows the KL
divergence, as is usual for batched simulators. No step mixes lanes: every reduction is within one.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from eureka_agent.environment import TrainingSettings
from eureka_agent.training.networks import PolicyStack
from eureka_agent.training.optimiser import LaneAdam

SMALLEST_RATE, LARGEST_RATE, RATE_FACTOR = 1e-5, 1e-2, 1.5
TINY = 1e-30


def advantages(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    ended: Tensor,
    discount: float,
    gae_lambda: float,
) -> Tensor:
    """Generalised advantage estimation, all `[T, K, N]`.

    Args:
        rewards: of each step.
        values: of the state before the step.
        next_values: of the state after it and before any reset: a time limit cuts the episode, not
            what it would have earned.
        terminated: whether nothing follows.
        ended: terminated or cut by the time limit.
        discount: per step.
        gae_lambda: the lambda of the estimator.
    """
    deltas = rewards + discount * next_values * (~terminated) - values
    result = torch.empty_like(deltas)
    following = torch.zeros_like(deltas[0])
    for t in reversed(range(len(deltas))):
        following = deltas[t] + discount * gae_lambda * following * (~ended[t])
        result[t] = following
    return result


def normalised(advantage: Tensor) -> Tensor:
    """Advantages `[K, B]` with mean 0 and spread 1 per lane, whatever their scale."""
    centred = advantage - advantage.mean(1, keepdim=True)
    spread = centred.square().mean(1, keepdim=True).sqrt()
    return centred / spread.clamp(min=TINY)


def log_probability(action: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Log density of actions `[K, B, A]` under Gaussians; `log_std` broadcasts."""
    scaled = (action - mean) * torch.exp(-log_std)
    return (-0.5 * scaled.square() - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)


@dataclass
class Batch:
    """One rollout of every lane, rows flattened: `B = T·N`.

    Attributes:
        observation: normalised `[K, B, D]`.
        action: as sampled, before clipping `[K, B, A]`.
        mean: of the policy that sampled `[K, B, A]`.
        log_std: of the policy that sampled `[K, 1, A]`.
        log_prob: of the actions `[K, B]`.
        advantage: normalised `[K, B]`.
        target: normalised returns `[K, B]`.
    """

    observation: Tensor
    action: Tensor
    mean: Tensor
    log_std: Tensor
    log_prob: Tensor
    advantage: Tensor
    target: Tensor

    def take(self, rows: Tensor) -> "Batch":
        """The given rows `[K, b]` of each lane."""
        lanes = torch.arange(rows.shape[0])[:, None]
        return Batch(
            self.observation[lanes, rows],
            self.action[lanes, rows],
            self.mean[lanes, rows],
            self.log_std,
            self.log_prob[lanes, rows],
            self.advantage[lanes, rows],
            self.target[lanes, rows],
        )


def update(
    stack: PolicyStack,
    optimiser: LaneAdam,
    batch: Batch,
    orders: Tensor,
    learning: Tensor,
    settings: TrainingSettings,
) -> dict[str, Tensor]:
    """Run all epochs on one rollout.

    Args:
        stack: the policies; `stack.flat` is moved in place.
        optimiser: theirs.
        batch: the rollout.
        orders: a permutation of the rows per epoch and lane `[epochs, K, B]`.
        learning: which lanes move; the others only take up room `[K]` bool.
        settings: the environment's.

    Returns:
        Diagnostics per lane `[K]`, means over the minibatches: `kl`, `clip_share`, `value_loss`,
        `gradient_norm`.
    """
    sums: dict[str, Tensor] = {}
    count = 0
    for order in orders:
        for rows in order.chunk(settings.minibatches, dim=1):
            part = batch.take(rows)
            gradient, measured = _gradient(stack, part, settings)
            _follow_kl(optimiser.learning_rate, measured["kl"], settings.kl_target)
            gradient = torch.where(learning[:, None], gradient, 0.0)
            measured["gradient_norm"] = optimiser.step(gradient)
            for name, value in measured.items():
                sums[name] = sums[name] + value if name in sums else value
            count += 1
    return {name: total / count for name, total in sums.items()}


@torch.enable_grad()
def _gradient(
    stack: PolicyStack, part: Batch, settings: TrainingSettings
) -> tuple[Tensor, dict[str, Tensor]]:
    stack.flat.requires_grad_(True)
    views = stack.views()
    mean = stack.actor(views, part.observation)
    log_std = views["log_std"][:, None, :]
    ratio = torch.exp(log_probability(part.action, mean, log_std) - part.log_prob)
    clipped = ratio.clamp(1 - settings.clip, 1 + settings.clip)
    gain = torch.minimum(part.advantage * ratio, part.advantage * clipped).mean(1)
    value_loss = (stack.critic(views, part.observation) - part.target).square().mean(1)
    entropy = log_std.sum((1, 2))
    loss = -gain + settings.value_weight * value_loss - settings.entropy * entropy
    # The sum over lanes is only a way to ask for all gradients at once: lanes share no parameter.
    (gradient,) = torch.autograd.grad(loss.sum(), stack.flat)
    stack.flat.requires_grad_(False)
    with torch.no_grad():
        measured = {
            "kl": _kl(part.mean, part.log_std, mean.detach(), log_std.detach()),
            "clip_share": ((ratio - 1).abs() > settings.clip).float().mean(1),
            "value_loss": value_loss.detach(),
        }
    return gradient, measured


def _kl(old_mean: Tensor, old_log_std: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Mean divergence of new from old Gaussians per lane `[K]`."""
    shift = (old_mean - mean).square() * torch.exp(-2 * log_std)
    spread = torch.exp(2 * (old_log_std - log_std))
    return (log_std - old_log_std + 0.5 * (spread + shift - 1)).sum(-1).mean(1)


def _follow_kl(rate: Tensor, kl: Tensor, target: float) -> None:
    """Slow down lanes that moved more than twice the target, speed up those below half of it.

    A lane that has not moved at all says nothing about its rate: while a sparse reward has paid
    nothing yet, the rate would only climb, and the first reward would meet it at its ceiling.
    """
    slower, faster = kl > 2 * target, (kl > 0) & (kl < target / 2)
    rate[slower] = (rate[slower] / RATE_FACTOR).clamp(min=SMALLEST_RATE)
    rate[faster] = (rate[faster] * RATE_FACTOR).clamp(max=LARGEST_RATE)
