"""ABM (Siegel et al. 2020, arXiv:2002.08396) in AWAC's skeleton: imitate good samples of a prior of good data actions.

    prior:  maximise E_(s,a)~buffer [ log p(a|s) f(A(s,a)) ],  f = 1 where A > 0                       (eq. 21)
    policy: maximise E_s, u~p(.|s)  [ log pi(u|s) exp((Q(s,u) - V(s)) / temperature) ]                 (eq. 22)

Critics, target and schedule are AWAC's; the advantage is that of Q, not of an n-step return as in ABM's own paper.
Departure from the text, as in AWAC: weights are a softmax over the batch times its size, because the bare exp leaves
the range of float32. Actions are given to the policy's loss without gradient: in AWAC's code the policy's loss also
reached the prior, and only the order of its optimiser calls kept that from mattering.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from algos.contract import BATCH, ENSEMBLE, Metrics, Needs, Step, effective_sample_size, row_mean
from algos.networks.nets import Nets
from algos.parts.behaviour import advantage_over
from algos.parts.candidates import SAMPLE
from algos.settings import AT_LEAST_ONE, FINITE, POSITIVE_OR_INF, Preset, SettingError, Settings, setting
from algos.space import Choice, Space, Span

__all__ = [
    "METRICS",
    "PRESETS",
    "SPACE",
    "Config",
    "actor_loss",
    "auxiliary_losses",
    "behaviour_log_prob",
    "needs",
    "weights",
]

METRICS = {
    "behaviour_log_prob": "log-likelihood of the batch's actions under the behaviour model",
    "prior_loss": "loss of the prior: negative log-likelihood, weighted",
    "prior_kept": "share of the batch's actions with a positive advantage",
    "prior_std": "standard deviation of the prior, mean over action dimensions",
    "q_prior": "Q of the prior's actions, minimum over critics",
}
PRESETS = {
    "official": Preset(
        "AWAC's authors' scripts (railrl_evalsawyer): icml2020/hand/brac/abm1.py",
        {
            "prior_weight": "exp",
            "prior_samples": 1,
            "prior_baseline": "prior",
            "v_estimator": "mean_action",
            "advantage_clip": 2.0,
            "temperature": 0.3,
            "q_bound": "output",
            "bootstrap_through_terminals": True,
            "copy_targets": False,
            "offline_updates": 25_000,
            "warmup_steps": 1000,
        },
        ("widths", "initialisation", "batches", "data"),
    ),
    "official-mujoco": Preset(
        "AWAC's authors' scripts (railrl_evalsawyer): icml2020/mujoco/brac/abm1.py and hc1.py, middle of their sweep",
        {
            "prior_weight": "exp",
            "policy_weight": "step",
            "prior_samples": 1,
            "prior_baseline": "prior",
            "temperature": 1.0,
            "q_bound": "none",
            "copy_targets": False,
            "offline_updates": 25_000,
            "warmup_steps": 1000,
        },
        (
            "widths",
            "initialisation",
            "batches",
            "data",
            "deviations that depend on the state, of a policy with a bounded mean",
            "weights of 0 and 1 times the batch's size, beside which its weight decay counts for less",
        ),
    ),
}
SPACE: Space = {"temperature": Span(0.1, 10, log=True), "prior_weight": Choice(("step", "exp"))}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of ABM."""

    temperature: float = setting(
        1.0,
        "lambda: small trusts only the best actions, large clones",
        "AWAC A.3: 0.3 manipulation, 1 MuJoCo",
        within=POSITIVE_OR_INF,
        only=({"prior_weight": ("exp",)}, {"policy_weight": ("exp",)}),
    )
    prior_weight: Literal["step", "exp"] = setting(
        "step",
        "weights of the prior's data: 1 where the advantage is positive, or its exponential",
        "AWAC eq. 21, after ABM; AWAC's code: exp",
    )
    policy_weight: Literal["exp", "step"] = setting(
        "exp", "weights of the policy's actions, likewise", "AWAC eq. 22; its MuJoCo scripts: step"
    )
    prior_samples: int = setting(
        4, "actions of the prior per state", "ours: to average over them; AWAC's code: 1", within=AT_LEAST_ONE
    )
    normalise: Literal["batch", "state"] = setting(
        "batch",
        "whether exp weights of the policy are a softmax over the batch or over each state's samples",
        "ours: batch is eq. 22 up to one factor per batch, as in AWAC; state divides by Z(s)",
    )
    advantage_clip: float | None = setting(
        None, "largest advantage, before the temperature", "AWAC: absent; its hand scripts: 2", within=FINITE
    )
    v_estimator: Literal["sample", "mean_action"] = setting(
        "sample", "V(s) from one action of the policy, or from its mode", "AWAC A.5; its hand scripts: mean_action"
    )
    prior_baseline: Literal["policy", "prior"] = setting(
        "policy",
        "what the prior's data are better than: V(s), or Q of the prior's own action, and then without advantage_clip",
        "AWAC eq. 21: V; its scripts: prior",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.normalise == "state" and self.prior_samples == 1:
            raise SettingError("normalise=state gives a single sample weight 1: it needs prior_samples of 2 or more")
        if self.normalise == "state" and self.policy_weight == "step":
            raise SettingError("normalise=state contradicts policy_weight=step, which is not normalised")


def needs(cfg: Config) -> Needs:
    """A second network like the policy, draws for its actions and for V."""
    return Needs(
        actions="any",
        action_samples=cfg.prior_samples + (cfg.v_estimator == "sample"),
        modules={"prior": "gaussian"},
        module_decay={"prior": "policy"},
    )


def weights(kind: Literal["exp", "step"], advantage: Tensor, temperature: float, axes: int) -> Tensor:
    """Imitation weights of samples [S, K, B] whose softmax runs over samples (axes=1) or samples and rows (axes=2).

    Softmax weights have mean one; the step's are left as they are: where no row passes, there is nothing to learn.
    """
    if kind == "step":
        return (advantage > 0).to(advantage.dtype)
    grouped = (advantage / temperature).flatten(1, axes)
    return (torch.softmax(grouped, dim=1) * grouped.shape[1]).view_as(advantage)


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """-w(s,u) log pi(u|s) for actions u of the prior; each [S]."""
    obs, noise = step.batch.obs, step.noise.action
    assert noise is not None
    with torch.no_grad():
        v = step.once("v", lambda: _value(cfg, nets, step))
        prior = nets.extra["prior"](obs)
        actions, _ = prior.many().sample(noise[:, : cfg.prior_samples])  # [S, K, B, A]
        q = nets.q_of_many(obs, actions).amin(ENSEMBLE)  # [S, K, B]
        axes = 2 if cfg.normalise == "batch" else 1
        w = weights(cfg.policy_weight, _clipped(cfg, q - v[:, None]), cfg.temperature, axes)
    log_prob = step.dist.many().log_prob(actions)  # [S, K, B]
    flat = w.flatten(1)
    return row_mean((-w * log_prob).mean(SAMPLE)), {
        "q_policy": row_mean(v),
        "q_prior": row_mean(q.mean(SAMPLE)),
        "weight_ess": effective_sample_size(flat),
        "weight_max": flat.amax(BATCH) / row_mean(flat).clamp_min(torch.finfo(w.dtype).tiny),
        "prior_std": prior.std.mean(dim=(1, 2)),
        "log_prob_data": row_mean(step.dist.log_prob(step.batch.action)).detach(),
    }


def auxiliary_losses(cfg: Config, nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    """-f(A) log p(a|s) on the batch's actions; each [S]."""
    assert step.q_data is not None
    with torch.no_grad():
        if cfg.prior_baseline == "policy":
            advantage = step.q_data.amin(ENSEMBLE) - step.once("v", lambda: _value(cfg, nets, step))  # [S, B]
            counted = _clipped(cfg, advantage)
        else:
            assert step.noise.action is not None
            prior = nets.extra["prior"](step.batch.obs)
            advantage = counted = advantage_over(nets, step, prior, step.noise.action[:, 0])
        w = weights(cfg.prior_weight, counted[:, None], cfg.temperature, 2)[:, 0]
    log_prob = nets.extra["prior"](step.batch.obs).log_prob(step.batch.action)  # [S, B]
    loss = row_mean(-w * log_prob)
    return {"prior": loss}, {
        "prior_loss": loss.detach(),
        "behaviour_log_prob": row_mean(log_prob),
        "prior_kept": row_mean((advantage > 0).to(advantage.dtype)),
        "advantage": row_mean(advantage),
        "advantage_std": advantage.std(BATCH, correction=0),
    }


def behaviour_log_prob(cfg: Config, nets: Nets, obs: Tensor, action: Tensor) -> Tensor:
    """Log-likelihood of given actions under the prior; [S, n]."""
    log_prob: Tensor = nets.extra["prior"](obs).log_prob(action)
    return log_prob


def _clipped(cfg: Config, advantage: Tensor) -> Tensor:
    return advantage if cfg.advantage_clip is None else advantage.clamp_max(cfg.advantage_clip)


@torch.no_grad()
def _value(cfg: Config, nets: Nets, step: Step) -> Tensor:
    """V(s) = Q(s, .) of the policy's own action: [S, B]."""
    action = step.dist.mode
    if cfg.v_estimator == "sample":
        assert step.noise.action is not None
        action, _ = step.dist.sample(step.noise.action[:, -1])
    return nets.q(step.batch.obs, action).amin(ENSEMBLE)
