"""Episodes played for datasets: rollouts of policies, mixtures of them, and noise.

Every random number of an episode comes from `SeedSequence([dataset seed, stream, number of the episode])`, and
episodes are stepped in batches of a fixed size, so that the data do not depend on the number of workers. Policies are
computed in double precision and their actions rounded to single. What processors round differently is lost in that, and
the simulators compute the same on all that were tried: so do all machines get the same data.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from envs.data.datasets import Episode
from envs.discrete import choices, one_hot
from envs.stepping.vector import VectorEnv, VectorStep
from envs.task import MixRecipe, NoiseRecipe, Task

__all__ = [
    "STREAMS",
    "Array",
    "Progress",
    "act",
    "env_seed",
    "in_double",
    "mixture",
    "noise",
    "play",
    "random_streams",
    "rollouts",
    "sampled",
]

Array: TypeAlias = NDArray[np.float32]
Progress: TypeAlias = Callable[[str], None]

STREAMS = {"demonstrations": 0, "rollouts": 1}  # what is recorded -> the number of its stream
_MIXTURES = 2  # stream of the first policy of a mixture; the others follow
_ROLLOUTS_AT_ONCE = 50


def rollouts(
    task: Task,
    policy: nn.Module | None,
    count: int,
    seed: int,
    workers: int,
    sample: bool = True,
    progress: Progress | None = None,
) -> list[Episode]:
    """Play `count` episodes with samples of a policy of one seed (None: random actions), or with its mode."""
    return sampled(task, policy, count, seed, workers, sample, progress, "rollouts")


def sampled(
    task: Task,
    policy: nn.Module | None,
    count: int,
    seed: int,
    workers: int,
    sample: bool,
    progress: Progress | None,
    stream: str,
) -> list[Episode]:
    """Play `rollouts` with the random numbers of one of `STREAMS`; those of "demonstrations" are marked as such."""

    exact = None if policy is None else in_double(policy)

    def actions(streams: Sequence[np.random.Generator]) -> Callable[[int, Array], Array]:
        return _sampler(task, exact, streams) if sample or exact is None else _Policy(exact, None)

    episodes = _batches(task, count, seed, workers, stream, actions, progress)
    return [dataclasses.replace(e, demo=stream == "demonstrations") for e in episodes]


def noise(task: Task, recipe: NoiseRecipe, seed: int, workers: int, progress: Progress | None = None) -> list[Episode]:
    """Play episodes of Ornstein-Uhlenbeck noise over the task's horizon."""

    def actions(streams: Sequence[np.random.Generator]) -> Callable[[int, Array], Array]:
        walk = np.stack([_walk(recipe, (task.horizon, task.action_dim), rng) for rng in streams], axis=1)  # [T, n, A]
        return lambda t, obs: walk[t]

    return _batches(task, recipe.rollouts, seed, workers, "rollouts", actions, progress)


