"""AWR (Peng et al. 2019): V by regression on the buffer's returns, then the policy by advantage-weighted regression.

    V:      minimise E[(R - V(s))^2],  R = TD(lambda) returns with V as it was before              (Algorithm 1, line 5)
    policy: maximise E[min(exp((R - V(s)) / temperature), cap) log pi(a|s)],  R from the new V     (line 6)

An iteration is `value_updates` of the first and then `policy_updates` of the second, on whole trajectories. Its
ablations are settings: `on_policy`, `baseline`, `td_lambda`, `replay_size`. MARWIL as AWAC compares it is AWR with
Monte-Carlo returns (`td_lambda=1`); RWR is AWR without baseline on fresh data, where a cut episode ends with nothing.

Defaults are AWAC's comparison: the authors' code on the shared networks. That code standardises advantages over the
buffer and sets the temperature to 1; the paper's 0.05 is in raw units (the authors on that: issue 3 of their code). Its
penalty on means outside the bounds is not needed here, where means are within them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from algos.contract import (
    BATCH,
    LearnerConfig,
    Metrics,
    Needs,
    Phase,
    Stage,
    Step,
    Trajectories,
    effective_sample_size,
    row_mean,
)
from algos.networks.dists import Comparable
from algos.networks.nets import Nets, value_net
from algos.parts.returns import standardised, td_lambda
from algos.settings import (
    AT_LEAST_ONE,
    BELOW_ONE,
    FRACTION,
    POSITIVE,
    POSITIVE_OR_INF,
    Interval,
    Preset,
    SettingError,
    Settings,
    Value,
    setting,
)
from algos.space import Choice, Space, Span

__all__ = [
    "METRICS",
    "MONTE_CARLO_SPACE",
    "PRESETS",
    "RWR_PRESETS",
    "RWR_SPACE",
    "SPACE",
    "Config",
    "actor_loss",
    "auxiliary_losses",
    "needs",
    "prepare",
    "stages",
    "weights",
]

METRICS = {
    "value": "V of the batch's states",
    "value_loss": "half the squared error of V, in the units V is learned in",
    "weight_capped": "share of imitation weights at their cap",
}
_SIZES: dict[str, Value] = {
    "hidden": (128, 64), "batch_size": 256, "policy_weight_decay": 0.0, "momentum": 0.9, "replay_size": 50_000,
}  # fmt: skip
PRESETS = {
    "official": Preset("AWR's code, awr_configs.py; values for HalfCheetah where tasks differ", {
        **_SIZES, "policy_lr": 5e-5, "value_lr": 1e-2, "policy_std": 0.4, "normalise_obs": True,
    }),
    "awr-paper": Preset("AWR section 5 and appendix: raw advantages", {
        **_SIZES, "policy_lr": 5e-5, "value_lr": 1e-4, "temperature": 0.05, "standardise": False,
        "scale_values": False,
    }),
}  # fmt: skip
RWR_PRESETS: dict[str, Preset] = {}  # its authors published no code for these tasks
SPACE: Space = {
    "temperature": Span(0.05, 5, log=True),
    "td_lambda": Span(0.8, 1),
    "weight_cap": Choice((5.0, 20.0, 100.0)),
}
MONTE_CARLO_SPACE: Space = {name: domain for name, domain in SPACE.items() if name != "td_lambda"}
RWR_SPACE: Space = {"temperature": SPACE["temperature"]}  # without a baseline no weight is capped
_WITH_VALUE = ({"baseline": (True,)}, {"td_lambda": BELOW_ONE})  # else there is no V


@dataclass(frozen=True)
class Config(Settings):
    """Settings of AWR."""

    temperature: float = setting(
        1.0,
        "beta: small trusts only the best actions, large clones",
        "AWR's code, standardised; paper, raw: 0.05",
        within=POSITIVE_OR_INF,
    )
    standardise: bool = setting(
        True, "advantages have mean 0 and deviation 1 over the buffer", "AWR's code; absent from the paper"
    )
    weight_cap: float | None = setting(
        20.0, "largest imitation weight", "AWR section 3.3", within=POSITIVE, only={"baseline": (True,)}
    )
    td_lambda: float = setting(
        0.95, "trace of the returns: 0 one step, 1 Monte Carlo", "AWR appendix; MARWIL: 1", within=FRACTION
    )
    baseline: bool = setting(True, "weigh actions by R - V, or by R alone", "AWR; without: its ablation, and RWR")
    on_policy: bool = setting(
        False, "learn from the last iteration's data only; offline, clone", "AWR: off; on: its ablation, and RWR"
    )
    replay_size: int | None = setting(
        None,
        "newest collected transitions learned from, beside all offline ones; none: all",
        "AWR: 50,000, its preset's; it has no offline ones beside them",
        within=AT_LEAST_ONE,
    )
    value_updates: int = setting(
        200, "updates of V per iteration", "AWR section 5", within=AT_LEAST_ONE, only=_WITH_VALUE
    )
    policy_updates: int = setting(1000, "updates of the policy per iteration", "AWR section 5", within=AT_LEAST_ONE)
    scale_values: bool = setting(True, "V learns returns times (1 - discount)", "AWR's code", only=_WITH_VALUE)
    value_lr: float | None = setting(
        None,
        "step size of V; none: the policy's",
        "ours; AWR: 1e-4, its code: 1e-2",
        within=POSITIVE,
        only=_WITH_VALUE,
    )
    momentum: float | None = setting(
        None, "of SGD; none: Adam", "Adam as in all of the comparison; AWR: SGD with 0.9", within=Interval(0, 1, "[)")
    )
    policy_std: float | None = setting(
        None, "fixed deviation of the policy; none: learned", "AWR's code: 0.4; Ant 0.2", within=POSITIVE
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.on_policy and self.replay_size is not None:
            raise SettingError("replay_size contradicts on_policy, which keeps the last iteration only")


def needs(cfg: Config) -> Needs:
    """Trajectories, and V where returns or weights use it."""
    momentum = {} if cfg.momentum is None else {"policy": cfg.momentum, "value": cfg.momentum}
    spread = None if cfg.policy_std is None else (math.log(cfg.policy_std) - 3.0, math.log(cfg.policy_std) + 3.0)
    return Needs(
        actions="any",
        critics=0,
        columns=("ends",),
        window="iteration" if cfg.on_policy else cfg.replay_size,
        log_std_range=spread,
        momentum=momentum,
        modules={"value": value_net} if _has_value(cfg) else {},
        module_lr={} if cfg.value_lr is None else {"value": cfg.value_lr},
    )


def stages(cfg: Config, phase: Phase, collected: int, learner: LearnerConfig) -> tuple[Stage, ...]:
    """Stages of an iteration: V, then the policy; where there is no fresh data, cloning alone."""
    if cfg.on_policy and phase == "offline":
        return ()
    value = (Stage("value", cfg.value_updates, ("value",)),) if _has_value(cfg) else ()
    return (*value, Stage("policy", cfg.policy_updates, ("policy",)))


def prepare(
    cfg: Config, nets: Nets, stage: Literal["value", "policy"], paths: Trajectories, learner: LearnerConfig
) -> dict[str, Tensor]:
    """Targets of V, or the policy's advantages and weights: each [S, N]."""
    scale = 1.0 - learner.discount if cfg.scale_values else 1.0
    if not _has_value(cfg):
        returns = td_lambda(paths, torch.zeros_like(paths.reward), learner.discount, 1.0)
    else:
        value = nets.extra["value"]
        next_value = paths.map(lambda batch: value(batch.next_obs)) / scale
        returns = td_lambda(paths, next_value, learner.discount, cfg.td_lambda)
    if stage == "value":
        return {"target": returns * scale}
    advantage = returns - paths.map(lambda batch: value(batch.obs)) / scale if cfg.baseline else returns
    return {"advantage": advantage, "weight": weights(cfg, advantage)}


