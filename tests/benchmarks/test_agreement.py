"""`benchmarks/agreement.py`: both sides see the same rows and states, and its table says what they scored."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import envs.tasks
from envs.data.datasets import Transitions
from envs.stepping.vector import VectorEnv
from envs.task import Task
from suite.train.evaluate import evaluate

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))  # scripts, not a package
agreement = importlib.import_module("agreement")

TASK: Task = envs.tasks.get("point-reach")


class Buffer:
    """Stands in for CORL's: keeps what it is given."""

    def __init__(self, obs_dim: int, action_dim: int, size: int) -> None:
        made.append(self)
        self.size = size

    def load_d4rl_dataset(self, rows: dict[str, Any]) -> None:
        self.rows = rows

    def sample(self, count: int) -> int:
        return count


class Peer:
    """A module of CORL's, as far as it is used."""

    ReplayBuffer = Buffer


made: list[Buffer] = []


def transitions(n: int = 40) -> Transitions:
    rng = np.random.default_rng(0)
    numbers = {name: rng.normal(3, 2, (n, TASK.obs_dim)).astype(np.float32) for name in ("obs", "next_obs")}
    action = rng.uniform(-1, 1, (n, TASK.action_dim)).astype(np.float32)
    ends = np.arange(n) % 10 == 9
    return Transitions(
        **numbers,
        action=action,
        reward=rng.normal(size=n).astype(np.float32),
        terminated=ends & (np.arange(n) < 20),
        truncated=ends & (np.arange(n) >= 20),
        demo=np.arange(n) < 10,
        episode=(np.arange(n) // 10).astype(np.int32),
        step=(np.arange(n) % 10).astype(np.int32),
    )


def test_the_other_side_is_trained_on_the_scaled_rows_and_scored_on_scaled_states() -> None:
    data, batches, seen = transitions(), [], []

    def make(peer: Any, obs_dim: int, action_dim: int, updates: int) -> Any:
        def mode(obs: torch.Tensor) -> torch.Tensor:
            seen.append(obs)
            return torch.full((len(obs), action_dim), 5.0)  # beyond the bounds

        return batches.append, mode, torch.nn.Linear(1, 1)

    method = agreement.Method("", "", {}, make)
    score = agreement.theirs(Peer, method, data, TASK, updates=7, seed=0, episodes=3)
    rows = made.pop().rows
    assert batches == [256] * 7
    assert rows["observations"].mean(0) == pytest.approx(np.zeros(TASK.obs_dim), abs=1e-5)
    back = rows["next_observations"] * (data.obs.std(0) + 1e-3) + data.obs.mean(0)
    assert back == pytest.approx(data.next_obs, abs=1e-4)
    assert rows["terminals"].tolist() == data.terminated.tolist()
    assert seen[0].shape == (3, TASK.obs_dim)
    assert float(seen[0].abs().max()) < 5  # standardised, not as the environment gives them
    with VectorEnv(TASK.id, 3, 0) as env:
        at_the_bound = evaluate(env, lambda obs, _: np.ones((*obs.shape[:2], TASK.action_dim), np.float32), 1, 3, TASK)
    assert score == at_the_bound["normalized_score"][0]


def test_the_difference_is_welchs() -> None:
    middle, low, high = agreement.difference([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
    # by hand: means 2 and 4, variances 1 and 4, standard error sqrt(5/3), 2.9412 degrees of freedom, t 3.2192
    assert middle == -2.0
    assert (low, high) == pytest.approx((-2 - 3.2192 * (5 / 3) ** 0.5, -2 + 3.2192 * (5 / 3) ** 0.5), abs=1e-3)
    assert agreement.difference([1.0, 1.0], [0.0, 0.0]) == (1.0, 1.0, 1.0)


def test_the_table_has_a_line_per_cell() -> None:
    cell = {"task": "t", "algo": "iql", "score": "return", "ours": [1.0, 2.0, 3.0], "theirs": [2.0, 4.0, 6.0]}
    line = agreement.table([cell]).splitlines()[2]
    assert line == "| t | `iql` | return | 2 (sd 1) | 4 (sd 2) | -2 [-6.16, 2.16] |"
