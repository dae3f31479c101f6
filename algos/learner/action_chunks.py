"""Chunks of actions: what is decided at once and carried out in turn (Li et al. 2025, arXiv:2507.07969, Q-chunking).

A learner of chunks sees one decision where the environment makes `length` steps. A sampled row and those that follow it
in its episode become one:

    action   a_t, ..., a_{t + h - 1}, side by side
    reward   sum_k gamma^k r_{t + k}
    next_obs s_{t + h}, whose value counts gamma^h
    held     1 for each entry of an action that the episode still holds, else 0

Every step of an episode begins a chunk, not only those at which one was decided. A chunk that runs over the end of its
episode holds fewer steps; behind them its last action stands again. Critics do not learn from it, cloning does from
what it holds, as in the authors' code.
"""

from __future__ import annotations

import torch
from torch import Tensor

from algos.learner.replay import Layout, Replay

__all__ = ["ActionChunks"]


class ActionChunks:
    """Gathers rows of a learner of chunks from a replay of single steps, whose layout holds the column steps_left."""

    def __init__(self, length: int, discount: float, steps: Layout, device: torch.device) -> None:
        self.length, self.steps, self.layout = length, steps, steps.chunked(length)
        self._ahead = torch.arange(length, device=device)  # [h]
        self._discounts = discount ** self._ahead.double()  # [h]
        self._left = steps.offset("steps_left")

    def gather(self, replay: Replay, index: Tensor) -> Tensor:
        """Chunks that begin with these rows, as packed rows: row numbers [S, B] -> [S, B, width]."""
        s, b = index.shape
        left = replay.number("steps_left", index)[..., None]  # [S, B, 1]
        held = self._ahead < left  # [S, B, h]
        offsets = torch.minimum(self._ahead, left.long().sub(1).clamp_min(0))
        follow = replay.ahead(index[..., None].expand(-1, -1, self.length).flatten(1), offsets.flatten(1))
        rows = replay.gather(follow).view(s, b, self.length, self.steps.width)
        obs, action, reward, next_obs, terminated, *more = torch.split(rows, self.steps.widths, dim=-1)
        known = {name: part[:, :, 0] for name, part in zip(self.steps.columns, more, strict=True)}
        known["held"] = held[..., None].expand(action.shape).flatten(2)
        return self.layout.pack(
            obs[:, :, 0],
            action.flatten(2),
            (reward[..., 0] * held * self._discounts.to(reward.dtype)).sum(-1),
            next_obs[:, :, -1],
            terminated[:, :, -1, 0],
            **{name: known[name] for name in self.layout.columns},
        )
