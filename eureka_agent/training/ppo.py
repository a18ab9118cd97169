"""Proximal policy optimisation for K lanes at once: advantages and the update.

Schulman et al., "Proximal policy optimization algorithms" (2017), equation 7, with generalised
advantage estimation (Schulman et al., 2016, equation 16) and a learning rate that follows the KL
divergence, as is usual for batched simulators. No step mixes lanes: every reduction is within one.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from eureka_agent.environment import Stateful, Step, TrainingSettings, Transitions, Worlds
from eureka_agent.training.networks import PolicyStack

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-5


class LaneAdam(Stateful):
    """Adam (Kingma and Ba, 2015, algorithm 1) on the rows of one `[K, P]` tensor.

    Stock optimisers and `clip_grad_norm_` couple lanes through shared step counts, learning rates
    and norms; here every row is on its own.

    Attributes:
        learning_rate: per lane `[K]`.
    """

    STATE: ClassVar = ("learning_rate", "_steps", "_first", "_second")

    def __init__(self, parameters: Tensor, learning_rate: float, largest_norm: float) -> None:
        lanes = parameters.shape[0]
        self._parameters = parameters
        self._start = learning_rate
        self._largest_norm = largest_norm
        self.learning_rate = torch.full((lanes,), learning_rate, device=parameters.device)
        self._steps = torch.zeros(lanes, 1, device=parameters.device)
        self._first = torch.zeros_like(parameters)
        self._second = torch.zeros_like(parameters)

    def reset(self, lane: int) -> None:
        """Forget a lane's moments and put its learning rate back to the start."""
        self.learning_rate[lane] = self._start
        self._steps[lane] = 0.0
        self._first[lane] = 0.0
        self._second[lane] = 0.0

    @torch.no_grad()
    def step(self, gradient: Tensor) -> Tensor:
        """Clip each row of the gradient `[K, P]` and move; returns the norms `[K]`."""
        norm = gradient.square().sum(1, keepdim=True).sqrt()
        gradient = gradient * (self._largest_norm / norm.clamp(min=self._largest_norm))
        self._steps += 1
        self._first.lerp_(gradient, 1 - BETA_1)
        self._second.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
        first = self._first / (1 - BETA_1**self._steps)
        second = self._second / (1 - BETA_2**self._steps)
        update = self.learning_rate[:, None] * first / (second.sqrt() + EPSILON)
        self._parameters.sub_(update)
        return norm[:, 0]


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
    return _log_density((action - mean) * torch.exp(-log_std), log_std)


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

    def packed(self) -> Tensor:
        """Everything that differs between rows, side by side `[K, B, D + 2A + 3]`.

        So a minibatch is gathered by one copy of whole rows instead of one per quantity.
        """
        scalars = torch.stack([self.log_prob, self.advantage, self.target], dim=2)
        return torch.cat([self.observation, self.action, self.mean, scalars], dim=2)

    def unpacked(self, rows: Tensor) -> "Batch":
        """The batch of some packed rows `[K, b, D + 2A + 3]`, as views."""
        d, a = self.observation.shape[2], self.action.shape[2]
        observation, action, mean, scalars = rows.split([d, a, a, 3], dim=2)
        log_prob, advantage, target = scalars.unbind(2)
        return Batch(observation, action, mean, self.log_std, log_prob, advantage, target)


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
    packed = batch.packed()
    lanes, size, width = packed.shape
    flat = packed.view(lanes * size, width)
    first = size * torch.arange(lanes, device=packed.device)[:, None]
    for order in orders:
        for rows in order.chunk(settings.minibatches, dim=1):
            chosen = flat.index_select(0, (rows + first).reshape(-1))
            part = batch.unpacked(chosen.view(lanes, -1, width))
            measured = _differentiate(stack, part, settings)
            _follow_kl(optimiser.learning_rate, measured["kl"], settings.kl_target)
            gradient = torch.where(learning[:, None], stack.gradient, 0.0)
            measured["gradient_norm"] = optimiser.step(gradient)
            for name, value in measured.items():
                sums[name] = sums[name] + value if name in sums else value
            count += 1
    return {name: total / count for name, total in sums.items()}


