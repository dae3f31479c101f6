"""What methods on fresh data share: a policy cloned before the first episode, advantages, and V learned beside them."""

from __future__ import annotations

from torch import Tensor

from algos.contract import LearnerConfig, Metrics, Stage, Step, Trajectories, row_mean
from algos.networks.dists import Comparable
from algos.networks.nets import Nets
from algos.parts.returns import advantages

__all__ = ["METRICS", "cloning_loss", "estimates", "one_step_then_value", "value_losses"]

METRICS = {"value": "V of the batch's states", "value_loss": "half the squared error of V"}


def cloning_loss(step: Step, fixed_spread: bool = False) -> tuple[Tensor, Metrics]:
    """Cloning loss of the policy's start, -log pi(a|s) of prior data; [S].

    A `fixed_spread` keeps its gradient from a normal's deviation: its mean then learns by squared errors.
    """
    dist = step.dist
    if fixed_spread:
        assert isinstance(dist, Comparable)
        dist = dist.fixed_spread()
    log_prob = row_mean(dist.log_prob(step.batch.action))
    return -log_prob, {"log_prob_data": log_prob}


def one_step_then_value(collected: int, passes: int, batch: int, all_demos: bool = False) -> tuple[Stage, Stage]:
    """Stages of an iteration: one step of the policy on all that was collected, then passes of V over it."""
    batch = min(batch, collected)
    return (
        Stage("step", 1, ("policy",), collected, passes=True, all_demos=all_demos),
        Stage("value", passes * (collected // batch), ("value",), batch, passes=True),
    )


def estimates(nets: Nets, paths: Trajectories, learner: LearnerConfig, trace: float) -> tuple[Tensor, Tensor]:
    """Generalised advantages and V(s) before anything learns from them, each [S, N]."""
    value = paths.map(lambda batch: nets.extra["value"](batch.obs))
    next_value = paths.map(lambda batch: nets.extra["value"](batch.next_obs))
    return advantages(paths, value, next_value, learner.discount, trace), value


def value_losses(nets: Nets, step: Step) -> tuple[dict[str, Tensor], Metrics]:
    """Half the squared error of V against the prepared column `target`, in the stage "value"; [S]."""
    if step.stage != "value":
        return {}, {}
    v = nets.extra["value"](step.batch.obs)
    loss = 0.5 * row_mean((v - step.batch.columns["target"]).square())
    return {"value": loss}, {"value": row_mean(v), "value_loss": loss.detach()}
