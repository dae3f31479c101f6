"""MPO (Abdolmaleki et al. 2018, arXiv:1806.06920): imitate the policy's own actions, weighted by their Q.

mode=eq20 is AWAC's adaptation (eq. 20), kept as a negative control:

    maximise E_s, u~pi(.|s) [ log pi(u|s) exp(Q(s,u) / temperature) ]

Nothing holds the policy near its last self, so its variance shrinks at every step. mode=acme is MPO as acme has it:

    w_k = softmax_k target Q(s, u_k) / eta,  u_k ~ target pi(.|s)
    maximise sum_k w_k log pi(u_k|s) subject to KL(target pi || pi) <= eps, for mean and deviation apart, per dimension

with a dual variable for eta and one per KL, and the target's value averaged over actions of the target policy.
Departures from acme: its targets are copied every 100 updates, ours follow by the learner's tau; it has one critic and
trains the policy at the next states, ours is the least of two, at the batch's states; ours has no gradient clipping.
Departure from eq. 20's text: its weights are normalised over the samples of a state, because the bare exp of values
down to -100 at temperature 0.3 is zero in float32.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from algos.contract import BATCH, ENSEMBLE, Metrics, Needs, Step, bellman, row_mean
from algos.networks.dists import Dist, Gaussian
from algos.networks.nets import Dual, Nets
from algos.parts.candidates import SAMPLE
from algos.settings import AT_LEAST_ONE, POSITIVE, POSITIVE_OR_INF, Preset, SettingError, Settings, setting
from algos.space import Choice, Space, Span

__all__ = [
    "ACME_PRESETS",
    "ACME_SPACE",
    "METRICS",
    "PRESETS",
    "SPACE",
    "Config",
    "actor_loss",
    "auxiliary_losses",
    "needs",
    "td_target",
]

METRICS = {
    "mpo_temperature": "temperature of the weights (eta)",
    "kl_weights": "divergence of the weighted samples from the plain ones, bounded by eps",
    "kl_mean": "divergence of the policy's mean from the target policy's, mean over dimensions, bounded by eps_mean",
    "kl_std": "the same of its deviation, bounded by eps_std",
    "alpha_mean": "weight of kl_mean in the policy's loss",
    "alpha_std": "weight of kl_std in the policy's loss",
    "penalty_temperature": "temperature of the weights by how far samples are outside of [-1, 1]",
    "out_of_bounds": "how far sampled actions are outside of [-1, 1]",
}
PRESETS = {
    "official": Preset(
        "AWAC's authors' scripts (railrl_evalsawyer): icml2020/hand/mpo/mc1.py",
        {
            "weight": "advantage",
            "samples": 1,
            "temperature": 0.3,
            "q_bound": "output",
            "bootstrap_through_terminals": True,
            "copy_targets": False,
            "offline_updates": 25_000,
            "warmup_steps": 1000,
        },
        (
            "widths",
            "initialisation",
            "batches",
            "data",
            "an advantage clipped at 2, and a sample through which the policy's gradient flows",
        ),
    ),
}
ACME_PRESETS = {
    "official": Preset(
        "acme's examples/baselines/rl_continuous/run_mpo.py; tau for its copies every 100 updates",
        {
            "hidden": (256, 256, 256),
            "batch_size": 256,
            "policy_weight_decay": 0.0,
            "q_bound": "none",
            "tau": 0.01,
            "eps_mean": 1e-2,
            "updates_per_step": 0.25,
            "warmup_steps": 1000,
        },
        (
            "activations",
            "a normalised first layer",
            "linear-mean",
            "n-step",
            "targets-period",
            "no-offline-phase",
            "one critic",
        ),
    )
}
_LEAST = 1e-8  # least value of every dual variable
_FLOOR = -18.0  # of its value before the softplus
SPACE: Space = {"temperature": Span(0.1, 10, log=True), "weight": Choice(("q", "advantage"))}
ACME_SPACE: Space = {
    "eps": Span(0.01, 1, log=True),
    "eps_mean": Span(5e-4, 2e-2, log=True),
    "eps_std": Span(1e-7, 1e-4, log=True),
}
_OF_ACME = {"mode": ("acme",)}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of MPO."""

    mode: Literal["eq20", "acme"] = setting(
        "eq20", "AWAC's adaptation, or MPO with its temperature and KL duals", "AWAC eq. 20"
    )
    samples: int = setting(20, "actions of the policy per state", "acme; AWAC's code: 1", within=AT_LEAST_ONE)
    weight: Literal["q", "advantage"] = setting(
        "q", "softmax of Q over a state's samples, or of Q(s,u) - Q(s,mode) over the batch", "AWAC eq. 20; its code"
    )
    temperature: float = setting(
        1.0,
        "of the weights; mode=acme tunes its own",
        "AWAC A.3: 0.3 manipulation, 1 MuJoCo",
        within=POSITIVE_OR_INF,
        only={"mode": ("eq20",)},
    )
    eps: float = setting(
        0.1, "largest divergence of the weighted samples", "acme; MPO: 0.1", within=POSITIVE, only=_OF_ACME
    )
    eps_mean: float = setting(2.5e-3, "largest KL of the mean per dimension", "acme", within=POSITIVE, only=_OF_ACME)
    eps_std: float = setting(1e-6, "largest KL of the deviation per dimension", "acme", within=POSITIVE, only=_OF_ACME)
    action_penalty: bool = setting(
        True, "weigh samples also by how little they leave [-1, 1]", "acme, after MO-MPO", only=_OF_ACME
    )
    eps_penalty: float = setting(
        1e-3,
        "largest divergence by that penalty",
        "acme",
        within=POSITIVE,
        only={**_OF_ACME, "action_penalty": (True,)},
    )
    dual_lr: float = setting(1e-2, "Adam step size of the duals", "acme", within=POSITIVE, only=_OF_ACME)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples < 2 and (self.weight == "q" or self.mode == "acme"):
            raise SettingError(f"samples={self.samples}: a single sample has weight 1 whatever its Q; give 2 or more")
        if self.mode == "acme" and self.weight == "advantage":
            raise SettingError("weight=advantage contradicts mode=acme, which weighs the samples of a state by their Q")


