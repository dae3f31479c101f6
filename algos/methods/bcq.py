"""BCQ (Fujimoto et al. 2019, arXiv:1812.02900): act by the best of slightly perturbed samples of a behaviour model.

    a_k = clip(v_k + xi(s, v_k)),  v_k ~ VAE(s),  |xi| <= phi;   act by argmax_k Q_1(s, a_k)
    y = r + gamma (1 - terminated) max_k [ 3/4 min_i + 1/4 max_i ] target Q_i(s', a'_k),  xi there a slow copy
    maximise E[ Q_1(s, v + xi(s, v)) ] over xi alone

The policy of the skeleton is the perturbation xi; it has no density and means nothing without the VAE, which learns
the replayed actions at every update, offline and online. What is collected is the best of samples that the noise
moves, what is scored the best of a fixed spread of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from algos.contract import ENSEMBLE, Metrics, Needs, Step, bellman, row_mean
from algos.networks.dists import Dist
from algos.networks.nets import MLP, Nets
from algos.parts import vae
from algos.parts.candidates import best, normal_points, soft_clipped_max
from algos.settings import AT_LEAST_ONE, FRACTION, NOT_NEGATIVE, POSITIVE, Preset, Settings, setting
from algos.space import Space, Span

__all__ = [
    "METRICS",
    "PRESETS",
    "SPACE",
    "Config",
    "Perturbation",
    "act",
    "actor_loss",
    "auxiliary_losses",
    "behaviour_log_prob",
    "needs",
    "td_target",
]

METRICS = {**vae.METRICS, "perturbation": "how far the behaviour model's actions are moved, mean over dimensions"}
PRESETS = {
    "official": Preset(
        "sfujim's BCQ, continuous_BCQ/main.py and BCQ.py",
        {
            "hidden": (400, 300),
            "batch_size": 100,
            "policy_lr": 1e-3,
            "critic_lr": 1e-3,
            "policy_weight_decay": 0.0,
            "update_order": "post",
            "q_bound": "none",
            "vae_lr": 1e-3,
            "offline_updates": 1_000_000,
        },
        ("initialisation",),
    )
}
SPACE: Space = {
    "phi": Span(0.01, 0.2, log=True),
    "target_min_weight": Span(0.5, 1),
    "vae_lr": Span(1e-4, 2e-3, log=True),
}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of BCQ."""

    phi: float = setting(0.05, "largest perturbation per action dimension", "BCQ", within=NOT_NEGATIVE)
    target_candidates: int = setting(
        10, "actions per next state among which the target takes the best", "BCQ", within=AT_LEAST_ONE
    )
    target_min_weight: float = setting(0.75, "weight of the least critic in the target", "BCQ", within=FRACTION)
    act_candidates: int = setting(
        100, "actions among which it acts by the best", "BCQ's code; paper: 10", within=AT_LEAST_ONE
    )
    vae_hidden: tuple[int, ...] = setting(
        (750, 750), "hidden layers of encoder and decoder", "BCQ", within=AT_LEAST_ONE
    )
    vae_lr: float = setting(
        3e-4, "Adam step size of the VAE", "AWAC Table 2, as for every network; BCQ's code: 1e-3", within=POSITIVE
    )


@dataclass(frozen=True)
class Perturbed:
    """The perturbation at a batch of states, in the place of a distribution."""

    obs: Tensor  # [S, B, O]
    policy: Perturbation

    @property
    def std(self) -> Tensor:
        return torch.zeros_like(self.obs[:, :1, :1])

    def move(self, action: Tensor) -> Tensor:
        """K behaviour actions per state, perturbed and within bounds: [S, K, B, A] -> [S, K, B, A]."""
        s, k, b, width = action.shape
        obs = self.obs[:, None].expand(-1, k, -1, -1)
        out: Tensor = self.policy.body(torch.cat((obs, action), dim=-1).reshape(s, k * b, -1))
        return (action + self.policy.phi * out.tanh().view(s, k, b, width)).clamp(-1.0, 1.0)


