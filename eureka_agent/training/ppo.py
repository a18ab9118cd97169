"""PPO for K policies at once: the rollout buffer, advantage estimation and the update.

Schulman et al., "Proximal Policy Optimization Algorithms" (2017), with generalised advantage
estimation (Schulman et al., 2016) and a learning rate that follows the KL divergence, as is usual
for batched simulators (rsl_rl). In shapes, K is lanes (policies), T is `n_steps`, N is worlds per
lane and B = T·N is the rows of a lane's rollout. Every reduction stays within a lane, so a lane's
result does not depend on its neighbours.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from eureka_agent.environment import Stateful, Step, TrainingSettings, Transitions, Worlds
from eureka_agent.training.networks import PolicyStack

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-5
MIN_LEARNING_RATE, MAX_LEARNING_RATE, LEARNING_RATE_FACTOR = 1e-5, 1e-2, 1.5
TINY = 1e-30
"""Smallest standard deviation that advantages are divided by."""


class RolloutBuffer:
    """`T` steps of `W = K·N` worlds.

    Attributes:
        observation: input of the policy `[T, W, D]`.
        final_observation: that after the step, before any reset `[T, W, D]`.
        sampled: actions before clipping `[T, W, A]`.
        mean: means they were sampled around `[T, W, A]`.
        transitions: input of reward programs.
        truncated: episodes cut by the time limit `[T, W]`.
        diverged: worlds whose physics failed `[T, W]`.
    """

    def __init__(self, worlds: Worlds, n_steps: int) -> None:
        n, a = worlds.n, worlds.action_size
        d, s = worlds.observation.shape[1], worlds.layout.width

        def floats(*size: int) -> Tensor:
            return torch.zeros(n_steps, n, *size, device=worlds.observation.device)

        def flags() -> Tensor:
            return torch.zeros(n_steps, n, dtype=torch.bool, device=worlds.observation.device)

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
        """Write step `t`; `action` is `sampled` clipped to [-1, 1]."""
        self.observation[t], self.mean[t], self.sampled[t] = observation, mean, sampled
        self.final_observation[t] = step.final_observation
        self.truncated[t], self.diverged[t] = step.truncated, step.diverged
        stored, transitions = vars(self.transitions), vars(step.rollout(action))
        for name, value in transitions.items():
            stored[name][t] = value[0]


def gae(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    done: Tensor,
    gamma: float,
    gae_lambda: float,
) -> Tensor:
    """Generalised advantage estimates (Schulman et al., 2016, equation 16).

    All tensors are `[T, K, N]`.

    Args:
        rewards: of each step.
        values: V(s_t), of the state before the step.
        next_values: V(s_t+1), of the state after the step and before any reset: a time limit cuts
            the episode but not its return, so the value of the last state stands in for the rest.
        terminated: whether the episode ended, so that nothing follows.
        done: terminated or truncated by the time limit.
        gamma: discount per step.
        gae_lambda: trade-off between bias (0) and variance (1).
    """
    # delta_t = r_t + gamma V(s_t+1) - V(s_t), where the value of a terminal state is 0
    deltas = rewards + gamma * next_values * (~terminated) - values
    # A_t = delta_t + gamma lambda A_t+1, which starts again where an episode ended
    advantages = torch.empty_like(deltas)
    advantage = torch.zeros_like(deltas[0])
    for t in reversed(range(len(deltas))):
        advantage = deltas[t] + gamma * gae_lambda * advantage * (~done[t])
        advantages[t] = advantage
    return advantages


def normalise_advantages(advantage: Tensor) -> Tensor:
    """Advantages `[K, B]` with mean 0 and standard deviation 1 per lane."""
    centred = advantage - advantage.mean(1, keepdim=True)
    std = centred.square().mean(1, keepdim=True).sqrt()
    return centred / std.clamp(min=TINY)


def log_probability(action: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Log density `[K, B]` of actions `[K, B, A]` under Gaussians; `log_std` broadcasts."""
    return _log_density((action - mean) * torch.exp(-log_std), log_std)


