"""MARWIL (Wang et al. 2018) as in RLlib: policy and V together on Monte-Carlo returns, weighted by a scaled advantage.

    V:      minimise E[(R - V(s))^2 / 2],  R = discounted return to go
    policy: maximise E[exp(beta (R - V(s)) / c) log pi(a|s)],  c^2 a running mean of (R - V(s))^2

Returns are those of the behaviour: no value of the policy is ever learned. Where an episode was only cut off, V stands
for what would have followed. AWAC compares another form, AWR with Monte-Carlo returns; that is the entry `marwil`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

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
from algos.networks.nets import Nets, value_net
from algos.parts.returns import td_lambda
from algos.settings import AT_LEAST_ONE, FRACTION, NOT_NEGATIVE, POSITIVE, Preset, Settings, setting
from algos.space import Choice, Space, Span

__all__ = [
    "METRICS",
    "PRESETS",
    "SPACE",
    "Config",
    "Scale",
    "actor_loss",
    "auxiliary_losses",
    "needs",
    "prepare",
    "stages",
]

METRICS = {
    "value": "V of the batch's states",
    "value_loss": "half the squared error of V",
    "advantage_scale": "c, by which advantages are divided",
}
PRESETS = {
    "official": Preset(
        "RLlib's MARWILConfig and its default model",
        {
            "hidden": (256, 256),
            "activation": "tanh",
            "batch_size": 2000,
            "policy_lr": 1e-4,
            "policy_weight_decay": 0.0,
            "scale_rate": 1e-8,
            "weight_cap": None,
            "log_std_range": (-20.0, 2.0),
            "std_start": 1.0,
        },
        ("linear-mean", "a scale that moves by the batch's advantages before it divides them"),
    )
}

# Largest exponent of an uncapped weight: Adam squares gradients, and a second moment that leaves float32 stops its
# parameter for good.
_SAFE_EXPONENT = 30.0
SPACE: Space = {"beta": Span(0.1, 10, log=True), "weight_cap": Choice((5.0, 20.0, 100.0))}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of MARWIL."""

    beta: float = setting(1.0, "0 is cloning, large trusts only the best actions", "RLlib", within=NOT_NEGATIVE)
    scale_start: float = setting(100.0, "c^2 at the start", "RLlib", within=POSITIVE)
    scale_rate: float = setting(
        1e-3, "share of the way c^2 goes per update", "ours: at RLlib's 1e-8 it stays at 100", within=FRACTION
    )
    weight_cap: float | None = setting(
        20.0, "largest imitation weight", "ours, as in AWR; RLlib has none", within=POSITIVE
    )
    updates: int = setting(
        1000, "updates between recomputing returns", "ours: once per iteration of the protocol", within=AT_LEAST_ONE
    )


class Scale(nn.Module):
    """c^2 of each seed: [S, 1]."""

    def __init__(self, seeds: int, start: float) -> None:
        super().__init__()
        self.square = nn.Parameter(torch.full((seeds, 1), start))


def needs(cfg: Config) -> Needs:
    """Trajectories, V, and the running scale: a running mean is SGD on half the squared error."""

    def scale(seeds: int, obs_dim: int, action_dim: int, hidden: Sequence[int]) -> Scale:
        return Scale(seeds, cfg.scale_start)

    return Needs(
        actions="any",
        critics=0,
        columns=("ends",),
        modules={"value": value_net, "scale": scale},
        module_lr={"scale": cfg.scale_rate},
        momentum={"scale": 0.0},
    )


def stages(cfg: Config, phase: Phase, collected: int, learner: LearnerConfig) -> tuple[Stage, ...]:
    """One stage, in which everything learns."""
    return (Stage("imitation", cfg.updates, ("policy", "value", "scale")),)


def prepare(cfg: Config, nets: Nets, stage: str, paths: Trajectories, learner: LearnerConfig) -> dict[str, Tensor]:
    """Returns to go [S, N]."""
    next_value = paths.map(lambda batch: nets.extra["value"](batch.next_obs))
    return {"target": td_lambda(paths, next_value, learner.discount, 1.0)}


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """-exp(beta A / c) log pi(a|s); each [S]."""
    advantage = _advantage(nets, step).detach()  # [S, B]
    scale = _scale(nets).square.detach().clamp_min(0.0).sqrt()  # [S, 1]
    exponent = cfg.beta * advantage / (1e-8 + scale)
    w = exponent.clamp_max(_SAFE_EXPONENT if cfg.weight_cap is None else math.log(cfg.weight_cap)).exp()
    log_prob = step.dist.log_prob(step.batch.action)
    return row_mean(-w * log_prob), {
        "advantage": row_mean(advantage),
        "advantage_std": advantage.std(BATCH, correction=0),
        "advantage_scale": scale[:, 0],
        "weight_ess": effective_sample_size(w),
        "weight_max": w.amax(BATCH) / row_mean(w).clamp_min(torch.finfo(w.dtype).tiny),
        "log_prob_data": row_mean(log_prob),
    }


def auxiliary_losses(cfg: Config, nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    """Half the squared error of V, and that of c^2 as a mean of squared advantages; each [S]."""
    advantage = _advantage(nets, step)
    value = 0.5 * row_mean(advantage.square())
    scale = 0.5 * (_scale(nets).square[:, 0] - row_mean(advantage.detach().square())).square()
    target = row_mean(step.batch.columns["target"])
    return {"value": value, "scale": scale}, {"value": target - row_mean(advantage), "value_loss": value.detach()}


def _advantage(nets: Nets, step: Step) -> Tensor:
    """R - V(s), with gradient: [S, B]."""
    advantage: Tensor = step.once(
        "advantage", lambda: step.batch.columns["target"] - nets.extra["value"](step.batch.obs)
    )
    return advantage


def _scale(nets: Nets) -> Scale:
    scale = nets.extra["scale"]
    assert isinstance(scale, Scale)
    return scale
