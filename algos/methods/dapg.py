"""DAPG (Rajeswaran et al. 2018): the natural policy gradient of fresh data, beside the demonstrations' likelihood.

    g = sum_(on-policy) A grad log pi(a|s)  +  sum_(demonstrations) w_k grad log pi(a|s)
    w_k = demo_weight demo_decay^k [max A],  k iterations
    theta += sqrt(step_size / (g' F^-1 g)) F^-1 g,  F from the on-policy data

The policy is cloned from the demonstrations first, and prior data other than those are never seen (AWAC A.5 gives
it only them). Advantages are standardised, so `max A` is in deviations; the authors' code leaves it out. Theirs differs
in more: cloning is 5 epochs of squared error on standardised inputs and outputs, V sees the time besides, has layers of
128 and learns plain returns with nothing behind a time limit, and an iteration has 200 trajectories. Squared error
leaves the deviation at that of the demonstrations' actions: `clone_std`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from algos.contract import LearnerConfig, Metrics, Needs, Phase, Stage, Step, Trajectories, row_mean
from algos.networks.dists import Comparable
from algos.networks.nets import Nets, value_net
from algos.parts import on_policy
from algos.parts.natural import as_vector, at, conjugate_gradient, fisher, kl, split
from algos.parts.on_policy import cloning_loss, estimates, one_step_then_value, value_losses
from algos.parts.returns import standardised
from algos.settings import AT_LEAST_ONE, FRACTION, NOT_NEGATIVE, POSITIVE, Preset, Settings, setting
from algos.space import Space, Span

__all__ = [
    "METRICS",
    "PRESETS",
    "SPACE",
    "Config",
    "actor_loss",
    "auxiliary_losses",
    "needs",
    "policy_step",
    "prepare",
    "stages",
]

METRICS = {
    **on_policy.METRICS,
    "demo_weight": "weight of a demonstration row, beside advantages of deviation 1",
    "kl_step": "KL(old || new) of the policy's step on its batch",
}
PRESETS = {
    "official": Preset(
        "hand_dapg's dapg/examples/dapg.txt: sizes of its policy, discount, and step of its cloning",
        {
            "hidden": (32, 32),
            "activation": "tanh",
            "discount": 0.995,
            "policy_lr": 1e-3,
            "policy_weight_decay": 0.0,
            "log_std_range": (-3.0, 2.0),  # without a largest one
            "clone_std": "demos",
            "value_weight_decay": 1e-3,
        },
        (
            "linear-mean",
            "V in ReLU layers of 128, which sees the time besides and learns plain returns",
            "observations and actions standardised by the demonstrations'; 5 epochs of cloning",
        ),
    )
}
SPACE: Space = {
    "step_size": Span(0.01, 0.2, log=True),
    "demo_weight": Span(1e-3, 1, log=True),
    "gae_lambda": Span(0.9, 1),
}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of DAPG; demo_weight=0 is the natural policy gradient from a cloned start."""

    step_size: float = setting(0.05, "delta: normalised length of a step", "DAPG's code", within=POSITIVE)
    cg_iterations: int = setting(10, "of conjugate gradients", "DAPG's code", within=AT_LEAST_ONE)
    damping: float = setting(1e-4, "added to the Fisher matrix", "DAPG's code", within=POSITIVE)
    demo_weight: float = setting(1e-2, "lambda_0: weight of the demonstrations at first", "DAPG", within=NOT_NEGATIVE)
    demo_decay: float = setting(
        0.95,
        "lambda_1: its factor per iteration",
        "DAPG",
        within=FRACTION,
        schedule="iterations",
        only={"demo_weight": POSITIVE},
    )
    demo_scale: Literal["const", "max_adv"] = setting(
        "const",
        "whether the weight is also times the largest advantage",
        "DAPG's code: const; its equation: max_adv",
        only={"demo_weight": POSITIVE},
    )
    gae_lambda: float = setting(0.97, "trace of the advantages", "DAPG's code", within=FRACTION)
    value_passes: int = setting(2, "passes of V over each iteration's data", "DAPG's code", within=AT_LEAST_ONE)
    value_batch: int = setting(64, "rows per update of V", "DAPG's code", within=AT_LEAST_ONE)
    value_lr: float = setting(1e-3, "step size of V", "DAPG's code", within=POSITIVE)
    value_weight_decay: float = setting(0.0, "L2 on V's parameters", "ours; DAPG's code: 1e-3", within=NOT_NEGATIVE)
    clone_std: Literal["learned", "demos"] = setting(
        "learned",
        "deviation of the cloned policy: learned with its mean, or that of the demonstrations' actions, which nothing "
        "but policy_weight_decay then moves",
        "ours, as of all clones; DAPG's code: demos",
    )