def _differentiate(
    stack: PolicyStack, part: Batch, settings: TrainingSettings
) -> dict[str, Tensor]:
    """Write the gradient of the loss into the stack; returns diagnostics per lane `[K]`."""
    mean, actor_inputs = stack.actor.forward(part.observation)
    log_std = stack.log_std[:, None, :]
    per_spread = torch.exp(-log_std)
    scaled = (part.action - mean) * per_spread
    ratio = torch.exp(_log_density(scaled, log_std) - part.log_prob)
    clipped = ratio.clamp(1 - settings.clip, 1 + settings.clip)
    gain, least_gain = part.advantage * ratio, part.advantage * clipped
    # d loss / d log density: of the smaller of both gains, which is flat where it is the clipped.
    slope = torch.where(gain <= least_gain, gain, 0.0) * (-1.0 / ratio.shape[1])
    stack.actor.backward(slope[..., None] * scaled * per_spread, actor_inputs)
    spread_slope = (slope[..., None] * (scaled.square() - 1)).sum(1)
    stack.log_std_gradient.copy_(spread_slope - settings.entropy)
    value, critic_inputs = stack.critic.forward(part.observation)
    error = value - part.target[..., None]
    stack.critic.backward(error * (2 * settings.value_weight / error.shape[1]), critic_inputs)
    return {
        "kl": _kl(part.mean, part.log_std, mean, log_std),
        "clip_share": ((ratio - 1).abs() > settings.clip).float().mean(1),
        "value_loss": error.square().mean((1, 2)),
    }


def _log_density(scaled: Tensor, log_std: Tensor) -> Tensor:
    """Log density `[K, B]` of actions that lie `scaled [K, B, A]` spreads from the mean."""
    constant = log_std.sum(-1) + 0.5 * math.log(2 * math.pi) * log_std.shape[-1]
    return -0.5 * scaled.square().sum(-1) - constant


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
    rate.copy_(torch.where(slower, (rate / RATE_FACTOR).clamp(min=SMALLEST_RATE), rate))
    rate.copy_(torch.where(faster, (rate * RATE_FACTOR).clamp(max=LARGEST_RATE), rate))


class RolloutBuffer:
    """`T` steps of `W = K·N` worlds.

    Attributes:
        observation: what the policy saw `[T, W, D]`.
        final_observation: what it would see after the step, before any reset `[T, W, D]`.
        sampled: actions before clipping `[T, W, A]`.
        mean: means they were sampled around `[T, W, A]`.
        transitions: what programs read.
        truncated: episodes cut by the time limit `[T, W]`.
        diverged: worlds whose physics failed `[T, W]`.
    """

    def __init__(self, worlds: Worlds, horizon: int) -> None:
        n, a = worlds.n, worlds.action_size
        d, s = worlds.observation.shape[1], worlds.layout.width

        def floats(*size: int) -> Tensor:
            return torch.zeros(horizon, n, *size, device=worlds.observation.device)

        def flags() -> Tensor:
            return torch.zeros(horizon, n, dtype=torch.bool, device=worlds.observation.device)

        self.observation, self.final_observation = floats(d), floats(d)
        self.sampled, self.mean = floats(a), floats(a)
        self.truncated, self.diverged = flags(), flags()
        self.transitions = Transitions(
            before=floats(s),
            after=floats(s),
            action=floats(a),
            prev_action=floats(a),
            terminated=flags(),
            time_left=floats(),
            fresh=flags(),
        )

    def store(
        self, t: int, observation: Tensor, mean: Tensor, sampled: Tensor, action: Tensor, step: Step
    ) -> None:
        """Write step `t`."""
        self.observation[t], self.mean[t], self.sampled[t] = observation, mean, sampled
        self.final_observation[t] = step.final_observation
        self.truncated[t], self.diverged[t] = step.truncated, step.diverged
        part = self.transitions
        part.before[t], part.after[t] = step.before, step.after
        part.action[t], part.prev_action[t] = action, step.prev_action
        part.terminated[t], part.time_left[t] = step.terminated, step.time_left
        part.fresh[t] = step.fresh