def weights(cfg: Config, advantage: Tensor) -> Tensor:
    """min(exp(A / temperature), cap) over a whole buffer: [S, N] -> [S, N].

    Without a baseline, or a cap, a seed's largest weight is 1: a factor common to all, and exp would leave float32.
    """
    exponent = (standardised(advantage) if cfg.standardise else advantage) / cfg.temperature
    if not cfg.baseline or cfg.weight_cap is None:
        return (exponent - exponent.amax(BATCH, keepdim=True)).exp()
    return exponent.clamp_max(math.log(cfg.weight_cap)).exp()


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """-w(s,a) log pi(a|s), or -log pi(a|s) where there is no fresh data; each [S]."""
    dist = step.dist
    if cfg.policy_std is not None:
        assert isinstance(dist, Comparable)
        dist = dist.fixed_spread()
    log_prob = dist.log_prob(step.batch.action)  # [S, B]
    if step.stage is None:
        return -row_mean(log_prob), {"log_prob_data": row_mean(log_prob)}
    w, advantage = step.batch.columns["weight"], step.batch.columns["advantage"]
    cap = math.inf if cfg.weight_cap is None or not cfg.baseline else cfg.weight_cap * (1 - 1e-6)
    return row_mean(-w * log_prob), {
        "advantage": row_mean(advantage),
        "advantage_std": advantage.std(BATCH, correction=0),
        "weight_ess": effective_sample_size(w),
        "weight_max": w.amax(BATCH) / row_mean(w).clamp_min(torch.finfo(w.dtype).tiny),
        "weight_capped": row_mean((w >= cap).to(w.dtype)),
        "log_prob_data": row_mean(log_prob),
    }


def auxiliary_losses(cfg: Config, nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    """Half of V's squared error against the prepared returns, as in AWR's code: SGD's steps depend on the half; [S]."""
    if step.stage != "value":
        return {}, {}
    v = nets.extra["value"](step.batch.obs)
    loss = 0.5 * row_mean((v - step.batch.columns["target"]).square())
    scale = 1.0 - step.learner.discount if cfg.scale_values else 1.0
    return {"value": loss}, {"value": row_mean(v) / scale, "value_loss": loss.detach()}


def _has_value(cfg: Config) -> bool:
    return cfg.baseline or cfg.td_lambda < 1
