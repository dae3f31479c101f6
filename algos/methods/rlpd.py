"""RLPD (Ball et al. 2023, arXiv:2302.02948): SAC on prior and new data in equal shares, with many normalised critics.

    y = r + gamma (1 - terminated) [min over a random subset of target Q_i(s',a') - alpha log pi(a'|s')]
    minimise E[alpha log pi(a|s) - mean_i Q_i(s,a)], a ~ pi reparameterised

There is no offline phase: every batch is half prior data (`offline_fraction`), half the run's own. The critics are
updated often (`updates_per_step`), the policy and alpha once in `policy_every` of those updates.
Departure: random actions begin a run in its code; here the warm-up acts with the fresh policy, which is nearly as wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from algos.contract import ENSEMBLE, Metrics, Needs, Step
from algos.methods.sac import soft_actor_loss, soft_target
from algos.networks.dists import Dist
from algos.networks.nets import Nets
from algos.parts.entropy import alpha_loss, alpha_modules, check_alpha
from algos.settings import AT_LEAST_ONE, FINITE, NOT_NEGATIVE, Preset, SettingError, Settings, setting
from algos.space import Choice, Space

__all__ = [
    "PRESETS",
    "SPACE",
    "Config",
    "actor_loss",
    "auxiliary_losses",
    "check_subset",
    "needs",
    "subset_min",
    "td_target",
]

PRESETS = {
    "official": Preset(
        "rlpd's README for the binary hand tasks, and its configs",
        {
            "hidden": (256, 256, 256),
            "batch_size": 256,
            "policy_weight_decay": 0.0,
            "update_order": "post",
            "q_bound": "none",
            "backup_entropy": False,
            "warmup_steps": 5000,
            "warmup_actions": "uniform",
        },
        ("initialisation", "alpha", "data"),
    ),
    "q-chunking": Preset(
        "ColinQiyangLi's qc, agents/acrlpd.py, main_online.py and RLPD-AC of its README",
        {
            "hidden": (512, 512, 512, 512),
            "batch_size": 256,
            "policy_weight_decay": 0.0,
            "q_bound": "none",
            "action_chunk": 5,
            "subset": 1,
            "backup_entropy": False,
            "updates_per_step": 1.0,
            "policy_every": 1,
            "warmup_steps": 5000,
            "warmup_actions": "uniform",
        },
        (
            "initialisation",
            "alpha",
            "a target of the mean over all critics: subset=1 takes one of them at random, the same in expectation",
        ),
    ),
}
SPACE: Space = {"subset": Choice((1, 2)), "backup_entropy": Choice((True, False)), "layer_norm": Choice((True, False))}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of RLPD."""

    critics: int = setting(10, "critics of the ensemble", "RLPD", within=AT_LEAST_ONE)
    subset: int = setting(
        2, "critics, drawn anew for every update, whose minimum is the target", "RLPD; AntMaze: 1", within=AT_LEAST_ONE
    )
    layer_norm: bool = setting(True, "normalise the hidden layers of the critics", "RLPD")
    policy_every: int = setting(
        20,
        "updates of the critics per update of policy and alpha; set it with updates_per_step",
        "RLPD: 20 and 20",
        within=AT_LEAST_ONE,
    )
    backup_entropy: bool = setting(
        True, "count the entropy of later actions as value", "RLPD; its hand tasks and AntMaze: off"
    )
    alpha: Literal["auto"] | float = setting(
        "auto", "entropy temperature: tuned, or fixed", "RLPD", within=NOT_NEGATIVE
    )
    target_entropy: float | None = setting(
        None, "entropy that auto alpha aims at; none: -(action dimensions) / 2", "RLPD's code", within=FINITE
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_subset(self.subset, self.critics)
        check_alpha(self.alpha, self.target_entropy)


def needs(cfg: Config) -> Needs:
    """An ensemble, and prior data that are only replayed online."""
    return Needs(
        chunks=True,
        policy="squashed",
        critics=cfg.critics,
        layer_norm=cfg.layer_norm,
        critic_draws=cfg.subset < cfg.critics,
        action_samples=1,
        policy_every=cfg.policy_every,
        modules_every=cfg.policy_every,
        offline_phase=False,
        bounded_q=cfg.alpha == 0 or not cfg.backup_entropy,
        modules=alpha_modules(cfg.alpha),
    )


def td_target(cfg: Config, nets: Nets, step: Step, next_dist: Dist) -> Tensor:
    """SAC's target with the minimum over a random subset of the target critics; [S, B]."""
    coef = cfg.alpha if cfg.backup_entropy else 0.0
    return soft_target(coef, nets, step, next_dist, lambda q: subset_min(q, step.noise.critics, cfg.subset))


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """SAC's policy loss with the mean over all critics; each [S]."""
    return soft_actor_loss(cfg.alpha, nets, step, lambda q: q.mean(ENSEMBLE))


def auxiliary_losses(cfg: Config, nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    """Loss of the dual variable of alpha, where it is tuned."""
    target = -step.batch.action.shape[-1] / 2 if cfg.target_entropy is None else cfg.target_entropy
    return alpha_loss(cfg.alpha, target, nets, step)


def check_subset(subset: int, critics: int) -> None:
    """Raise `SettingError` for a subset of more critics than there are."""
    if subset > critics:
        raise SettingError(f"subset={subset} is more than there are: critics={critics}")


def subset_min(q: Tensor, draws: Tensor | None, size: int) -> Tensor:
    """Minimum over the `size` critics of the smallest draws, of all without draws: [S, E, B], [S, E] -> [S, B]."""
    if draws is None:
        return q.amin(ENSEMBLE)
    chosen = draws.topk(size, dim=ENSEMBLE, largest=False).indices[..., None]  # [S, size, 1]
    return q.gather(ENSEMBLE, chosen.expand(-1, -1, q.shape[-1])).amin(ENSEMBLE)
