"""What is recorded for a task's datasets: an expert's demonstrations, hampered or not, and rollouts of policies.

Every random number of an episode comes from `SeedSequence([dataset seed, stream, number of the episode])`, and
episodes are stepped in batches of a fixed size, so that the data do not depend on the number of workers.
"""

from __future__ import annotations

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
from envs.errors import DatasetError
from envs.stepping.vector import VectorEnv, VectorStep
from envs.task import DemoRecipe, MixRecipe, NoiseRecipe, Recipe, Task

__all__ = [
    "STREAMS", "Array", "Progress", "act", "demonstrations", "env_seed", "mixture", "noise", "play", "random_streams",
    "rollouts",
]  # fmt: skip

Array: TypeAlias = NDArray[np.float32]
Progress: TypeAlias = Callable[[str], None]

STREAMS = {"demonstrations": 0, "rollouts": 1}  # what is recorded -> the number of its stream
_MIXTURES = 2  # stream of the first policy of a mixture; the others follow
_ATTEMPTS_AT_ONCE = 20
_ROLLOUTS_AT_ONCE = 50
_ATTEMPTS_PER_DEMONSTRATION = 40  # more than that, and the recipe does not suit the expert


def demonstrations(
    task: Task, recipe: Recipe, expert: nn.Module, seed: int, workers: int, progress: Progress | None = None
) -> list[Episode]:
    """The demonstrations of a recipe by `expert`, a policy of one seed.

    Raises `DatasetError` if too few attempts of a hampered expert succeed.
    """
    if isinstance(recipe, DemoRecipe):
        return _hampered(task, recipe, expert, seed, workers, progress)
    return _sampled(task, expert, recipe.demonstrations, seed, workers, True, progress, "demonstrations")


def _hampered(
    task: Task, recipe: DemoRecipe, expert: nn.Module, seed: int, workers: int, progress: Progress | None
) -> list[Episode]:
    """The first `recipe.demonstrations` successful attempts of the hampered expert, in order.

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


def rollouts(
    task: Task,
    policy: nn.Module | None,
    count: int,
    seed: int,
    workers: int,
    sample: bool = True,
    progress: Progress | None = None,
) -> list[Episode]:
    """`count` episodes over the horizon, sampled from a policy of one seed (None: random actions), or of its mode."""
    return _sampled(task, policy, count, seed, workers, sample, progress, "rollouts")


def noise(task: Task, recipe: NoiseRecipe, seed: int, workers: int, progress: Progress | None = None) -> list[Episode]:
    """Episodes of Ornstein-Uhlenbeck noise over the task's horizon."""

    def actions(streams: Sequence[np.random.Generator]) -> Callable[[int, Array], Array]:
        walk = np.stack([_walk(recipe, (task.horizon, task.action_dim), rng) for rng in streams], axis=1)  # [T, n, A]
        return lambda t, obs: walk[t]

    return _batches(task, recipe.rollouts, seed, workers, "rollouts", actions, progress)


def _walk(recipe: NoiseRecipe, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """The noise of one episode, before it is clipped: [T, A]."""
    x = np.zeros(shape[1], np.float32)
    out = rng.standard_normal(shape, np.float32)
    for t, normal in enumerate(out):
        out[t] = x = x - recipe.theta * x + recipe.sigma * normal
    return out


def _sampled(
    task: Task, policy: nn.Module | None, count: int, seed: int, workers: int, sample: bool, progress: Progress | None,
    stream: str,
) -> list[Episode]:  # fmt: skip
    """`rollouts` of one of `STREAMS`; those of "demonstrations" are marked as such."""

    def actions(streams: Sequence[np.random.Generator]) -> Callable[[int, Array], Array]:
        return _sampler(task, policy, streams) if sample or policy is None else _Policy(policy, None)

    episodes = _batches(task, count, seed, workers, stream, actions, progress)
    return [dataclasses.replace(e, demo=stream == "demonstrations") for e in episodes]


def _batches(
    task: Task, count: int, seed: int, workers: int, stream: str,
    actions: Callable[[Sequence[np.random.Generator]], Callable[[int, Array], Array]], progress: Progress | None,
) -> list[Episode]:  # fmt: skip
    """`count` full episodes in batches; `actions(streams)` builds the batch's action function."""
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
    task: Task, recipe: MixRecipe, policies: Sequence[nn.Module | None], seed: int, workers: int,
    progress: Progress | None = None,
) -> list[Episode]:  # fmt: skip
    """Episodes of each of a recipe's policies (of one seed; None: random actions), as many steps as its share holds."""
    episodes: list[Episode] = []
    with VectorEnv(task.id, _ROLLOUTS_AT_ONCE, workers, task.horizon) as env:
        for part, (policy, (name, share)) in enumerate(zip(policies, recipe.parts, strict=True)):
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
    """One episode in each environment, of `steps` unless it ends before, with its actions as executed.

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
            seen[i, : n + 1], sent[i, :n], terminated=bool(terminated[i, n - 1]), seed=seeds[i],
            reward=None if task.computes_reward else reward[i, :n],
        )
        for i, n in enumerate(length)
    ]  # fmt: skip


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


def _kept(task: Task, recipe: DemoRecipe, obs: Array) -> int | None:
    """Steps of an attempt [T+1, O] that make a demonstration; None if it is none."""
    if task.success is None:
        raise DatasetError(f"{task.id} has no success rule, so no attempt of a hampered expert is a demonstration")
    success = task.success(obs[1:])
    if not success.any():
        return None
    steps = min(int(np.argmax(success)) + 1 + recipe.after_success, len(success))
    return steps if success[steps - 1] else None


def random_streams(seed: int, stream: int, numbers: range) -> list[np.random.Generator]:
    """One per number, of an episode or of an environment."""
    return [np.random.default_rng(np.random.SeedSequence([seed, stream, n])) for n in numbers]


def env_seed(rng: np.random.Generator) -> int:
    """The next seed of a reset."""
    return int(rng.integers(2**31))
