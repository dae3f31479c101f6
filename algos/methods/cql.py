"""CQL(H) (Kumar et al. 2020, arXiv:2006.04779), and Cal-QL (Nakamoto et al. 2023, arXiv:2303.05479): SAC whose critics
are pushed down at sampled actions and up at the data's.

    critics: TD loss + conservative_weight gap,  gap = E_s log sum_k exp(Q(s,a_k)) / density(a_k) - E Q(s,a)
    policy:  minimise E[alpha log pi(a|s) - min_i Q_i(s,a)], a ~ pi reparameterised

with as many actions a_k from the uniform distribution as from pi(s) and from pi(s'), all rated at s. The target counts
no entropy. With `lagrange_gap` the weight is multiplied by a dual variable that holds the gap there, as in Cal-QL's
code; CQL's holds the weighted gap at `lagrange_thresh`. Cal-QL (`calibrate`) counts a policy action no lower than the
data's return-to-go, so that Q is not pushed below it.

In the first `policy_bc_steps` updates the policy's loss is alpha log pi(a|s) - log pi(data action|s), as in CQL's code;
here they end with the offline phase at the latest. Cal-QL's code turns the hand tasks' rewards of -1 and 0 into -5 and
5: its values are 5.05 x ours + 5, and a weight w there is w / 5.05 here. It drops failed episodes and ends the others
at success.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from algos.contract import ENSEMBLE, Metrics, Needs, Phase, Step, bellman, row_mean
from algos.methods.sac import smallest, soft_target
from algos.networks.dists import Dist
from algos.networks.nets import Dual, Nets
from algos.parts.candidates import SAMPLE
from algos.parts.entropy import alpha, alpha_loss, alpha_modules, check_alpha
from algos.settings import AT_LEAST_ONE, FINITE, NOT_NEGATIVE, POSITIVE, Preset, SettingError, Settings, setting
from algos.space import Space, Span

__all__ = [
    "CAL_QL_PRESETS",
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
    "uniform",
]

METRICS = {
    "conservative_gap": "soft maximum of Q over sampled actions minus Q of the batch's actions, mean over the critics",
    "conservative_coef": "weight of the conservative gap in the critics' loss",
    "floored": "share of the policy's actions that Q rates below the data's return-to-go",
}

PRESETS = {
    "official": Preset(
        "CQL's d4rl/examples/cql_mujoco_new.py; weight of its README",
        {
            "hidden": (256, 256, 256),
            "batch_size": 256,
            "policy_lr": 1e-4,
            "policy_weight_decay": 0.0,
            "q_bound": "none",
            "copy_targets": False,
            "log_std_range": (-5.0, 2.0),
            "policy_bc_steps": 40_000,
            "offline_updates": 3_000_000,
        },
        ("initialisation", "rewards"),
    )
}
CAL_QL_PRESETS = {
    "official": Preset(
        "Cal-QL's run_adroit.sh",
        {
            "hidden": (512, 512),
            "batch_size": 256,
            "policy_lr": 1e-4,
            "policy_weight_decay": 0.0,
            "q_bound": "none",
            "offline_updates": 20_000,
        },
        ("widths", "initialisation", "rewards"),
    )
}

_LOG_MULTIPLIER_MAX = math.log(1e6)  # CQL's code
SPACE: Space = {"conservative_weight": Span(0.05, 10, log=True), "conservative_temperature": Span(0.1, 1, log=True)}
_WITH_GAP = ({"conservative_weight": POSITIVE}, {"online_weight": POSITIVE})


@dataclass(frozen=True)
class Config(Settings):
    """Settings of CQL and Cal-QL."""

    conservative_weight: float = setting(
        5.0,
        "weight of the gap beside each critic's TD loss",
        "CQL's README: 5 or 10; Cal-QL: 1 hand tasks, 5 AntMaze, of values that are 5.05 of ours",
        within=NOT_NEGATIVE,
    )
    online_weight: float | None = setting(
        None,
        "conservative_weight after the switch; none: as before it",
        "AWAC A.6: the term stays on",
        within=NOT_NEGATIVE,
    )
    lagrange_gap: float | None = setting(
        None,
        "gap that a dual variable aims at; none: no dual",
        "CQL's lagrange_thresh / weight: 1 or 2, README off; Cal-QL: 0.8 on AntMaze, of values that are 5.05 of ours",
        within=NOT_NEGATIVE,
        only=_WITH_GAP,
    )
    conservative_temperature: float = setting(
        1.0,
        "T of the soft maximum T log sum exp(Q / T): small takes the largest Q",
        "CQL's code: 1; 1 / 5.05 where values are those of Cal-QL divided by 5.05",
        within=POSITIVE,
        only=_WITH_GAP,
    )
    conservative_samples: int = setting(
        10,
        "actions of each of the three kinds per state",
        "CQL's and Cal-QL's code",
        within=AT_LEAST_ONE,
        only=_WITH_GAP,
    )
    calibrate: bool = setting(
        False, "count policy actions no lower than the return-to-go of the data", "Cal-QL, which is its entry"
    )
    backup_samples: int = setting(
        1, "policy actions at s' whose best value the target takes", "CQL: 1; Cal-QL's code: 10", within=AT_LEAST_ONE
    )
    backup_entropy: bool = setting(False, "count the entropy of later actions as value", "CQL's and Cal-QL's code")
    policy_bc_steps: int = setting(
        0,
        "first offline updates whose policy imitates the data instead of following Q",
        "CQL's code: 40000",
        within=NOT_NEGATIVE,
        schedule="offline_updates",
    )
    alpha: Literal["auto"] | float = setting(
        "auto", "entropy temperature: tuned, or fixed", "CQL's and Cal-QL's code", within=NOT_NEGATIVE
    )
    target_entropy: float | None = setting(
        None, "entropy that auto alpha aims at; none: -(action dimensions)", "CQL's and Cal-QL's code", within=FINITE
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.backup_entropy and self.backup_samples > 1:
            raise SettingError("backup_entropy contradicts backup_samples > 1: the best action is not a sample of pi")
        check_alpha(self.alpha, self.target_entropy)


def needs(cfg: Config) -> Needs:
    """One action for the policy's loss and those of the gap; where the weight is 0, what SAC needs."""
    samples = cfg.conservative_samples if cfg.conservative_weight or cfg.online_weight else 0
    dual = {"log_multiplier": lambda seeds, *sizes: Dual(seeds, start=0.0, high=_LOG_MULTIPLIER_MAX)}
    return Needs(
        policy="squashed",
        action_samples=1 + 2 * samples,
        next_action_samples=max(samples, cfg.backup_samples),
        columns=("return_to_go",) if cfg.calibrate else (),
        bounded_q=cfg.alpha == 0 or not cfg.backup_entropy,
        modules={**alpha_modules(cfg.alpha), **(dual if cfg.lagrange_gap is not None else {})},
        module_lr={"log_multiplier": "critic"},
    )


