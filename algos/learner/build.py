"""Fresh networks of a learner, each seed from its own random stream."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from algos.contract import LearnerConfig, Needs
from algos.learner.replay import Layout
from algos.networks.nets import Nets, TwinQ, activate
from algos.networks.policies import DeterministicPolicy, GaussianPolicy, SquashedPolicy, builder

__all__ = ["build", "stream_seed"]

_STREAMS = {"init": 1, "learn": 2}


def stream_seed(seed: int, stream: str) -> int:
    """A 63-bit seed for one named random stream of one learner seed; streams of different seeds are independent."""
    return int(np.random.SeedSequence([seed, _STREAMS[stream]]).generate_state(1, np.uint64)[0]) >> 1


def build(
    needs: Needs,
    learner: LearnerConfig,
    seeds: Sequence[int],
    layout: Layout,
    *,
    output_bound: float | None = None,
    generation: int = 0,
) -> Nets:
    """The networks that a method needs, on the CPU.

    `output_bound` caps the critics' outputs; `generation` counts how often a learner has started its networks anew.
    """
    dims, count, hidden, discrete = (layout.obs_dim, layout.action_dim), len(seeds), learner.hidden, layout.discrete
    critic = TwinQ(count, needs.critics, *dims, hidden, needs.layer_norm) if needs.critics else None
    extra = {name: builder(kind, discrete)(count, *dims, hidden) for name, kind in needs.modules.items()}
    policy = builder(needs.policy, discrete)(count, *dims, hidden)
    if isinstance(policy, DeterministicPolicy):
        policy.noise = needs.exploration_noise
    shared = [policy, *extra.values()]  # whose deviation the learner's settings say
    if isinstance(policy, GaussianPolicy) and needs.log_std_range is not None:  # the method's own stands over them
        policy.low, policy.high = needs.log_std_range
        shared.remove(policy)
    spreads = [m for m in shared if isinstance(m, GaussianPolicy | SquashedPolicy)]
    if learner.log_std_range is not None:
        for module in spreads:
            module.low, module.high = learner.log_std_range
    nets = Nets(policy, critic, extra, output_bound, needs.target_policy)
    activate(nets, learner.activation)
    nets.init([torch.Generator().manual_seed(stream_seed(s, "init") + generation) for s in seeds], learner.copy_targets)
    if learner.std_start is not None:
        slow = nets.target_policy if policy in shared else None
        for started in (*spreads, slow):
            if isinstance(started, GaussianPolicy | SquashedPolicy):
                started.start_at(learner.std_start)
    return nets