def needs(cfg: Config) -> Needs:
    """Samples of the policy; with acme also of the target policy at next states, and the duals."""
    if cfg.mode == "eq20":
        return Needs(actions="any", action_samples=cfg.samples)  # acme's loss is of a mean and a deviation
    modules: dict[str, Any] = {
        "temperature": lambda seeds, *sizes: Dual(seeds, 10.0, _FLOOR),
        "alpha_mean": lambda seeds, obs_dim, action_dim, hidden: Dual(seeds, 10.0, _FLOOR, width=action_dim),
        "alpha_std": lambda seeds, obs_dim, action_dim, hidden: Dual(seeds, 1000.0, _FLOOR, width=action_dim),
    }
    if cfg.action_penalty:
        modules["penalty_temperature"] = lambda seeds, *sizes: Dual(seeds, 10.0, _FLOOR)
    return Needs(
        action_samples=cfg.samples,
        next_action_samples=cfg.samples,
        target_policy=True,
        modules=modules,
        module_lr=dict.fromkeys(modules, cfg.dual_lr),
    )


def td_target(cfg: Config, nets: Nets, step: Step, next_dist: Dist) -> Tensor:
    """The plain target of one next action; with acme the mean over several of the target policy's; [S, B]."""
    assert step.noise.next_actions is not None
    actions, _ = next_dist.many().sample(step.noise.next_actions)
    next_q = nets.q_of_many(step.batch.next_obs, actions, target=True).amin(ENSEMBLE)  # [S, K', B]
    return bellman(step, next_q.mean(SAMPLE))


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """-w_k log pi(u_k|s), with acme for mean and deviation apart and held near the target policy; each [S]."""
    return _own_actions(cfg, nets, step) if cfg.mode == "eq20" else _decoupled(cfg, nets, step)