class Perturbation(nn.Module):
    """xi(s, a) = phi tanh of a network of both."""

    def __init__(self, seeds: int, obs_dim: int, action_dim: int, hidden: Sequence[int], phi: float) -> None:
        super().__init__()
        self.body = MLP((seeds,), (obs_dim + action_dim, *hidden, action_dim))
        self.phi = phi

    def forward(self, obs: Tensor) -> Perturbed:
        return Perturbed(obs, self)


def needs(cfg: Config) -> Needs:
    """The perturbation with its slow copy, the VAE, and two draws per latent."""
    return Needs(
        policy=lambda seeds, obs_dim, action_dim, hidden: Perturbation(seeds, obs_dim, action_dim, hidden, cfg.phi),
        target_policy=True,
        action_samples=2 + vae.ENCODER_DRAWS,
        next_action_samples=2 * cfg.target_candidates,
        modules={"vae": lambda seeds, obs_dim, action_dim, hidden: vae.VAE(seeds, obs_dim, action_dim, cfg.vae_hidden)},
        module_lr={"vae": cfg.vae_lr},
    )


def td_target(cfg: Config, nets: Nets, step: Step, next_dist: Dist) -> Tensor:
    """Target of the best of several behaviour actions, perturbed by the slow copy, by mixed critics; [S, B]."""
    assert step.noise.next_actions is not None
    assert isinstance(next_dist, Perturbed)
    next_obs = step.batch.next_obs
    actions = next_dist.move(_behaviour(nets, next_obs, vae.latents(step.noise.next_actions)))
    return bellman(step, soft_clipped_max(nets.q_of_many(next_obs, actions, target=True), cfg.target_min_weight))


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """-Q_1 of one perturbed behaviour action per state; each [S]."""
    assert step.noise.action is not None
    assert isinstance(step.dist, Perturbed)
    behaviour = _behaviour(nets, step.batch.obs, vae.latents(step.noise.action[:, :2]))  # [S, 1, B, A]
    action = step.dist.move(behaviour)[:, 0]
    q = nets.q(step.batch.obs, action)  # [S, E, B]
    return row_mean(-q[:, 0]), {
        "q_policy": row_mean(q.amin(ENSEMBLE)),
        "perturbation": row_mean((action - behaviour[:, 0]).abs().mean(-1)),
    }


def auxiliary_losses(cfg: Config, nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    """Loss of the VAE on the batch."""
    assert step.noise.action is not None
    loss, metrics = vae.vae_loss(vae.model_of(nets), step, step.noise.action[:, 2:])
    return {"vae": loss}, metrics


def behaviour_log_prob(cfg: Config, nets: Nets, obs: Tensor, action: Tensor) -> Tensor:
    """Bound that the VAE gives on the log-likelihood of given actions; [S, n]."""
    return vae.log_prob_bound(vae.model_of(nets), obs, action)


def act(cfg: Config, nets: Nets, obs: Tensor, noise: Tensor | None) -> Tensor:
    """The best of a fixed spread of perturbed behaviour actions, or of that spread moved by noise; [S, n, A]."""
    drawn = obs.new_zeros(*obs.shape[:-1], vae.model_of(nets).action_dim) if noise is None else noise
    latent = normal_points(cfg.act_candidates, torch.cat((drawn, _second(drawn)), dim=-1))
    return best(nets, obs, nets.policy(obs).move(_behaviour(nets, obs, latent)))


@torch.no_grad()
def _behaviour(nets: Nets, obs: Tensor, latent: Tensor) -> Tensor:
    """Samples of the behaviour model: latents [S, K, B, 2A] -> [S, K, B, A]."""
    return vae.model_of(nets).sample(obs, latent).tanh()


def _second(noise: Tensor) -> Tensor:
    """Another normal draw from the later digits of each one's quantile, as latents need two per action; 0 from 0."""
    digits = (torch.special.ndtr(noise.double()) * 4096.0 + 0.5).remainder(1.0)
    normal: Tensor = torch.special.ndtri(digits.clamp(1e-9, 1.0 - 1e-9))
    return normal.to(noise.dtype)
