"""FQL (Park et al. 2025, arXiv:2502.02538): a flow that clones the data, distilled into a one-step policy that Q moves.

    flow: minimise |v(s, x_t, t) - (a - x_0)|^2 / A,  x_0 ~ N(0, 1),  t ~ U(0, 1),  x_t = (1 - t) x_0 + t a
    flow(s, z) = clip(x_1, -1, 1),  x_0 = z,  x_{t + 1/T} = x_t + v(s, x_t, t) / T           (Euler, T flow steps)
    y = r + gamma (1 - terminated) mean_i or min_i target Q_i(s', pi(s', z')),  z' ~ N(0, 1)
    minimise E[distil_weight |pi(s, z) - flow(s, z)|^2 / A - mean_i Q_i(s, pi(s, z))],  z ~ N(0, 1)

The policy maps noise to an action in one step; Q_i and the environment see it clipped to the bounds, so that an action
beyond them is only pulled back by the flow. No gradient passes through the flow. It collects by drawing z; what is
scored is z = 0, where its code draws as well. It has no density.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from algos.contract import ENSEMBLE, Metrics, Needs, Step, bellman, held_entries, row_mean
from algos.networks.dists import Dist
from algos.networks.nets import MLP, Nets
from algos.settings import AT_LEAST_ONE, NOT_NEGATIVE, Preset, Settings, setting
from algos.space import Choice, Space, Span

__all__ = [
    "METRICS",
    "PRESETS",
    "SPACE",
    "Config",
    "Field",
    "OneStep",
    "act",
    "actor_loss",
    "auxiliary_losses",
    "flow_actions",
    "needs",
    "td_target",
]

METRICS = {
    "flow_loss": "squared error of the flow's velocity on the batch, mean over dimensions",
    "distil_loss": "squared distance of the policy's actions from the flow's of the same noise, mean over dimensions",
    "q_coef": "weight of Q in the policy's loss",
}

_CANNOT = ("activations", "norm-after", "initialisation", "scores of drawn actions, as it collects")
PRESETS = {
    "official": Preset(
        "seohongpark's fql, agents/fql.py, main.py and the offline-to-online commands of its README",
        {
            "hidden": (512, 512, 512, 512),
            "batch_size": 256,
            "policy_weight_decay": 0.0,
            "q_bound": "none",
            "buffer_size": 2_000_000,
            "offline_updates": 1_000_000,
        },
        _CANNOT,
    ),
    "q-chunking": Preset(
        "ColinQiyangLi's qc, agents/acfql.py, main.py and QC-FQL of its README",
        {
            "hidden": (512, 512, 512, 512),
            "batch_size": 256,
            "policy_weight_decay": 0.0,
            "q_bound": "none",
            "action_chunk": 5,
            "distil_weight": 100.0,
            "buffer_size": 2_000_000,
            "offline_updates": 1_000_000,
            "warmup_steps": 5000,
        },
        (*_CANNOT, "sparse rewards of scene and puzzle-3x3"),
    ),
}
SPACE: Space = {"distil_weight": Span(1, 1000, log=True), "q_aggregate": Choice(("mean", "min"))}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of FQL."""

    distil_weight: float = setting(
        10.0,
        "alpha: weight of the distance to the flow's action beside Q; a mean over entries, so more for action_chunk",
        "FQL's code; its README: 3 to 30,000, larger where rewards are; Q-chunking: 100",
        within=NOT_NEGATIVE,
    )
    flow_steps: int = setting(10, "Euler steps by which the flow makes an action", "FQL's code", within=AT_LEAST_ONE)
    q_aggregate: Literal["mean", "min"] = setting(
        "mean", "which of the target critics' values is the target's", "FQL's code: mean; hands and some mazes: min"
    )
    normalise_q: bool = setting(False, "divide Q in the policy's loss by the mean of its size", "FQL's code: off")
    layer_norm: bool = setting(True, "normalise the critics' hidden layers", "FQL's code")


@dataclass(frozen=True)
class Drawn:
    """The one-step policy at a batch of states, in the place of a distribution."""

    obs: Tensor  # [S, B, O]
    policy: OneStep

    @property
    def std(self) -> Tensor:
        return torch.zeros_like(self.obs[:, :1, :1])

    def action(self, noise: Tensor) -> Tensor:
        """Actions of given noise, not clipped: [S, B, A] -> [S, B, A]."""
        out: Tensor = self.policy.body(torch.cat((self.obs, noise), dim=-1))
        return out


