"""Demonstrations for a task's datasets, by an expert as it is or hampered as a human operator is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from envs.data.datasets import Episode
from envs.errors import DatasetError
from envs.stepping.vector import VectorEnv
from envs.task import DemoRecipe, Recipe, Task
from suite.recipes.play import STREAMS, Array, Progress, env_seed, in_double, play, random_streams, sampled

__all__ = ["demonstrations"]

_ATTEMPTS_AT_ONCE = 20
_ATTEMPTS_PER_DEMONSTRATION = 40  # more than that, and the recipe does not suit the expert


def demonstrations(
    task: Task, recipe: Recipe, expert: nn.Module, seed: int, workers: int, progress: Progress | None = None
) -> list[Episode]:
    """Record the demonstrations of a recipe by `expert`, a policy of one seed.

    Raises `DatasetError` if too few attempts of a hampered expert succeed.
    """
    if isinstance(recipe, DemoRecipe):
        return _hampered(task, recipe, expert, seed, workers, progress)
    return sampled(task, expert, recipe.demonstrations, seed, workers, True, progress, "demonstrations")


def _hampered(
    task: Task, recipe: DemoRecipe, expert: nn.Module, seed: int, workers: int, progress: Progress | None
) -> list[Episode]:
    """Record the first `recipe.demonstrations` successful attempts of the hampered expert, in order.

    A demonstration ends `after_success` steps after its first success, or at `demo_steps`, and counts if it is
    successful at its last step: what a human operator would have kept.
    """
    found: list[Episode] = []
    limit = _ATTEMPTS_PER_DEMONSTRATION * recipe.demonstrations
    with VectorEnv(task.id, _ATTEMPTS_AT_ONCE, workers, recipe.demo_steps) as env:
        for first in range(0, limit, _ATTEMPTS_AT_ONCE):
            if len(found) >= recipe.demonstrations:
                break
            streams = random_streams(seed, STREAMS["demonstrations"], range(first, first + _ATTEMPTS_AT_ONCE))
            seeds = [env_seed(rng) for rng in streams]
            attempts = play(task, env, _Hampered(expert, recipe, task.action_dim, streams), seeds, recipe.demo_steps)
            for e in attempts:
                if (steps := _kept(task, recipe, e.obs)) is not None:
                    found.append(dataclasses.replace(e.cut(steps, terminated=False), demo=True))
            if progress is not None:
                done = min(len(found), recipe.demonstrations)
                progress(f"demonstrations {done}/{recipe.demonstrations} ({first + _ATTEMPTS_AT_ONCE} attempts)")
    if len(found) < recipe.demonstrations:
        raise DatasetError(
            f"{task.id}: only {len(found)} of {limit} attempts of the hampered expert succeeded, "
            f"{recipe.demonstrations} are needed; raise lag (1 is none), or lower noise or hold_probability, in its "
            "DemoRecipe"
        )
    return found[: recipe.demonstrations]


class _Hampered:
    """The demonstrator of `DemoRecipe`, for n attempts at once, each with its own random stream."""

    def __init__(
        self, expert: nn.Module, recipe: DemoRecipe, action_dim: int, streams: Sequence[np.random.Generator]
    ) -> None:
        steps, (low, high) = recipe.demo_steps, recipe.hold_steps
        self.expert, self.recipe = in_double(expert), recipe
        self.noise = np.stack([rng.standard_normal((steps, action_dim), np.float32) for rng in streams], axis=1)
        self.lapse = np.stack([rng.random(steps) < recipe.hold_probability for rng in streams], axis=1)  # [T, n]
        self.length = np.stack([rng.integers(low, high + 1, steps) for rng in streams], axis=1)  # [T, n]
        self.sent = np.zeros((len(streams), action_dim), np.float32)
        self.held = np.zeros(len(streams), np.int64)  # steps left for which the last command is repeated

    @torch.no_grad()
    def __call__(self, t: int, obs: Array) -> Array:
        dist = self.expert(torch.from_numpy(obs)[None].double())
        wish, std = dist.mode[0].numpy(), dist.std[0].numpy()  # [n, A], broadcastable to it
        moved = self.sent + self.recipe.lag * (wish - self.sent) + self.recipe.noise * std * self.noise[t]
        self.held = np.where((self.held == 0) & self.lapse[t], self.length[t], self.held)
        self.sent = np.where(self.held[:, None] > 0, self.sent, np.clip(moved, -1, 1).astype(np.float32))
        self.held = np.maximum(self.held - 1, 0)
        return self.sent


def _kept(task: Task, recipe: DemoRecipe, obs: Array) -> int | None:
    """Number of steps of an attempt, obs [T+1, O], that make a demonstration; None if the attempt is none."""
    if task.success is None:
        raise DatasetError(f"{task.id} has no success rule, so no attempt of a hampered expert is a demonstration")
    success = task.success(obs[1:])
    if not success.any():
        return None
    steps = min(int(np.argmax(success)) + 1 + recipe.after_success, len(success))
    return steps if success[steps - 1] else None