@dataclass
class Batch:
    """Rows of a rollout, for every lane.

    Attributes:
        observation: normalised `[K, B, D]`.
        action: as sampled, before clipping `[K, B, A]`.
        mean: of the policy that sampled `[K, B, A]`.
        log_std: of the policy that sampled `[K, 1, A]`.
        log_prob: of the actions under that policy `[K, B]`.
        advantage: normalised `[K, B]`.
        target: normalised returns, which the value network is fitted to `[K, B]`.
    """

    observation: Tensor
    action: Tensor
    mean: Tensor
    log_std: Tensor
    log_prob: Tensor
    advantage: Tensor
    target: Tensor

    def pack(self) -> Tensor:
        """All quantities per row side by side `[K, B, D + 2A + 3]`.

        So a minibatch is gathered by one copy of whole rows instead of one per quantity.
        """
        scalars = torch.stack([self.log_prob, self.advantage, self.target], dim=2)
        return torch.cat([self.observation, self.action, self.mean, scalars], dim=2)

    def unpack(self, rows: Tensor) -> "Batch":
        """The batch of some packed rows `[K, b, D + 2A + 3]`, as views."""
        d, a = self.observation.shape[2], self.action.shape[2]
        observation, action, mean, scalars = rows.split([d, a, a, 3], dim=2)
        log_prob, advantage, target = scalars.unbind(2)
        return Batch(observation, action, mean, self.log_std, log_prob, advantage, target)


class LaneAdam(Stateful):
    """Adam (Kingma and Ba, 2015, algorithm 1) on the rows of one `[K, P]` tensor.

    Stock optimisers and `clip_grad_norm_` share step counts, learning rates and norms between
    lanes; here every row has its own.

    Attributes:
        learning_rate: per lane `[K]`.
    """

    STATE: ClassVar = ("learning_rate", "_steps", "_first", "_second")

    def __init__(self, parameters: Tensor, learning_rate: float, max_grad_norm: float) -> None:
        lanes = parameters.shape[0]
        self._parameters = parameters
        self._initial_rate, self._max_grad_norm = learning_rate, max_grad_norm
        self.learning_rate = torch.full((lanes,), learning_rate, device=parameters.device)
        self._steps = torch.zeros(lanes, 1, device=parameters.device)
        self._first = torch.zeros_like(parameters)
        self._second = torch.zeros_like(parameters)

    def reset(self, lane: int) -> None:
        """Forget a lane's moments and put its learning rate back to the start."""
        self.learning_rate[lane] = self._initial_rate
        for moment in (self._steps, self._first, self._second):
            moment[lane] = 0.0

    @torch.no_grad()
    def step(self, gradient: Tensor) -> Tensor:
        """Clip each row of the gradient `[K, P]` and move; returns the norms before `[K]`."""
        norm = gradient.square().sum(1, keepdim=True).sqrt()
        gradient = gradient * (self._max_grad_norm / norm.clamp(min=self._max_grad_norm))
        self._steps += 1
        # m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2
        self._first.lerp_(gradient, 1 - BETA_1)
        self._second.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
        # theta <- theta - lr m^ / (sqrt(v^) + eps), where m^ and v^ correct the bias of the start
        first = self._first / (1 - BETA_1**self._steps)
        second = self._second / (1 - BETA_2**self._steps)
        update = self.learning_rate[:, None] * first / (second.sqrt() + EPSILON)
        self._parameters.sub_(update)
        return norm[:, 0]


def update(
    stack: PolicyStack,
    optimiser: LaneAdam,
    batch: Batch,
    permutations: Tensor,
    learning: Tensor,
    settings: TrainingSettings,
) -> dict[str, Tensor]:
    """Run `n_epochs` passes of minibatch updates over one rollout.

    Args:
        stack: the policies; `stack.flat` is moved in place.
        optimiser: theirs.
        batch: the rollout.
        permutations: the order of the rows in each epoch `[n_epochs, K, B]`.
        learning: the lanes that move; the others only take up room `[K]` bool.
        settings: hyper-parameters.

    Returns:
        Diagnostics per lane `[K]`, means over the minibatches: `kl`, `clip_share`, `value_loss`,
        `gradient_norm`.
    """
    sums: dict[str, Tensor] = {}
    count = 0
    packed = batch.pack()
    lanes, size, width = packed.shape
    flat = packed.view(lanes * size, width)
    first = size * torch.arange(lanes, device=packed.device)[:, None]
    for permutation in permutations:
        for rows in permutation.chunk(settings.minibatches, dim=1):
            chosen = flat.index_select(0, (rows + first).reshape(-1))
            minibatch = batch.unpack(chosen.view(lanes, -1, width))
            measured = _backward(stack, minibatch, settings)
            _adapt_learning_rate(optimiser.learning_rate, measured["kl"], settings.target_kl)
            gradient = torch.where(learning[:, None], stack.gradient, 0.0)
            measured["gradient_norm"] = optimiser.step(gradient)
            for name, value in measured.items():
                sums[name] = sums[name] + value if name in sums else value
            count += 1
    return {name: total / count for name, total in sums.items()}