class OneStep(nn.Module):
    """Policy that maps an observation and normal noise to an action."""

    def __init__(self, seeds: int, obs_dim: int, action_dim: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.body = MLP((seeds,), (obs_dim + action_dim, *hidden, action_dim))
        self.action_dim = action_dim

    def forward(self, obs: Tensor) -> Drawn:
        return Drawn(obs, self)


class Field(nn.Module):
    """Velocity of the flow: obs [S, B, O], point [S, B, A], time [S, B, 1] in [0, 1] -> [S, B, A]."""

    def __init__(self, seeds: int, obs_dim: int, action_dim: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.body = MLP((seeds,), (obs_dim + action_dim + 1, *hidden, action_dim))

    def forward(self, obs: Tensor, point: Tensor, time: Tensor) -> Tensor:
        out: Tensor = self.body(torch.cat((obs, point, time), dim=-1))
        return out


def needs(cfg: Config) -> Needs:
    """The one-step policy, the flow, and draws for its start and time and for the policy's noise."""
    return Needs(
        chunks=True,
        policy=OneStep,
        layer_norm=cfg.layer_norm,
        action_samples=3,
        next_action_samples=1,
        modules={"flow": Field},
    )


def td_target(cfg: Config, nets: Nets, step: Step, next_dist: Dist) -> Tensor:
    """r + gamma (1 - terminated) target Q(s', a') of a drawn action of the policy; [S, B]."""
    assert step.noise.next_action is not None
    assert isinstance(next_dist, Drawn)
    action = next_dist.action(step.noise.next_action).clamp(-1.0, 1.0)
    next_q = nets.target_q(step.batch.next_obs, action)  # [S, E, B]
    return bellman(step, next_q.mean(ENSEMBLE) if cfg.q_aggregate == "mean" else next_q.amin(ENSEMBLE))


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """Weighted distance from the flow's action of the same noise, minus Q; each [S]."""
    assert step.noise.action is not None
    dist, noise = step.dist, step.noise.action[:, 0]
    assert isinstance(dist, Drawn)
    action = dist.action(noise)  # [S, B, A]
    distil = row_mean((action - flow_actions(nets, step.batch.obs, noise, cfg.flow_steps)).square().mean(-1))
    q = nets.q(step.batch.obs, action.clamp(-1.0, 1.0))  # [S, E, B]
    mean_q = q.mean(ENSEMBLE)  # [S, B]
    size = row_mean(mean_q.detach().abs())  # [S]
    q_coef = 1.0 / size.clamp_min(1e-8) if cfg.normalise_q else torch.ones_like(size)
    with torch.no_grad():  # for the record only
        mode = dist.action(torch.zeros_like(noise)).clamp(-1.0, 1.0)
    return cfg.distil_weight * distil - q_coef * row_mean(mean_q), {
        "q_policy": row_mean(q.amin(ENSEMBLE)),
        "mse_data": row_mean((mode - step.batch.action).square().mean(-1)),
        "distil_loss": distil,
        "q_coef": q_coef,
    }


def auxiliary_losses(cfg: Config, nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    """Loss of the flow: its velocity on the straight way from noise to the data's action."""
    assert step.noise.action is not None
    batch, start = step.batch, step.noise.action[:, 1]
    time = torch.special.ndtr(step.noise.action[:, 2, :, :1])  # uniform, from a normal draw
    point = (1.0 - time) * start + time * batch.action
    velocity: Tensor = nets.extra["flow"](batch.obs, point, time)
    loss = row_mean(held_entries(batch, (velocity - (batch.action - start)).square()).mean(-1))
    return {"flow": loss}, {"flow_loss": loss.detach()}


def act(cfg: Config, nets: Nets, obs: Tensor, noise: Tensor | None) -> Tensor:
    """The policy's action of given noise, or of none: obs [S, n, O], noise [S, n, A] -> [S, n, A]."""
    policy = nets.policy
    assert isinstance(policy, OneStep)
    drawn = obs.new_zeros(*obs.shape[:-1], policy.action_dim) if noise is None else noise
    return Drawn(obs, policy).action(drawn).clamp(-1.0, 1.0)


@torch.no_grad()
def flow_actions(nets: Nets, obs: Tensor, noise: Tensor, steps: int) -> Tensor:
    """Where the flow carries noise in so many Euler steps, clipped to the bounds: [S, B, A] -> [S, B, A]."""
    x = noise
    for n in range(steps):
        x = x + nets.extra["flow"](obs, x, torch.full_like(x[..., :1], n / steps)) / steps
    return x.clamp(-1.0, 1.0)
