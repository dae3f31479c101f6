"""Policies cloned from recorded actions with this suite's own BC; their numbers do not depend on a machine's cores."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import algos
from algos.contract import LearnerConfig
from algos.learner.actor_critic import ActorCritic
from algos.learner.replay import Layout, Replay
from envs.data import datasets
from envs.data.datasets import Episode
from envs.errors import DatasetError
from envs.task import Recipe, Task
from suite.recipes.play import Progress

__all__ = ["always_the_same_numbers", "clone", "cloned"]

Array: TypeAlias = NDArray[np.float32]

_REPORT_EVERY = 1000  # updates


def clone(
    task: Task,
    recipe: Recipe,
    episodes: Sequence[Episode],
    seeds: Sequence[int],
    progress: Progress | None = None,
) -> nn.Module:
    """Clone policies of several seeds from episodes by maximum likelihood, as the recipe says."""
    rows = datasets.transitions(task, episodes)
    learner = LearnerConfig(hidden=recipe.clone_hidden, batch_size=recipe.clone_batch)
    return cloned(task, rows.obs, rows.action, "nll", learner, seeds, recipe.clone_updates, progress)


def cloned(
    task: Task,
    obs: Array,
    action: Array,
    loss: str,
    learner: LearnerConfig,
    seeds: Sequence[int],
    updates: int,
    progress: Progress | None,
) -> nn.Module:
    """Clone policies of several seeds from obs [N, O] and actions [N, A] with this suite's own BC.

    They take observations as they are, also where the training saw them standardised.
    """
    objective = algos.load("bc")
    layout = Layout(task.obs_dim, task.action_dim, discrete=task.discrete)
    o, a, zeros = torch.from_numpy(obs), torch.from_numpy(action), torch.zeros(len(obs))
    rows = layout.pack(o, a, zeros, o, zeros)  # BC looks at neither rewards nor successors
    replay = Replay(layout, rows, demos=0, seeds=len(seeds), capacity=0, device=rows.device)
    actor_critic = ActorCritic(
        objective, objective.Config(bc_loss=loss), learner=learner, seeds=seeds, layout=layout, replay=replay
    )
    for done in range(0, updates, _REPORT_EVERY):
        with always_the_same_numbers():
            actor_critic.run(min(_REPORT_EVERY, updates - done))
        if progress is not None:
            progress(f"cloning {min(done + _REPORT_EVERY, updates)}/{updates} updates")
    if not actor_critic.finite().all():
        raise DatasetError("cloning diverged: the policy is not finite")
    return actor_critic.actor()


@contextlib.contextmanager
def always_the_same_numbers() -> Iterator[None]:
    """Compute on one thread with denormals flushed: rounding then depends on neither command nor machine's cores.

    It is also faster for small networks beside worker processes, and a clone's last updates are full of denormals.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # stays on: torch cannot tell what it was
    try:
        yield
    finally:
        torch.set_num_threads(before)