def _walk(recipe: NoiseRecipe, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Noise of one episode, before it is clipped: [T, A]."""
    x = np.zeros(shape[1], np.float32)
    out = rng.standard_normal(shape, np.float32)
    for t, normal in enumerate(out):
        out[t] = x = x - recipe.theta * x + recipe.sigma * normal
    return out


def _batches(
    task: Task,
    count: int,
    seed: int,
    workers: int,
    stream: str,
    actions: Callable[[Sequence[np.random.Generator]], Callable[[int, Array], Array]],
    progress: Progress | None,
) -> list[Episode]:
    """Play `count` full episodes in batches; `actions(streams)` builds the batch's action function."""
    episodes: list[Episode] = []
    at_once = max(1, min(count, _ROLLOUTS_AT_ONCE))
    with VectorEnv(task.id, at_once, workers, task.horizon) as env:
        for first in range(0, count, at_once):
            streams = random_streams(seed, STREAMS[stream], range(first, first + at_once))
            seeds = [env_seed(rng) for rng in streams]
            episodes += play(task, env, actions(streams), seeds, task.horizon)
            if progress is not None:
                progress(f"{stream} {min(len(episodes), count)}/{count}")
    return episodes[:count]


def mixture(
    task: Task,
    recipe: MixRecipe,
    policies: Sequence[nn.Module | None],
    seed: int,
    workers: int,
    progress: Progress | None = None,
) -> list[Episode]:
    """Play episodes of each policy of a recipe, of one seed (None: random actions), until it has its share of steps."""
    episodes: list[Episode] = []
    exact = [None if policy is None else in_double(policy) for policy in policies]
    with VectorEnv(task.id, _ROLLOUTS_AT_ONCE, workers, task.horizon) as env:
        for part, (policy, (name, share)) in enumerate(zip(exact, recipe.parts, strict=True)):
            left = wanted = round(share * recipe.steps)
            for first in itertools.count(0, _ROLLOUTS_AT_ONCE):
                if left <= 0:
                    break
                streams = random_streams(seed, _MIXTURES + part, range(first, first + _ROLLOUTS_AT_ONCE))
                seeds = [env_seed(rng) for rng in streams]
                for episode in play(task, env, _sampler(task, policy, streams), seeds, task.horizon):
                    if left > 0:
                        episodes.append(episode if len(episode.action) <= left else episode.cut(left, terminated=False))
                        left -= len(episodes[-1].action)
                if progress is not None:
                    progress(f"{name or 'random actions'} {wanted - left:,}/{wanted:,} steps")
    return episodes


def _sampler(
    task: Task, policy: nn.Module | None, streams: Sequence[np.random.Generator]
) -> Callable[[int, Array], Array]:
    """Actions sampled from a policy, or uniform ones, from one random stream per environment."""
    shape = (task.horizon, task.action_dim)
    if policy is None:
        uniform = np.stack([rng.uniform(-1, 1, shape).astype(np.float32) for rng in streams], axis=1)  # [T, n, A]
        if task.discrete:
            uniform = one_hot(choices(uniform), task.action_dim)
        return lambda t, obs: uniform[t]
    return _Policy(policy, np.stack([rng.standard_normal(shape, np.float32) for rng in streams], axis=1))


def play(
    task: Task, env: VectorEnv, action_at: Callable[[int, Array], Array], seeds: Sequence[int], steps: int
) -> list[Episode]:
    """Play one episode in each environment, of `steps` unless it ends before; actions are recorded as executed.

    `action_at(t, obs [n, O])` gives the actions [n, A] of step t; they are clipped to [-1, 1], as the
    environments do.
    """
    start = obs = env.reset(seeds)
    played: list[tuple[Array, VectorStep]] = []
    length = np.zeros(env.count, np.int64)
    ended = np.zeros(env.count, np.bool_)
    for t in range(steps):
        action = np.clip(action_at(t, obs), -1, 1)
        step = env.step(action)
        played.append((action, step))
        length += ~ended
        ended |= step.terminated | step.truncated
        obs = step.obs
        if ended.all():
            break
    sent = np.stack([a for a, _ in played], axis=1)  # [n, T, A]
    seen = np.stack([start, *(s.next_obs for _, s in played)], axis=1)  # [n, T+1, O]
    reward = np.stack([s.reward for _, s in played], axis=1)  # [n, T]
    terminated = np.stack([s.terminated for _, s in played], axis=1)  # [n, T]
    return [
        Episode(
            seen[i, : n + 1],
            sent[i, :n],
            terminated=bool(terminated[i, n - 1]),
            seed=seeds[i],
            reward=None if task.computes_reward else reward[i, :n],
        )
        for i, n in enumerate(length)
    ]


def in_double(policy: nn.Module) -> nn.Module:
    """Copy of a policy that computes in double precision."""
    return copy.deepcopy(policy).double()


@torch.no_grad()
def act(policy: nn.Module, obs: Array, noise: Array | None = None) -> Array:
    """Actions [n, A] of a policy of one seed at obs [n, O]: its mode, or a sample from standard normal noise.

    They are single numbers, whatever the policy computes with.
    """
    dtype = next(policy.parameters()).dtype
    dist = policy(torch.from_numpy(obs)[None].to(dtype))
    action = dist.mode if noise is None else dist.sample(torch.from_numpy(noise)[None].to(dtype))[0]
    return np.asarray(action[0].float().numpy())


class _Policy:
    """Actions of a policy: its mode, or samples from given noise [T, n, A]."""

    def __init__(self, policy: nn.Module, noise: Array | None) -> None:
        self.policy, self.noise = policy, noise

    def __call__(self, t: int, obs: Array) -> Array:
        return act(self.policy, obs, None if self.noise is None else self.noise[t])


def random_streams(seed: int, stream: int, numbers: range) -> list[np.random.Generator]:
    """One random generator per number, which is that of an episode or of an environment."""
    return [np.random.default_rng(np.random.SeedSequence([seed, stream, n])) for n in numbers]


def env_seed(rng: np.random.Generator) -> int:
    """Draw the seed of the next reset."""
    return int(rng.integers(2**31))
