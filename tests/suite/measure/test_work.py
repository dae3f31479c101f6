"""Counted work of an update: as many multiply-adds as its networks need, and none twice."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import torch
import toy_run
from toy_run import ONE_THREAD, TASK, experiment

from suite.measure import speed
from suite.measure.probe import learner_on_made_up_rows
from suite.measure.work import work_per_update


@pytest.fixture(autouse=True)
def _toy_task() -> Iterator[None]:
    with toy_run.registered():
        yield


def multiply_adds(inputs: int, hidden: tuple[int, ...], outputs: int) -> tuple[int, int]:
    """Multiply-adds of one row in the matrix products of a network, and those of its first layer alone.

    A single output is none: it is summed.
    """
    products = [a * b for a, b in itertools.pairwise((inputs, *hidden, outputs)) if b > 1]
    return sum(products), products[0]


def test_an_awac_update_computes_nothing_twice() -> None:
    """Policy at s and s', critics at s', at the data's and at the policy's action, and both gradients: 14 passes.

    A gradient makes two products per layer, but none for the inputs of the first.
    """
    hidden, rows, seeds = (32, 24), 16, (0, 1, 2)
    policy, policy_first = multiply_adds(TASK.obs_dim, hidden, TASK.action_dim)
    critic, critic_first = multiply_adds(TASK.obs_dim + TASK.action_dim, hidden, 1)
    expected = 2 * rows * len(seeds) * ((4 * policy - policy_first) + 2 * (5 * critic - critic_first))
    cell = experiment("awac", seeds, hidden="32,24", batch_size=rows)
    got = speed.measure(cell, ONE_THREAD, rounds=1, seconds=0.01, capture=True)
    assert got["gflop_per_update"] * 1e9 == pytest.approx(expected)


def test_the_work_of_stages_is_the_mean_over_an_iteration() -> None:
    """Two updates of V and three of the policy: V at all rows twice, and at a batch with its gradient; the policy's."""
    hidden, rows, seeds = (32, 24), 8, (0, 1)
    cell = experiment("awr", seeds, hidden="32,24", batch_size=rows, value_updates=2, policy_updates=3, buffer_size=16)
    learner = learner_on_made_up_rows(cell, torch.device("cpu"))
    assert learner.replay is not None
    lies = learner.replay.offline + 16
    policy, policy_first = multiply_adds(TASK.obs_dim, hidden, TASK.action_dim)
    value, value_first = multiply_adds(TASK.obs_dim, hidden, 1)
    prepared = lies * (1 + 2) * value  # V(s') for its targets, then V(s') and V(s)
    updates = rows * (3 * (3 * policy - policy_first) + 2 * (3 * value - value_first))
    assert work_per_update(learner).flop == pytest.approx(2 * len(seeds) * (prepared + updates) / 5)