def _backward(stack: PolicyStack, batch: Batch, settings: TrainingSettings) -> dict[str, Tensor]:
    """Write the gradient of the loss into the stack; returns diagnostics per lane `[K]`.

    The loss of a lane is the clipped surrogate of PPO with a value and an entropy term
    (Schulman et al., 2017, equations 7 and 9), averaged over rows:

        -min(r A, clip(r, 1 - clip_range, 1 + clip_range) A) + vf_coef (V - target)^2 - ent_coef H

    with the ratio r = p(action) / p_old(action). It is differentiated by hand, see `LaneMlp`.
    """
    mean, actor_inputs = stack.actor.forward(batch.observation)
    log_std = stack.log_std[:, None, :]
    inverse_std = torch.exp(-log_std)
    z = (batch.action - mean) * inverse_std
    ratio = torch.exp(_log_density(z, log_std) - batch.log_prob)
    clipped = ratio.clamp(1 - settings.clip_range, 1 + settings.clip_range)
    surrogate, clipped_surrogate = batch.advantage * ratio, batch.advantage * clipped
    # d(-min)/d log p = -r A, as dr/d log p = r; 0 where the minimum is the clipped term, which
    # does not depend on the policy.
    slope = torch.where(surrogate <= clipped_surrogate, surrogate, 0.0) * (-1.0 / ratio.shape[1])
    # d log p / d mean = z / std;  d log p / d log_std = z^2 - 1;  dH / d log_std = 1
    stack.actor.backward(slope[..., None] * z * inverse_std, actor_inputs)
    log_std_slope = (slope[..., None] * (z.square() - 1)).sum(1)
    stack.log_std_gradient.copy_(log_std_slope - settings.ent_coef)
    value, value_inputs = stack.value_network.forward(batch.observation)
    error = value - batch.target[..., None]
    value_slope = error * (2 * settings.vf_coef / error.shape[1])
    stack.value_network.backward(value_slope, value_inputs)
    return {
        "kl": _kl(batch.mean, batch.log_std, mean, log_std),
        "clip_share": ((ratio - 1).abs() > settings.clip_range).float().mean(1),
        "value_loss": error.square().mean((1, 2)),
    }


def _log_density(z: Tensor, log_std: Tensor) -> Tensor:
    """Log density `[K, B]` of actions `z` `[K, B, A]` standard deviations off the mean."""
    constant = log_std.sum(-1) + 0.5 * math.log(2 * math.pi) * log_std.shape[-1]
    return -0.5 * z.square().sum(-1) - constant


def _kl(old_mean: Tensor, old_log_std: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """KL(old || new) of the Gaussians, mean over rows, per lane `[K]`."""
    # sum over actions of log(s / s_old) + (s_old^2 + (m_old - m)^2) / (2 s^2) - 1/2
    shift = (old_mean - mean).square() * torch.exp(-2 * log_std)
    variance_ratio = torch.exp(2 * (old_log_std - log_std))
    return (log_std - old_log_std + 0.5 * (variance_ratio + shift - 1)).sum(-1).mean(1)


def _adapt_learning_rate(rate: Tensor, kl: Tensor, target_kl: float) -> None:
    """Slow down lanes whose KL exceeds twice the target, speed up those below half of it.

    A lane that has not moved at all keeps its rate: while a sparse reward has been 0 so far, the
    rate would only climb, and the first reward would meet it at its maximum.
    """
    slower, faster = kl > 2 * target_kl, (kl > 0) & (kl < target_kl / 2)
    factor = LEARNING_RATE_FACTOR
    rate.copy_(torch.where(slower, (rate / factor).clamp(min=MIN_LEARNING_RATE), rate))
    rate.copy_(torch.where(faster, (rate * factor).clamp(max=MAX_LEARNING_RATE), rate))