def auxiliary_losses(cfg: Config, nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    """The duals of mode=acme: each grows while its divergence is above its bound; each [S]."""
    if cfg.mode == "eq20":
        return {}, {}
    _, q, outside = step.once("samples", lambda: _samples(cfg, nets, step))
    kl_mean, kl_std = step.once("divergences", lambda: _divergences(nets, step))
    losses = {
        "temperature": _temperature_loss(_dual(nets, "temperature"), q, cfg.eps),
        "alpha_mean": (_dual(nets, "alpha_mean") * (cfg.eps_mean - kl_mean.detach())).sum(-1),
        "alpha_std": (_dual(nets, "alpha_std") * (cfg.eps_std - kl_std.detach())).sum(-1),
    }
    if cfg.action_penalty:
        temperature = _dual(nets, "penalty_temperature")
        losses["penalty_temperature"] = _temperature_loss(temperature, -outside, cfg.eps_penalty)
        return losses, {"penalty_temperature": temperature[:, 0].detach()}
    return losses, {}


def _own_actions(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """Eq. 20, actions and weights without gradient; each [S]."""
    obs, dist = step.batch.obs, step.dist.many()
    assert step.noise.action is not None
    with torch.no_grad():
        actions, _ = dist.sample(step.noise.action)  # [S, K, B, A]
        q = nets.q_of_many(obs, actions).amin(ENSEMBLE)  # [S, K, B]
        if cfg.weight == "q":
            w = torch.softmax(q / cfg.temperature, dim=SAMPLE) * cfg.samples
        else:
            v = nets.q(obs, step.dist.mode).amin(ENSEMBLE)  # [S, B]
            advantage = (q - v[:, None]).flatten(SAMPLE)
            w = (torch.softmax(advantage / cfg.temperature, dim=1) * advantage.shape[1]).view_as(q)
    return row_mean((-w * dist.log_prob(actions)).mean(SAMPLE)), _logged(step, q, w)


def _decoupled(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """Acme's loss: weighted likelihood and KL, of the mean and of the deviation, the other being the target's."""
    target, dist = _target(nets, step), step.dist
    assert isinstance(dist, Gaussian)
    actions, q, outside = step.once("samples", lambda: _samples(cfg, nets, step))
    kl_mean, kl_std = step.once("divergences", lambda: _divergences(nets, step))  # [S, A]
    eta, alpha_mean, alpha_std = (_dual(nets, name).detach() for name in ("temperature", "alpha_mean", "alpha_std"))
    by_q = torch.softmax(q / eta[..., None], dim=SAMPLE)  # [S, K, B]
    w = by_q
    if cfg.action_penalty:
        w = w + torch.softmax(-outside / _dual(nets, "penalty_temperature").detach()[..., None], dim=SAMPLE)
    log_prob = sum(
        part.many().log_prob(actions)
        for part in (dataclasses.replace(dist, log_std=target.log_std), dataclasses.replace(dist, mean=target.mean))
    )
    loss = row_mean((-w * log_prob).sum(SAMPLE)) + (alpha_mean * kl_mean).sum(-1) + (alpha_std * kl_std).sum(-1)
    return loss, {
        **_logged(step, q, by_q * cfg.samples),
        "mpo_temperature": eta[:, 0],
        "kl_weights": row_mean(torch.special.xlogy(by_q, by_q * cfg.samples).sum(SAMPLE)),
        "kl_mean": kl_mean.mean(-1),
        "kl_std": kl_std.mean(-1),
        "alpha_mean": alpha_mean.mean(-1),
        "alpha_std": alpha_std.mean(-1),
        "out_of_bounds": row_mean(outside.mean(SAMPLE)),
    }


@torch.no_grad()
def _target(nets: Nets, step: Step) -> Gaussian:
    """The target policy at the batch's states."""
    assert nets.target_policy is not None
    dist: Gaussian = step.once("target", lambda: nets.target_policy(step.batch.obs))  # type: ignore[misc]
    return dist


@torch.no_grad()
def _samples(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Tensor, Tensor]:
    """Actions of the target policy [S, K, B, A], their target Q, and how far they leave the bounds [S, K, B]."""
    assert step.noise.action is not None
    actions, _ = _target(nets, step).many().sample(step.noise.action)
    q = nets.q_of_many(step.batch.obs, actions, target=True).amin(ENSEMBLE)
    return actions, q, (actions - actions.clamp(-1.0, 1.0)).norm(dim=-1)


def _divergences(nets: Nets, step: Step) -> tuple[Tensor, Tensor]:
    """KL(target policy || policy) per dimension, of the mean and of the deviation: [S, A]."""
    target, dist = _target(nets, step), step.dist
    assert isinstance(dist, Gaussian)
    of_mean = 0.5 * ((dist.mean - target.mean) / target.std).square()
    ratio = 2.0 * (target.log_std - dist.log_std)
    return of_mean.mean(BATCH), (0.5 * (ratio.expm1() - ratio)).mean(BATCH)


def _dual(nets: Nets, name: str) -> Tensor:
    """A dual variable, positive: [S, 1] or [S, A]."""
    value: Tensor = F.softplus(nets.extra[name]()) + _LEAST
    return value


def _temperature_loss(eta: Tensor, score: Tensor, eps: float) -> Tensor:
    """eta (eps + mean_s log mean_k exp(score / eta)), whose minimum over eta bounds the weights' divergence: [S]."""
    log_mean = (score / eta[..., None]).logsumexp(SAMPLE) - math.log(score.shape[SAMPLE])  # [S, B]
    return eta[:, 0] * (eps + row_mean(log_mean))


def _logged(step: Step, q: Tensor, w: Tensor) -> Metrics:
    """Metrics of both modes, from weights [S, K, B] with mean one."""
    return {
        "q_policy": row_mean(q.mean(SAMPLE)),
        "weight_ess": row_mean(1.0 / w.square().mean(SAMPLE)),
        "weight_max": w.amax(dim=(1, 2)),
        "log_prob_data": row_mean(step.dist.log_prob(step.batch.action)).detach(),
    }
