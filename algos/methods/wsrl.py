"""WSRL (Zhou et al. 2024, arXiv:2412.07762): Cal-QL (CQL) offline, then SAC on new data alone, as RLPD without the old.

    offline: Cal-QL with many normalised critics; its target is the least of a random subset of them
    switch:  the offline data are dropped (`prior_data=warm`), and the policy collects `warmup_steps` before any update
    online:  y = r + gamma (1 - terminated) min over a random subset of target Q_i(s', a'), and SAC's policy loss with
             the least of all critics; many updates of the critics per step, the policy once in `policy_every` of them

What the warm-up collects stands in for the offline data: Q of the states that the policy visits does not fall while it
adapts to rewards online. The target counts no entropy. Offline the policy steps at every update.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from algos.contract import Metrics, Needs, Phase, Step, bellman
from algos.methods import cql
from algos.methods.rlpd import check_subset, subset_min
from algos.methods.sac import soft_actor_loss, soft_target
from algos.networks.dists import Dist
from algos.networks.nets import Nets
from algos.parts.candidates import SAMPLE
from algos.parts.entropy import check_alpha
from algos.settings import AT_LEAST_ONE, FINITE, NOT_NEGATIVE, POSITIVE, Preset, Settings, setting
from algos.space import Choice, Space, Span

__all__ = [
    "METRICS",
    "PRESETS",
    "SPACE",
    "Config",
    "actor_loss",
    "auxiliary_losses",
    "critic_penalty",
    "needs",
    "on_phase",
    "td_target",
]

METRICS = cql.METRICS
PRESETS = {
    "official": Preset(
        "zhouzypaul's wsrl: experiments/scripts/adroit, configs/train_config.py and finetune.py",
        {
            "hidden": (512, 512),
            "batch_size": 256,
            "policy_lr": 1e-4,
            "policy_weight_decay": 0.0,
            "q_bound": "none",
            "buffer_size": 2_000_000,
            "offline_updates": 20_000,
            "warmup_steps": 5000,
        },
        (
            "widths",
            "initialisation",
            "rewards",
            "a policy with normalised layers",
            "steps of policy and alpha from the rows of all four updates of the critics before them",
            "subsets of the critics drawn with repetition",
        ),
    )
}
SPACE: Space = {
    "conservative_weight": Span(0.05, 10, log=True),
    "critics": Choice((2, 5, 10)),
    "online_backup_samples": Choice((1, 10)),
}


@dataclass(frozen=True)
class Config(Settings):
    """Settings of WSRL."""

    critics: int = setting(10, "critics of the ensemble", "WSRL's code", within=AT_LEAST_ONE)
    subset: int = setting(
        2, "critics, drawn anew for every update, whose minimum is the target", "WSRL's code", within=AT_LEAST_ONE
    )
    layer_norm: bool = setting(True, "normalise the hidden layers of the critics", "WSRL's code")
    policy_every: int = setting(
        4,
        "online updates of the critics per update of policy and alpha; set it with updates_per_step",
        "WSRL's code: 4 and 4",
        within=AT_LEAST_ONE,
    )
    conservative_weight: float = setting(
        0.198,
        "weight of Cal-QL's gap beside each critic's TD loss; offline only",
        "WSRL's code: 1 on hands, of values that are 5.05 of ours",
        within=NOT_NEGATIVE,
    )
    conservative_temperature: float = setting(
        0.198,
        "T of the gap's soft maximum T log sum exp(Q / T)",
        "WSRL's code: 1, of such values",
        within=POSITIVE,
        only={"conservative_weight": POSITIVE},
    )
    conservative_samples: int = setting(
        10, "actions of each of the gap's three kinds per state", "WSRL's code", within=AT_LEAST_ONE
    )
    lagrange_gap: float | None = setting(
        None,
        "gap that a dual variable aims at; none: no dual",
        "WSRL's code: 0.8 on AntMaze, of such values",
        within=NOT_NEGATIVE,
        only={"conservative_weight": POSITIVE},
    )
    calibrate: bool = setting(
        True, "count policy actions no lower than the return-to-go of the data", "WSRL's code; on locomotion: off"
    )
    backup_samples: int = setting(
        10, "policy actions at s' whose best value the target takes, offline", "WSRL's code", within=AT_LEAST_ONE
    )
    online_backup_samples: int = setting(1, "the same online", "WSRL's code; on AntMaze: 10", within=AT_LEAST_ONE)
    alpha: Literal["auto"] | float = setting(
        "auto", "entropy temperature: tuned, or fixed", "WSRL's code", within=NOT_NEGATIVE
    )
    target_entropy: float | None = setting(
        None, "entropy that auto alpha aims at; none: -(action dimensions)", "WSRL's code", within=FINITE
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_subset(self.subset, self.critics)
        check_alpha(self.alpha, self.target_entropy)


def needs(cfg: Config) -> Needs:
    """What Cal-QL needs, with an ensemble."""
    return dataclasses.replace(
        cql.needs(_cal_ql(cfg)),
        critics=cfg.critics,
        layer_norm=cfg.layer_norm,
        critic_draws=cfg.subset < cfg.critics,
        next_action_samples=max(cfg.conservative_samples, cfg.backup_samples, cfg.online_backup_samples),
        policy_every=cfg.policy_every,
        modules_every=cfg.policy_every,
    )


def on_phase(cfg: Config, phase: Phase) -> Config:
    """Offline the policy steps with the critics; online nothing holds them down."""
    if phase == "offline":
        return dataclasses.replace(cfg, policy_every=1)
    return dataclasses.replace(cfg, conservative_weight=0.0, backup_samples=cfg.online_backup_samples)


def td_target(cfg: Config, nets: Nets, step: Step, next_dist: Dist) -> Tensor:
    """The least of a random subset of the target critics, at one policy action or at the best of several; [S, B]."""
    if cfg.backup_samples == 1:
        return soft_target(0.0, nets, step, next_dist, lambda q: subset_min(q, step.noise.critics, cfg.subset))
    assert step.noise.next_actions is not None
    actions, _ = next_dist.many().sample(step.noise.next_actions[:, : cfg.backup_samples])
    q = nets.q_of_many(step.batch.next_obs, actions, target=True)  # [S, E, K, B]
    least = subset_min(q.flatten(2), step.noise.critics, cfg.subset).view(len(q), *q.shape[2:])  # [S, K, B]
    return bellman(step, least.amax(SAMPLE))


def critic_penalty(cfg: Config, nets: Nets, step: Step, q: Tensor) -> tuple[Tensor, Metrics] | None:
    """Cal-QL's weighted gap, summed over the critics, offline; [S]."""
    return cql.critic_penalty(_cal_ql(cfg), nets, step, q)


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """SAC's policy loss with the least of all critics; each [S]."""
    return soft_actor_loss(cfg.alpha, nets, step)


def auxiliary_losses(cfg: Config, nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    """Losses of alpha and, offline, of the multiplier of the gap, where there is one."""
    return cql.auxiliary_losses(_cal_ql(cfg), nets, step)


def _cal_ql(cfg: Config) -> cql.Config:
    """Settings of the method that runs offline: what WSRL's settings of the same names say, its own defaults else."""
    shared = {f.name for f in dataclasses.fields(cql.Config)} & {f.name for f in dataclasses.fields(Config)}
    return cql.Config(**{name: getattr(cfg, name) for name in shared})