def needs(cfg: Config) -> Needs:
    """Fresh trajectories, the demonstrations, and V."""
    return Needs(
        actions="any",
        critics=0,
        columns=("ends",),
        source="demos",
        window="iteration",
        modules={"value": value_net},
        module_lr={"value": cfg.value_lr},
        module_decay={"value": cfg.value_weight_decay},
        std_of_demos=cfg.clone_std == "demos",
    )


def stages(cfg: Config, phase: Phase, collected: int, learner: LearnerConfig) -> tuple[Stage, ...]:
    """Stages: one step of the policy on all that was collected, then passes of V over it; offline cloning alone."""
    if phase == "offline":
        return ()
    return one_step_then_value(collected, cfg.value_passes, cfg.value_batch, all_demos=True)


def prepare(cfg: Config, nets: Nets, stage: str, paths: Trajectories, learner: LearnerConfig) -> dict[str, Tensor]:
    """Advantages, returns and the demonstrations' weight before the policy's step: each [S, N]."""
    if stage == "value":
        return {}
    raw, value = estimates(nets, paths, learner, cfg.gae_lambda)
    advantage = standardised(raw)
    weight = torch.full_like(advantage, cfg.demo_weight * cfg.demo_decay**paths.iteration)
    if cfg.demo_scale == "max_adv":
        weight = weight * advantage.amax(1, keepdim=True)
    return {"advantage": advantage, "target": raw + value, "demo_weight": weight}


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """-A log pi(a|s) beside -w log pi(a|s) of the demonstrations, per on-policy row; the clone's likelihood offline."""
    if step.stage is None:
        return cloning_loss(step, fixed_spread=cfg.clone_std == "demos")
    log_prob = step.dist.log_prob(step.batch.action)  # [S, B]
    columns, demo = step.batch.columns, step.batch.demo
    assert demo is not None
    demo_log_prob = nets.policy(demo.obs).log_prob(demo.action)  # [S, D]
    weight = row_mean(columns["demo_weight"])  # the same in every row
    demos_per_row = demo_log_prob.shape[1] / log_prob.shape[1]
    loss = -row_mean(columns["advantage"] * log_prob) - weight * demos_per_row * row_mean(demo_log_prob)
    return loss, {"log_prob_data": row_mean(demo_log_prob), "demo_weight": weight}


def policy_step(
    cfg: Config, nets: Nets, step: Step, gradient: Sequence[Tensor]
) -> tuple[Sequence[Tensor], Metrics] | None:
    """Increments of the policy's parameters; none offline, where the optimiser clones."""
    if step.stage is None:
        return None
    obs, slope = step.batch.obs, as_vector(gradient)
    direction = -conjugate_gradient(fisher(nets.policy, obs, cfg.damping), slope, cfg.cg_iterations)
    rise = -(slope * direction).sum(1, keepdim=True)  # g' F^-1 g: [S, 1]
    step_ = direction * (cfg.step_size / rise.abs().clamp_min(1e-20)).sqrt()
    parameters = list(nets.policy.parameters())
    return split(step_, parameters), {"kl_step": _moved(nets, step, step_)}


@torch.no_grad()
def _moved(nets: Nets, step: Step, increment: Tensor) -> Tensor:
    """KL(old || new) of an increment of the policy, on the batch: [S]."""
    assert isinstance(step.dist, Comparable)
    new = at(nets.policy, as_vector(list(nets.policy.parameters())) + increment, step.batch.obs)
    return kl(step.dist, new)


def auxiliary_losses(cfg: Config, nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    """Loss of V, half its squared error; [S]."""
    return value_losses(nets, step)