def on_phase(cfg: Config, phase: Phase) -> Config:
    """After the switch the weight may be another one, and the policy follows Q."""
    if phase == "offline":
        return cfg
    weight = cfg.conservative_weight if cfg.online_weight is None else cfg.online_weight
    return dataclasses.replace(cfg, conservative_weight=weight, policy_bc_steps=0)


def td_target(cfg: Config, nets: Nets, step: Step, next_dist: Dist) -> Tensor:
    """SAC's target, as a rule without entropy; or the best of some policy actions at s'; [S, B]."""
    if cfg.backup_samples == 1:
        return soft_target(cfg.alpha if cfg.backup_entropy else 0.0, nets, step, next_dist)
    assert step.noise.next_actions is not None
    actions, _ = next_dist.many().sample(step.noise.next_actions[:, : cfg.backup_samples])
    next_q = smallest(nets.q_of_many(step.batch.next_obs, actions, target=True))  # [S, K, B]
    return bellman(step, next_q.amax(SAMPLE))


def critic_penalty(cfg: Config, nets: Nets, step: Step, q: Tensor) -> tuple[Tensor, Metrics] | None:
    """The weighted gap, summed over the critics; under a dual variable, its excess over the one aimed at; [S]."""
    if cfg.conservative_weight == 0:
        return None
    gap, metrics = _gap(cfg, nets, step, q)
    coef = cfg.conservative_weight * _multiplier(cfg, nets, gap).detach()  # [S]
    loss = coef * (gap - (cfg.lagrange_gap or 0.0)).sum(ENSEMBLE)
    return loss, {**metrics, "conservative_gap": gap.mean(ENSEMBLE), "conservative_coef": coef}


