"""Hindsight: some of the sampled rows learn about a goal that their own episode reached later (arXiv:1707.01495).

The achieved goal of one of the states s_{t+1}, ..., s_T of the same episode, each as likely, takes the place of the
desired one in obs and next_obs, and the reward becomes that of arriving in next_obs under it: the paper's strategy
"future". Whether a row is relabelled is drawn each time it is sampled, as in rlkit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from algos.learner.replay import Layout, Replay

__all__ = ["Hindsight", "Relabeller"]

_ALMOST_ONE = math.nextafter(1.0, 0.0)


@dataclass(frozen=True)
class Hindsight:
    """What relabelling needs to know of a task, and the share of rows that are relabelled."""

    achieved: tuple[int, ...]  # entries of an observation
    desired: tuple[int, ...]  # entries of the same meaning, in the same order
    reward: Callable[[Tensor, Tensor], Tensor]  # achieved [..., G], desired [..., G] -> [...]
    share: float  # of the sampled rows, that get a goal which their episode reached later
    fresh: float = 0.0  # share that gets a goal which the environment gave another row


class Relabeller:
    """Gathers rows of which a share has its goal replaced. The layout must hold the column steps_left."""

    def __init__(self, hindsight: Hindsight, layout: Layout, device: torch.device) -> None:
        self.reward, self.share, self.fresh = hindsight.reward, hindsight.share, hindsight.fresh
        self._left, self._reward = layout.offset("steps_left"), layout.offset("reward")
        obs, next_obs = layout.offset("obs"), layout.offset("next_obs")

        def entries(first: int, part: tuple[int, ...]) -> Tensor:
            return torch.tensor([first + i for i in part], device=device)

        self._achieved = entries(next_obs, hindsight.achieved)
        self._desired = entries(obs, hindsight.desired)
        self._next_desired = entries(next_obs, hindsight.desired)

    def gather(self, replay: Replay, index: Tensor, u: Tensor) -> Tensor:
        """Gather rows by number [S, B] and relabel some, by one draw u in [0, 1) per row: [S, B, width].

        A row is relabelled where u is below the share; its place in [0, share) then chooses among the later states. In
        [share, share + fresh) the place chooses the row whose goal is taken over.
        """
        rows = replay.gather(index)
        chosen = u < self.share
        place = (u * (1.0 / self.share if self.share else 0.0)).clamp_max(_ALMOST_ONE)
        later = replay.ahead(index, (place * rows[..., self._left]).long())
        reached = replay.rows[later[..., None], self._achieved]  # [S, B, G]
        goal = torch.where(chosen[..., None], reached, rows.index_select(-1, self._desired))
        if self.fresh:
            exchanged = (u >= self.share) & (u < self.share + self.fresh)
            place = ((u - self.share) / self.fresh).clamp(0.0, _ALMOST_ONE)
            given = replay.rows[replay.uniform_rows(place)[..., None], self._desired]
            goal, chosen = torch.where(exchanged[..., None], given, goal), chosen | exchanged
        reward = self.reward(rows.index_select(-1, self._achieved), goal)
        reward = torch.where(chosen, reward, rows[..., self._reward])
        rows = rows.index_copy(-1, self._desired, goal).index_copy(-1, self._next_desired, goal)
        rows[..., self._reward] = reward
        return rows
