"""What a run may log: names, meanings, units of scores, and how a score is printed with its interval.

An algorithm's own metrics stand in its module.
"""

from __future__ import annotations

import math

__all__ = ["METRICS", "SCORE_UNITS", "digits", "of_mean", "of_share", "shown"]

_CONFIDENCE = 0.95

METRICS: dict[str, str] = {
    # scores: evaluation with the policy's mode on fixed initial states
    "success": "share of evaluation episodes that are successful at their last step",
    "success_any": "share of evaluation episodes that are successful at any step",
    "success_steps": "share of evaluation steps that are successful",
    "return": "undiscounted return of an evaluation episode, mean",
    "normalized_score": "return placed between the task's reference scores, 0 to 100; "
    "of a task with subtasks, the share that was in place at any time of an episode",
    "episode_length": "steps of an evaluation episode, mean",
    "final_reward": "reward of the last evaluation step, mean: minus the final distance, on a task of goals",
    # collection
    "collect_success": "share of collected episodes, whole ones if there are any, successful at their last step",
    "collect_return": "undiscounted return of a collected episode, mean; of whole ones if there are any",
    # learning: means over the updates since the row before
    "critic_loss": "mean squared TD error, summed over the critics",
    "actor_loss": "the algorithm's policy objective",
    "q_data": "Q of the batch's actions, minimum over critics",
    "q_policy": "Q of the policy's actions, minimum over critics",
    "q_gap": "difference between the two critics on the batch's actions",
    "td_target": "one-step Bellman target",
    "advantage": "Q of the batch's actions minus the value estimate",
    "advantage_std": "standard deviation of the advantage within the batch",
    "weight_ess": "effective sample size of the imitation weights, as a share of the batch",
    "weight_max": "largest imitation weight of the batch, where the mean weight is 1",
    "log_prob_data": "log-likelihood of the batch's actions under the policy",
    "policy_std": "standard deviation of the policy before squashing, mean over action dimensions",
    "mse_data": "squared distance between the policy's mode and the batch's actions, mean over dimensions",
    "entropy_coef": "temperature of the entropy bonus (alpha)",
    "entropy": "estimate of the policy's entropy",
    "temperature_loss": "loss of the entropy temperature",
    "bc_loss": "negative log-likelihood of the demonstrations' actions",
    "bc_kept": "share of demonstration rows that pass the Q filter",
    "behaviour_loss": "negative log-likelihood of the data under the behaviour model",
    "behaviour_log_prob_offline": "log-likelihood of offline actions under the behaviour model, on up to 2,000 rows",
    "behaviour_log_prob_online": "log-likelihood of the seed's own online actions so far under the behaviour model",
    "log_z": "log of the estimated normaliser Z(s)",
    "diverged": "1 from the row on at which this seed's parameters stopped being finite",
}

# of what an evaluation measures; larger is better in all of them
SCORE_UNITS = {
    "success": "share",
    "success_any": "share",
    "success_steps": "share",
    "return": "reward",
    "normalized_score": "percent",
    "final_reward": "reward",
    "episode_length": "steps",
}


def digits(metric: str) -> int:
    """How many digits a score is printed with after the point."""
    return 2 if _is_share(metric) else 0


def shown(metric: str, mean: float, std: float, count: int) -> tuple[float, str]:
    """A mean over `count` episodes, rounded, and its interval, "-" where there is none.

    `std` is that of a sample; for a share it is not needed.
    """
    after = digits(metric)
    low, high = of_share(mean, count) if _is_share(metric) else of_mean(mean, std, count)
    return round(mean, after + 1), f"{low:.{after}f} to {high:.{after}f}" if math.isfinite(low) else "-"


def _is_share(metric: str) -> bool:
    return SCORE_UNITS[metric] == "share"


def of_share(share: float, count: int) -> tuple[float, float]:
    """Wilson's interval of a share of `count` episodes, in [0, 1]."""
    from scipy import stats  # late: takes a second

    limits = stats.binomtest(round(share * count), count).proportion_ci(_CONFIDENCE, method="wilson")
    return float(limits.low), float(limits.high)


def of_mean(mean: float, std: float, count: int) -> tuple[float, float]:
    """Student's interval of the mean of `count` values with this (sample) standard deviation; NaN for a single one."""
    from scipy import special

    if count < 2:
        return math.nan, math.nan
    half = float(special.stdtrit(count - 1, (1 + _CONFIDENCE) / 2)) * std / math.sqrt(count)
    return mean - half, mean + half