def actor_loss(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Metrics]:
    """SAC's policy loss; in the first `policy_bc_steps` updates the data's likelihood stands for Q; each [S]."""
    action, log_prob = step.sampled
    q = row_mean(smallest(nets.q(step.batch.obs, action)))
    coef = alpha(cfg.alpha, nets, log_prob)  # [S, 1]
    likelihood = row_mean(step.dist.log_prob(step.batch.action))
    gain = q
    if cfg.policy_bc_steps:
        assert step.age is not None
        gain = torch.where(step.age < cfg.policy_bc_steps, likelihood, q)
    return row_mean(coef * log_prob) - gain, {
        "q_policy": q,
        "entropy": row_mean(-log_prob),
        "entropy_coef": coef[:, 0],
        "log_prob_data": likelihood,
    }


def auxiliary_losses(cfg: Config, nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    """The losses of alpha, and of the multiplier that grows while the gap is larger than the one aimed at."""
    losses, metrics = alpha_loss(cfg.alpha, cfg.target_entropy, nets, step)
    if cfg.lagrange_gap is None or cfg.conservative_weight == 0:
        return losses, metrics
    gap, _ = _gap(cfg, nets, step)
    excess = cfg.conservative_weight * (gap.detach().mean(ENSEMBLE) - cfg.lagrange_gap)
    return {**losses, "log_multiplier": -_multiplier(cfg, nets, gap) * excess}, metrics


def uniform(noise: Tensor) -> Tensor:
    """Turn standard normal draws into uniform ones from [-1, 1]: each becomes 2 Phi(x) - 1."""
    return torch.erf(noise / math.sqrt(2.0))


def _multiplier(cfg: Config, nets: Nets, gap: Tensor) -> Tensor:
    """The dual variable, with gradient; 1 without: [S]."""
    if cfg.lagrange_gap is None:
        return torch.ones_like(gap[:, 0])
    value: Tensor = nets.extra["log_multiplier"]().exp()
    return value[:, 0]


def _gap(cfg: Config, nets: Nets, step: Step, q: Tensor | None = None) -> tuple[Tensor, Metrics]:
    """The conservative gap [S, E]; `q` are the critics at the data's actions [S, E, B], where known."""

    def gap() -> tuple[Tensor, Metrics]:
        q_data = nets.q(step.batch.obs, step.batch.action) if q is None else q
        actions, log_density = _candidates(cfg, nets, step)
        rated, metrics = nets.q_of_many(step.batch.obs, actions), {}  # [S, E, 3 n, B]
        if cfg.calibrate:
            floor = step.batch.columns["return_to_go"][:, None, None]
            random, chosen = rated.tensor_split([cfg.conservative_samples], dim=2)
            metrics["floored"] = (chosen < floor).to(floor.dtype).mean((1, 2, 3))
            rated = torch.cat((random, chosen.maximum(floor)), dim=2)
        temperature = cfg.conservative_temperature
        soft_max = temperature * (rated / temperature - log_density[:, None]).logsumexp(2)
        return (soft_max - q_data).mean(-1), metrics

    return step.once("gap", gap)


@torch.no_grad()
def _candidates(cfg: Config, nets: Nets, step: Step) -> tuple[Tensor, Tensor]:
    """n uniform actions, n from pi(s) and n from pi(s') [S, 3 n, B, A], and their log-densities [S, 3 n, B]."""
    noise, n = step.noise, cfg.conservative_samples
    assert noise.action is not None
    assert noise.next_actions is not None
    random = uniform(noise.action[:, 1 : 1 + n])
    here, log_here = step.dist.many().sample(noise.action[:, 1 + n :])
    ahead, log_ahead = nets.policy(step.batch.next_obs).many().sample(noise.next_actions[:, :n])
    log_random = torch.full_like(log_here, -random.shape[-1] * math.log(2.0))
    return torch.cat((random, here, ahead), dim=1), torch.cat((log_random, log_here, log_ahead), dim=1)
