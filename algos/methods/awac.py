"""AWAC (Nair et al. 2020, arXiv:2006.09359): imitate data actions, weighted by how far Q rates them above the policy's.

    maximise E_(s,a)~buffer [ log pi(a|s) exp(A(s,a) / temperature) ],  A = Q(s,a) - V(s)     (eq. 9 and 19)

Departures from the paper's text, each a setting: weights are a softmax over the batch times its size (its code and
maintainers: rlkit issue 130), because exp at temperature 0.3 with advantages up to 100 leaves the range of float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from algos.contract import BATCH, ENSEMBLE, Metrics, Needs, Step, effective_sample_size, row_mean
from algos.networks.nets import Nets
from algos.networks.policies import Family
from algos.parts.behaviour import behaviour_loss, softmax_weights
from algos.settings import AT_LEAST_ONE, FINITE, POSITIVE_OR_INF, Preset, SettingError, Settings, setting
from algos.space import Choice, Space, Span

__all__ = [
    "PRESETS",
    "SPACE",
    "Z_PRESETS",
    "Z_SPACE",
    "Config",
    "actor_loss",
    "auxiliary_losses",
    "behaviour_log_prob",
    "needs",
    "weights",
]

PRESETS = {
    "official": Preset(
        "rlkit's examples/awac/hand/awac1.py",
        {
            "hidden": (256, 256),
            "temperature": 0.5,
            "advantage_clip": 0.5,
            "v_estimator": "mean_action",
            "q_bound": "output",
            "bootstrap_through_terminals": True,
            "copy_targets": False,
            "offline_updates": 25_000,
            "warmup_steps": 1000,
        },
        ("initialisation", "batches", "data"),
    ),
    "official-mujoco": Preset(
        "rlkit's examples/awac/mujoco/awac1.py",
        {
            "temperature": 2.0,
            "q_bound": "none",
            "copy_targets": False,
            "offline_updates": 50_000,
            "warmup_steps": 1000,
        },
        ("widths", "initialisation", "batches", "data"),
    ),
    "corl": Preset(
        "CORL's algorithms/finetune/awac.py and configs/finetune/awac: hands and AntMaze",
        {
            "hidden": (256, 256, 256),
            "batch_size": 256,
            "policy_weight_decay": 0.0,
            "q_bound": "none",
            "normalise_obs": True,
            "update_order": "post",
            "temperature": 0.1,
            "weight_norm": "exp",
            "log_std_range": (-20.0, 2.0),
            "std_start": 1.0,
            "offline_updates": 1_000_000,
        },
        ("linear-mean", "initialisation"),
    ),
    "d3rlpy": Preset(
        "d3rlpy's AWACConfig",
        {
            "hidden": (256, 256),
            "policy_weight_decay": 0.0,
            "q_bound": "none",
            "update_order": "post",
            "temperature": 1.0,
        },
        ("initialisation", "a target that holds an entropy bonus of weight 1, with actions squashed once more"),
    ),
}
Z_PRESETS = {  # a clipped advantage is not what Z(s) normalises
    "official": Preset(
        "AWAC's authors' scripts (railrl_evalsawyer): icml2020/hand/adaptive/z2.py, middle of its sweep",
        {
            # its critics are of widths that it does not say
            **{n: v for n, v in PRESETS["official"].settings.items() if n not in ("advantage_clip", "hidden")},
            "temperature": 0.3,
            "behaviour_weights": "advantage",
        },
        (
            "widths",
            "initialisation",
            "batches",
            "data",
            "a behaviour model cloned for 10,000 updates before the policy",
        ),
    )
}
SPACE: Space = {"temperature": Span(0.1, 10, log=True), "advantage_clip": Choice((None, 0.5, 2.0))}
Z_SPACE: Space = {"temperature": Span(0.1, 10, log=True)}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of AWAC."""

    temperature: float = setting(
        1.0,
        "lambda: small trusts only the best actions, large is cloning",
        "AWAC A.3: 0.3 manipulation, 1 MuJoCo",
        within=POSITIVE_OR_INF,
    )
    weight_norm: Literal["softmax", "exp"] = setting(
        "softmax",
        "batch softmax times batch size, or capped exp",
        "AWAC's code (rlkit issue 130); paper: exp",
    )
    exp_cap: float = setting(
        100.0,
        "largest weight, applied before exp",
        "ours: AWR and CORL cap likewise",
        within=POSITIVE_OR_INF,
        only={"weight_norm": ("exp",)},
    )
    advantage_clip: float | None = setting(
        None, "largest advantage, before the temperature", "AWAC: absent; its hand scripts: 0.5 or 2", within=FINITE
    )
    v_estimator: Literal["sample", "mean_action", "k_mean"] = setting(
        "sample",
        "V(s) from one policy action, the mode, or v_samples actions",
        "AWAC eq. 9: E_pi Q; its code: sample (MuJoCo), mean_action (hand)",
    )
    v_samples: int = setting(
        4, "actions per state of V(s)", "ours", within=AT_LEAST_ONE, only={"v_estimator": ("k_mean",)}
    )
    advantage_q: Literal["min", "first", "mean"] = setting(
        "min", "which critic rates actions in the advantage", "AWAC's scripts: min; paper silent"
    )
    z_estimator: Literal["none", "policy", "behaviour"] = setting(
        "none",
        "divide weights by Z(s), actions drawn from the policy or a behaviour model",
        "AWAC Table 1; text: policy, derivation: behaviour",
    )
    z_samples: int = setting(
        10,
        "actions per state of the Z(s) estimate",
        "AWAC: K = 10",
        within=AT_LEAST_ONE,
        only={"z_estimator": ("policy", "behaviour")},
    )
    behaviour_weights: Literal["none", "advantage"] = setting(
        "none",
        "whether the model of z_estimator=behaviour clones all rows alike, or better ones more, by Q and temperature",
        "AWAC eq. 15: the behaviour policy; its trainer's default: advantage",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.advantage_clip is not None and self.z_estimator != "none":
            raise SettingError("advantage_clip contradicts z_estimator: Z(s) normalises unclipped advantages")
        if self.behaviour_weights != "none" and self.z_estimator != "behaviour":
            raise SettingError("behaviour_weights is of the model that only z_estimator=behaviour has")


def needs(cfg: Config) -> Needs:
    """Noise for V and Z actions, and a behaviour model where Z(s) is taken under it."""
    z = cfg.z_samples if cfg.z_estimator != "none" else 0
    own = 1 if cfg.behaviour_weights == "advantage" else 0
    modules: dict[str, Family] = {"behaviour": "gaussian"} if cfg.z_estimator == "behaviour" else {}
    return Needs(
        actions="any",
        action_samples=_v_samples(cfg) + z + own,
        modules=modules,
        module_decay={"behaviour": "policy"},  # AWAC's own scripts
    )


def weights(cfg: Config, log_weight: Tensor) -> Tensor:
    """Imitation weights of each seed's batch from A / temperature: [S, B] -> [S, B].

    The softmax has mean one, so the batch size does not scale the loss, and never overflows.
    """
    if cfg.weight_norm == "softmax":
        return softmax_weights(log_weight)
    return log_weight.clamp_max(math.log(cfg.exp_cap)).exp()


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """-w(s,a) log pi(a|s), weights without gradient; each [S]."""
    batch = step.batch
    assert step.q_data is not None
    with torch.no_grad():
        v = _value(cfg, nets, step)
        advantage = _rate(cfg, step.q_data) - v  # [S, B]
        clipped = advantage if cfg.advantage_clip is None else advantage.clamp_max(cfg.advantage_clip)
        log_weight, z_metrics = _normalised(cfg, nets, step, clipped / cfg.temperature, v)
        w = weights(cfg, log_weight)
    log_prob = step.dist.log_prob(batch.action)  # [S, B]
    return row_mean(-w * log_prob), {
        "advantage": row_mean(advantage),
        "advantage_std": advantage.std(BATCH, correction=0),
        "q_policy": row_mean(v),
        "weight_ess": effective_sample_size(w),
        "weight_max": w.amax(BATCH) / row_mean(w).clamp_min(torch.finfo(w.dtype).tiny),
        "log_prob_data": row_mean(log_prob),
        **z_metrics,
    }


def auxiliary_losses(cfg: Config, nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    """Loss of the behaviour model of z_estimator=behaviour: likelihood of the batch's actions, or weighted."""
    if cfg.z_estimator != "behaviour":
        return {}, {}
    loss, _ = behaviour_loss(nets, step, cfg.temperature if cfg.behaviour_weights == "advantage" else None)
    return {"behaviour": loss}, {"behaviour_loss": loss.detach()}


def behaviour_log_prob(cfg: Config, nets: Nets, obs: Tensor, action: Tensor) -> Tensor | None:
    """Log-likelihood of given actions under the behaviour model of z_estimator=behaviour; [S, n]."""
    if cfg.z_estimator != "behaviour":
        return None
    log_prob: Tensor = nets.extra["behaviour"](obs).log_prob(action)
    return log_prob


def _v_samples(cfg: Config) -> int:
    """Draws for V(s): the first ones of an update's noise; those for Z(s) follow."""
    return {"sample": 1, "mean_action": 0, "k_mean": cfg.v_samples}[cfg.v_estimator]


def _rate(cfg: Config, q: Tensor) -> Tensor:
    """Reduce the critics' values to those of the advantage, as `advantage_q` says: [S, E, B] -> [S, B]."""
    if cfg.advantage_q == "min":
        return q.amin(ENSEMBLE)
    return q[:, 0] if cfg.advantage_q == "first" else q.mean(ENSEMBLE)


def _value(cfg: Config, nets: Nets, step: Step) -> Tensor:
    """V(s) = E_pi Q(s, .), as estimated: [S, B]."""
    obs, dist = step.batch.obs, step.dist
    if cfg.v_estimator == "mean_action":
        return _rate(cfg, nets.q(obs, dist.mode))
    assert step.noise.action is not None
    values = [_rate(cfg, nets.q(obs, dist.sample(step.noise.action[:, k])[0])) for k in range(_v_samples(cfg))]
    return torch.stack(values).mean(0)  # over samples, not seeds


def _normalised(cfg: Config, nets: Nets, step: Step, log_weight: Tensor, v: Tensor) -> tuple[Tensor, Metrics]:
    """log(exp(A/temperature) / Z(s)), Z(s) = E_a exp(A(s,a)/temperature) (eq. 15)."""
    if cfg.z_estimator == "none":
        return log_weight, {}
    assert step.noise.action is not None
    obs = step.batch.obs
    dist = step.dist if cfg.z_estimator == "policy" else nets.extra["behaviour"](obs)
    noise = step.noise.action[:, _v_samples(cfg) :]
    logits = [
        (_rate(cfg, nets.q(obs, dist.sample(noise[:, k])[0])) - v) / cfg.temperature for k in range(cfg.z_samples)
    ]
    log_z = torch.stack(logits).logsumexp(0) - math.log(cfg.z_samples)  # [S, B]
    return log_weight - log_z, {"log_z": row_mean(log_z)}
