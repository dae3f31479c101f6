"""What is recorded for a task's default dataset: a hampered expert's demonstrations, and rollouts of a policy.

Every random number of an episode comes from `SeedSequence([dataset seed, stream, number of the episode])`, and
episodes are stepped in batches of a fixed size, so that the data do not depend on the number of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from envs.datasets import DatasetError, Episode
from envs.tasks import DemoRecipe, Task
from envs.vector import VectorEnv

__all__ = ["Progress", "act", "demonstrations", "play", "rollouts"]

Array: TypeAlias = NDArray[np.float32]
Progress: TypeAlias = Callable[[str], None]

_STREAMS = {"demonstrations": 0, "rollouts": 1}
_ATTEMPTS_AT_ONCE = 20
_ROLLOUTS_AT_ONCE = 50
_ATTEMPTS_PER_DEMONSTRATION = 40  # more than that, and the recipe does not suit the expert


def demonstrations(
    task: Task, expert: nn.Module, seed: int, workers: int, progress: Progress | None = None
) -> list[Episode]:
    """The first `task.recipe.demonstrations` successful attempts of the hampered expert, in order.

    A demonstration ends `after_success` steps after its first success, or at `demo_steps`, and counts if it is
    successful at its last step: what a human operator would have kept. `expert` is a policy of one seed.
    Raises `DatasetError` if too few attempts succeed.
    """
    recipe = task.recipe
    found: list[Episode] = []
    limit = _ATTEMPTS_PER_DEMONSTRATION * recipe.demonstrations
    with VectorEnv(task.id, _ATTEMPTS_AT_ONCE, workers, recipe.demo_steps) as env:
        for first in range(0, limit, _ATTEMPTS_AT_ONCE):
            if len(found) >= recipe.demonstrations:
                break
            streams = _streams(seed, "demonstrations", range(first, first + _ATTEMPTS_AT_ONCE))
            seeds = [_env_seed(rng) for rng in streams]
            obs, action = play(env, _Hampered(expert, recipe, task.action_dim, streams), seeds, recipe.demo_steps)
            for o, a, s in zip(obs, action, seeds, strict=True):
                if (steps := _kept(task, o)) is not None:
                    found.append(Episode(o[: steps + 1], a[:steps], demo=True, seed=s))
            if progress is not None:
                done = min(len(found), recipe.demonstrations)
                progress(f"demonstrations {done}/{recipe.demonstrations} ({first + _ATTEMPTS_AT_ONCE} attempts)")
    if len(found) < recipe.demonstrations:
        raise DatasetError(
            f"{task.id}: only {len(found)} of {limit} attempts of the hampered expert succeeded, "
            f"{recipe.demonstrations} are needed; raise lag, or lower noise or hold_probability, in its DemoRecipe"
        )
    return found[: recipe.demonstrations]


def rollouts(
    task: Task,
    policy: nn.Module,
    count: int,
    seed: int,
    workers: int,
    sample: bool = True,
    progress: Progress | None = None,
) -> list[Episode]:
    """`count` episodes over the task's horizon, sampled from a policy of one seed, or of its mode."""
    episodes: list[Episode] = []
    at_once = min(count, _ROLLOUTS_AT_ONCE)
    with VectorEnv(task.id, at_once, workers, task.horizon) as env:
        for first in range(0, count, at_once):
            streams = _streams(seed, "rollouts", range(first, first + at_once))
            seeds = [_env_seed(rng) for rng in streams]
            noise: Array | None = None
            if sample:
                shape = (task.horizon, task.action_dim)
                noise = np.stack([rng.standard_normal(shape, np.float32) for rng in streams], axis=1)  # [T, n, A]
            obs, action = play(env, _Policy(policy, noise), seeds, task.horizon)
            episodes += [Episode(o, a, seed=s) for o, a, s in zip(obs, action, seeds, strict=True)]
            if progress is not None:
                progress(f"rollouts {min(len(episodes), count)}/{count}")
    return episodes[:count]


def play(
    env: VectorEnv, action_at: Callable[[int, Array], Array], seeds: Sequence[int], steps: int
) -> tuple[Array, Array]:
    """One episode of `steps` in each environment: obs [n, T+1, O] and actions as executed [n, T, A].

    `action_at(t, obs [n, O])` gives the actions [n, A] of step t; they are clipped to [-1, 1], as the
    environments do.
    """
    obs = [env.reset(seeds)]
    actions = []
    for t in range(steps):
        actions.append(np.clip(action_at(t, obs[-1]), -1, 1))
        obs.append(env.step(actions[-1]).next_obs)
    return np.stack(obs, axis=1), np.stack(actions, axis=1)


@torch.no_grad()
def act(policy: nn.Module, obs: Array, noise: Array | None = None) -> Array:
    """Actions [n, A] of a policy of one seed at obs [n, O]: its mode, or a sample from standard normal noise."""
    dist = policy(torch.from_numpy(obs)[None])
    action = dist.mode if noise is None else dist.sample(torch.from_numpy(noise)[None])[0]
    return np.asarray(action[0].numpy())


class _Policy:
    """A policy's mode, or samples from given noise [T, n, A]."""

    def __init__(self, policy: nn.Module, noise: Array | None) -> None:
        self.policy, self.noise = policy, noise

    def __call__(self, t: int, obs: Array) -> Array:
        return act(self.policy, obs, None if self.noise is None else self.noise[t])


class _Hampered:
    """The demonstrator of `DemoRecipe`, for n attempts at once, each with its own random stream."""

    def __init__(
        self, expert: nn.Module, recipe: DemoRecipe, action_dim: int, streams: Sequence[np.random.Generator]
    ) -> None:
        steps, (low, high) = recipe.demo_steps, recipe.hold_steps
        self.expert, self.recipe = expert, recipe
        self.noise = np.stack([rng.standard_normal((steps, action_dim), np.float32) for rng in streams], axis=1)
        self.lapse = np.stack([rng.random(steps) < recipe.hold_probability for rng in streams], axis=1)  # [T, n]
        self.length = np.stack([rng.integers(low, high + 1, steps) for rng in streams], axis=1)  # [T, n]
        self.sent = np.zeros((len(streams), action_dim), np.float32)
        self.held = np.zeros(len(streams), np.int64)  # steps left for which the last command is repeated

    @torch.no_grad()
    def __call__(self, t: int, obs: Array) -> Array:
        dist = self.expert(torch.from_numpy(obs)[None])
        wish, std = dist.mode[0].numpy(), dist.std[0].numpy()  # [n, A], broadcastable to it
        moved = self.sent + self.recipe.lag * (wish - self.sent) + self.recipe.noise * std * self.noise[t]
        self.held = np.where((self.held == 0) & self.lapse[t], self.length[t], self.held)
        self.sent = np.where(self.held[:, None] > 0, self.sent, np.clip(moved, -1, 1).astype(np.float32))
        self.held = np.maximum(self.held - 1, 0)
        return self.sent


def _kept(task: Task, obs: Array) -> int | None:
    """Steps of an attempt [T+1, O] that make a demonstration; None if it is none."""
    success = task.success(obs[1:])
    if not success.any():
        return None
    steps = min(int(np.argmax(success)) + 1 + task.recipe.after_success, len(success))
    return steps if success[steps - 1] else None


def _streams(seed: int, stream: str, numbers: range) -> list[np.random.Generator]:
    return [np.random.default_rng(np.random.SeedSequence([seed, _STREAMS[stream], n])) for n in numbers]


def _env_seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))
