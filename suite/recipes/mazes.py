"""The default data of the mazes: an ant that runs along +x, steered through them from waypoint to waypoint.

As D4RL made its own (Fu et al. 2020): shortest ways over the cells, the next cell as subgoal, Gaussian noise on the
actions. Instead of a policy trained to reach subgoals, the expert of ant-v5 is turned towards them
(`envs.simulators.ant_turns`).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from algos.networks.dists import Deterministic
from envs.data.datasets import Episode
from envs.rules import maze_maps
from envs.simulators import ant_turns
from envs.stepping.vector import VectorEnv
from envs.task import MazeRecipe, Task
from suite.recipes.play import STREAMS, Array, Progress, act, env_seed, in_double, random_streams

__all__ = ["Steered", "maze_episodes", "steered", "walk"]

_YAW = -0.6  # rad to its course, at which the expert runs once it is up to speed
_DRIFT = 0.15  # rad by which it runs to the left of its course
_LANES = 20  # environments; each plays its share of a stream's episodes one after the other
_REPORT_EVERY = 100  # steps of each environment


def maze_episodes(
    task: Task, recipe: MazeRecipe, expert: nn.Module, seed: int, workers: int, progress: Progress | None = None
) -> list[Episode]:
    """Play demonstrations in the task as it is, then rollouts from anywhere to anywhere; the same for any `workers`."""
    plans = (
        ("demonstrations", task.id, recipe.demonstrations, recipe.demo_noise),
        ("rollouts", recipe.anywhere, recipe.rollouts, recipe.noise),
    )
    episodes: list[Episode] = []
    exact = in_double(expert)
    for stream, env_id, count, noise in plans:
        episodes += _walked(task, env_id, recipe.maze, exact, count, noise, seed, workers, progress, stream)
    return episodes


def walk(expert: nn.Module, maze: str, obs: Array) -> NDArray[np.float64]:
    """Actions [n, 8] by which the expert runs towards the next waypoint at observations [n, 31]."""
    ant, position, goal = obs[:, :27], obs[:, 27:29], obs[:, 29:31]
    return steered(expert, ant, maze_maps.next_waypoint(maze, position, goal) - position)


def steered(expert: nn.Module, ant: Array, way: NDArray[np.float64]) -> NDArray[np.float64]:
    """Actions [n, 8] by which the expert runs along `way` [n, 2], in observations [n, 27] of ant-v5."""
    heading = np.arctan2(way[:, 1], way[:, 0]) - _DRIFT
    turns = ant_turns.quarter_turns(ant, heading, _YAW)
    wish = act(expert, ant_turns.turned(ant, heading, turns).astype(np.float32))
    return ant_turns.legs_back(wish, turns)


class Steered(nn.Module):
    """The expert as a policy of a maze: obs [1, n, 31] -> its actions there, without noise."""

    def __init__(self, expert: nn.Module, maze: str) -> None:
        super().__init__()
        self.expert, self.maze = expert, maze

    def forward(self, obs: torch.Tensor) -> Deterministic:
        action = np.clip(walk(self.expert, self.maze, obs[0].numpy()), -1, 1).astype(np.float32)
        return Deterministic(torch.from_numpy(action)[None], 0.0)


def _walked(
    task: Task,
    env_id: str,
    maze: str,
    expert: nn.Module,
    count: int,
    noise: float,
    seed: int,
    workers: int,
    progress: Progress | None,
    stream: str,
) -> list[Episode]:
    """Play `count` episodes in `env_id`; they come ordered by environment."""
    if not count:
        return []
    n = min(count, _LANES)
    rngs = random_streams(seed, STREAMS[stream], range(n))
    lanes = [_Lane(count * (i + 1) // n - count * i // n, demo=stream == "demonstrations") for i in range(n)]
    with VectorEnv(env_id, n, workers, task.horizon) as env:
        seeds = [env_seed(rng) for rng in rngs]
        obs = env.reset(seeds)
        for t in range(count * task.horizon):
            added = noise * np.stack([rng.standard_normal(task.action_dim) for rng in rngs])
            action = np.clip(walk(expert, maze, obs) + added, -1, 1).astype(np.float32)
            step = env.step(action)
            for i, lane in enumerate(lanes):
                lane.add(obs[i], action[i], step.next_obs[i], bool(step.terminated[i]), bool(step.truncated[i]))
            obs = step.obs
            left = sum(lane.left for lane in lanes)
            if progress is not None and (t % _REPORT_EVERY == 0 or not left):
                progress(f"{stream} {count - left}/{count}")
            if not left:
                break
    return [episode for lane in lanes for episode in lane.episodes]


class _Lane:
    """The episodes of one environment, until it has played its share."""

    def __init__(self, left: int, demo: bool) -> None:
        self.left, self.demo = left, demo
        self.episodes: list[Episode] = []
        self.obs: list[Array] = []
        self.actions: list[Array] = []

    def add(self, obs: Array, action: Array, next_obs: Array, terminated: bool, truncated: bool) -> None:
        """Add one step; nothing once the share is played."""
        if not self.left:
            return
        self.obs.append(obs)
        self.actions.append(action)
        if terminated or truncated:
            seen = np.stack([*self.obs, next_obs])
            self.episodes.append(Episode(seen, np.stack(self.actions), self.demo, terminated))
            self.obs, self.actions, self.left = [], [], self.left - 1
