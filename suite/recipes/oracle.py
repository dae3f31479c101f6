"""Play data, as OGBench's: things are moved about, or mazes wandered through, without regard to any task.

Who plays is a scripted oracle, or a body that is led from goal to goal: a point, or the expert of ant-v5, which is
turned towards them as in `suite.recipes.mazes`.
"""

from __future__ import annotations

import functools
import importlib
import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from algos.networks.policy_file import load_policy
from envs.data.datasets import Episode
from envs.task import NavigateRecipe, PlayRecipe, Task
from suite.recipes.mazes import steered
from suite.recipes.play import STREAMS, Progress, env_seed, in_double, random_streams

__all__ = ["Led", "joined", "played"]

Array = NDArray[np.float32]
_REPORT_EVERY = 10  # episodes


def played(
    task: Task,
    recipe: PlayRecipe | NavigateRecipe,
    expert: Path | None,
    seed: int,
    workers: int,
    progress: Progress | None = None,
) -> list[Episode]:
    """Play the recipe's episodes, the same for any number of workers; `expert` is the file of who is led, if any."""
    streams = random_streams(seed, STREAMS["rollouts"], range(recipe.rollouts))
    seeds = [env_seed(stream) for stream in streams]
    episodes: list[Episode] = []
    for number, (obs, action) in enumerate(_episodes(task, recipe, expert, seeds, workers), 1):
        episodes.append(Episode(obs, action))
        if progress is not None and (number % _REPORT_EVERY == 0 or number == recipe.rollouts):
            progress(f"play {number}/{recipe.rollouts}")
    return episodes


def _episodes(
    task: Task, recipe: PlayRecipe | NavigateRecipe, expert: Path | None, seeds: list[int], workers: int
) -> Iterator[tuple[Array, Array]]:
    """Observations and actions of each episode, in processes where there are several."""
    module = importlib.import_module(task.entry_point.partition(":")[0])
    if isinstance(recipe, PlayRecipe):
        one = functools.partial(module.play, dict(task.options), recipe)
    else:
        one = functools.partial(module.navigate, dict(task.options), recipe, Led(expert, recipe.gain))
    if workers < 2 or len(seeds) < 2:
        yield from map(one, seeds)
        return
    with ProcessPoolExecutor(min(workers, len(seeds)), get_context("spawn")) as pool:
        yield from pool.map(one, seeds)


@dataclass(frozen=True)
class Led:
    """What goes where it is led: observation [O] and direction [2] -> action [A].

    A point goes in the direction itself, an ant by the actions of the expert in a file, times a gain.
    """

    expert: Path | None
    gain: float

    def __call__(self, obs: NDArray[np.float64], direction: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.expert is None:
            return direction
        ant = obs[None, 2:].astype(np.float32)
        action: NDArray[np.float64] = self.gain * steered(_policy(self.expert), ant, direction[None])[0]
        return action


@functools.cache
def _policy(path: Path) -> nn.Module:
    """The policy of a file, read once in each process, which then computes in one thread."""
    torch.set_num_threads(1)
    return in_double(load_policy([path])[0])


def joined(parts: Sequence[Episode], length: int) -> list[Episode]:
    """Put pieces of play together again to episodes of `length` steps; a piece begins where the last one ended."""
    episodes: list[Episode] = []
    left = list(parts)
    while left:
        ends = list(itertools.accumulate(len(piece.action) for piece in left))
        own = left[: ends.index(length) + 1]
        obs = np.concatenate([own[0].obs[:1], *(piece.obs[1:] for piece in own)])
        episodes.append(Episode(obs, np.concatenate([piece.action for piece in own])))
        left = left[len(own) :]
    return episodes
