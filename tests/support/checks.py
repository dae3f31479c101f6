"""What the contracts of all methods are checked by: which parameters are the policy's, limits, hooks turned around."""

from __future__ import annotations

from typing import Any

from algos.contract import Objective

POLICY = ("policy.", "target_policy.")
# between seeds that learn alone and in a pack; measured: 3e-10 after five updates at a step size of 3e-4, and 7e-4 with
# the leak that `test_the_packed_comparison_would_notice_a_softmax_over_seeds` plants
ALONE = 5e-6
ALONE_NATURAL = 2e-4  # a natural gradient divides by small curvatures; measured: 5e-5


def takes_its_own_steps(learner: Any) -> bool:
    """Whether something other than an optimiser steps the policy in this phase."""
    return learner.objective.policy_step is not Objective.policy_step and bool(learner.iteration.stages)


def negated(hook: Any) -> Any:
    """The hook with its losses turned upside down."""

    def wrapped(*args: Any) -> Any:
        loss, metrics = hook(*args)
        return ({k: -v for k, v in loss.items()} if isinstance(loss, dict) else -loss), metrics

    return wrapped
