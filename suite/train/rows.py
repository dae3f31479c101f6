"""Packed rows for the replay, from datasets and from collected steps."""

from __future__ import annotations

import numpy as np
import torch

from algos.learner.replay import InitialStates, Layout, columns
from envs.data.datasets import Transitions
from suite.train.evaluate import Collected

__all__ = ["collected_rows", "first_states", "offline_rows"]

FIRST_STATES = 10_000  # first states of collected episodes kept per seed, where an algorithm draws from them


def offline_rows(
    layout: Layout, data: Transitions | None, discount: float, settles: bool = True
) -> tuple[torch.Tensor, int]:
    """Rows [N, width] with the demonstrations first, and how many those are; `settles` as in `returns_to_go`."""
    if data is None:
        return torch.zeros(0, layout.width), 0
    ends = data.terminated | data.truncated
    more = columns(layout.columns, data.action, data.reward, data.terminated, ends, discount, settles)
    order = np.argsort(~data.demo, kind="stable")
    parts = (data.obs, data.action, data.reward, data.next_obs, data.terminated)
    rows = layout.pack(
        *(torch.from_numpy(x[order]) for x in parts), **{k: torch.from_numpy(v[order]) for k, v in more.items()}
    )
    return rows, int(data.demo.sum())


def collected_rows(layout: Layout, got: Collected, discount: float, settles: bool = True) -> torch.Tensor:
    """Rows [S, n, width] of one iteration; a diverged seed's are zeroed, so that they stay finite."""
    parts = (got.obs, got.action, got.reward, got.next_obs, got.terminated)
    more = columns(layout.columns, got.action, got.reward, got.terminated, got.ends, discount, settles)
    rows = layout.pack(
        *(torch.from_numpy(np.ascontiguousarray(p)) for p in parts),
        **{k: torch.from_numpy(v) for k, v in more.items()},
    )
    return torch.nan_to_num(rows)


def first_states(data: Transitions | None, obs_dim: int, seeds: int, device: torch.device) -> InitialStates:
    """First states of a dataset's episodes, with room for those of collected ones."""
    first = np.zeros((0, obs_dim), np.float32) if data is None else data.obs[data.step == 0]
    return InitialStates(torch.from_numpy(first), seeds, FIRST_STATES, device)
