"""Play data: a scripted oracle moves things about without regard to any task, as in OGBench's data."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from envs.data.datasets import Episode
from envs.task import PlayRecipe, Task
from suite.recipes.play import STREAMS, Progress, env_seed, random_streams

__all__ = ["played"]

Array = NDArray[np.float32]
_REPORT_EVERY = 10  # episodes


def played(task: Task, recipe: PlayRecipe, seed: int, workers: int, progress: Progress | None = None) -> list[Episode]:
    """Play the recipe's episodes, the same for any number of workers, cut into pieces wherever the task is solved.

    Each step that ends in success is the end of a piece, as OGBench stops the bootstrap there and goes on after it.
    """
    streams = random_streams(seed, STREAMS["rollouts"], range(recipe.rollouts))
    seeds = [env_seed(stream) for stream in streams]
    pieces: list[Episode] = []
    for number, (obs, action) in enumerate(_episodes(task, recipe, seeds, workers), 1):
        pieces += _pieces(task, obs, action)
        if progress is not None and (number % _REPORT_EVERY == 0 or number == recipe.rollouts):
            progress(f"play {number}/{recipe.rollouts}")
    return pieces


def _episodes(task: Task, recipe: PlayRecipe, seeds: list[int], workers: int) -> Iterator[tuple[Array, Array]]:
    """Observations and actions of each episode, in processes where there are several."""
    play = importlib.import_module(task.entry_point.partition(":")[0]).play
    n = len(seeds)
    columns = (seeds, [recipe.length] * n, [recipe.noise] * n, [recipe.smoothing] * n)
    if workers < 2 or n < 2:
        yield from map(play, *columns)
        return
    with ProcessPoolExecutor(min(workers, n), get_context("spawn")) as pool:
        yield from pool.map(play, *columns)


def _pieces(task: Task, obs: Array, action: Array) -> list[Episode]:
    """One episode cut after each step that ends in success; the rest is cut off."""
    assert task.success is not None
    ends = np.flatnonzero(task.success(obs[1:])) + 1
    bounds = [0, *ends.tolist(), len(action)]
    out = []
    for start, stop in itertools.pairwise(bounds):
        if start < stop:
            out.append(Episode(obs[start : stop + 1], action[start:stop], terminated=stop in ends))
    return out
