"""Replay on the device: the offline rows once for all seeds, then one ring of online rows per seed, one tensor.

A transition is one packed row, so a batch is one gather. The number of filled rows lives on the device: sampling never
asks the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from algos.contract import Batch

__all__ = ["COLUMNS", "InitialStates", "Layout", "Replay", "columns", "next_actions", "returns_to_go", "steps_left"]

Array = NDArray[np.float32]
Flags = NDArray[np.bool_]


# What a row may hold beside the transition, by name: whether it is as wide as an action, or one number.
COLUMNS: dict[str, Literal["action", "number"]] = {
    "return_to_go": "number",  # discounted sum of rewards from this step on (`returns_to_go`)
    "next_action": "action",  # the action taken at next_obs; zero where the episode ends here
    "has_next": "number",  # 1 where next_action is one, else 0
    "ends": "number",  # 1 in the last row of an episode, else 0
    "held": "action",  # of a chunk of actions: 1 for each entry that the episode holds, 0 behind its end
    "steps_left": "number",  # rows from this one to the last of its episode, both counted
}


@dataclass(frozen=True)
class Layout:
    """Columns of a packed row: `obs | action | reward | next_obs | terminated`, then those named in `columns`."""

    obs_dim: int
    action_dim: int
    columns: tuple[str, ...] = ()
    discrete: bool = False  # actions are one-hot vectors: one of action_dim choices

    @property
    def widths(self) -> list[int]:
        """Widths of the parts of a row, in order."""
        extra = [self.action_dim if COLUMNS[name] == "action" else 1 for name in self.columns]
        return [self.obs_dim, self.action_dim, 1, self.obs_dim, 1, *extra]

    @property
    def width(self) -> int:
        """Width of a whole row."""
        return sum(self.widths)

    def chunked(self, length: int) -> Layout:
        """Rows of `length` actions side by side, as `algos.learner.action_chunks` makes them; itself for 1."""
        if length == 1:
            return self
        columns = (*(name for name in self.columns if name != "steps_left"), "held")
        return replace(self, action_dim=length * self.action_dim, columns=columns)

    def offset(self, name: str) -> int:
        """Column at which a part of the row begins."""
        return sum(self.widths[: ["obs", "action", "reward", "next_obs", "terminated", *self.columns].index(name)])

    def pack(
        self, obs: Tensor, action: Tensor, reward: Tensor, next_obs: Tensor, terminated: Tensor, **columns: Tensor
    ) -> Tensor:
        """Join obs [..., O], action [..., A], numbers [...] and the layout's own columns into rows [..., width]."""
        parts = [obs, action, reward, next_obs, terminated, *(columns[name] for name in self.columns)]
        whole = [p if p.ndim == obs.ndim else p[..., None] for p in parts]
        return torch.cat([p.to(obs.dtype) for p in whole], dim=-1)

    def batch(self, rows: Tensor, demo: Batch | None = None, initial_obs: Tensor | None = None) -> Batch:
        """Cut rows [S, B, width] into a batch of views on them."""
        obs, action, reward, next_obs, terminated, *more = torch.split(rows, self.widths, dim=-1)
        columns = {
            name: part if COLUMNS[name] == "action" else part.squeeze(-1)
            for name, part in zip(self.columns, more, strict=True)
        }
        return Batch(obs, action, reward.squeeze(-1), next_obs, terminated.squeeze(-1), demo, columns, initial_obs)


class InitialStates:
    """First states of episodes: those of the offline data for all seeds, then a ring per seed of the collected ones."""

    def __init__(self, offline: Tensor, seeds: int, capacity: int, device: torch.device) -> None:
        self.offline, self.seeds, self.capacity = offline.to(device), seeds, capacity
        self.online = torch.zeros(seeds, capacity, offline.shape[1], device=device)
        self.inserted = 0
        self.filled = torch.zeros((), dtype=torch.float64, device=device)
        self._seed = torch.arange(seeds, device=device)[:, None]

    def append(self, obs: Tensor) -> None:
        """Add first states [S, n, O]; the oldest ones are overwritten when a seed's ring is full."""
        at = (self.inserted + torch.arange(obs.shape[1], device=self.online.device)) % self.capacity
        self.online[:, at] = obs.to(self.online.device)
        self.inserted += obs.shape[1]
        self.filled.fill_(float(min(self.inserted, self.capacity)))

    def draw(self, u: Tensor) -> Tensor:
        """Choose among all that is stored, uniformly by u in [0, 1): [S, M] -> [S, M, O]."""
        known = len(self.offline)
        j = (u * (known + self.filled)).long()
        online = self.online[self._seed, (j - known).clamp_min(0)]
        if not known:
            return online
        return torch.where((j < known)[..., None], self.offline[j.clamp_max(known - 1)], online)


class Replay:
    """Rows of S seeds: `rows[:offline]` shared, then `capacity` rows per seed.

    The first `demos` offline rows are the demonstrations.
    """

    def __init__(
        self,
        layout: Layout,
        offline: Tensor,
        *,
        demos: int,
        seeds: int,
        capacity: int,
        device: torch.device,
        initial: InitialStates | None = None,
    ) -> None:
        if offline.ndim != 2 or offline.shape[1] != layout.width:
            raise ValueError(f"offline rows have shape {tuple(offline.shape)}, expected [N, {layout.width}]")
        self.layout, self.seeds, self.capacity, self.demos = layout, seeds, capacity, demos
        self.initial = initial
        self.offline = offline.shape[0]
        self.rows = torch.zeros(self.offline + seeds * capacity, layout.width, device=device)
        self.rows[: self.offline] = offline
        self.inserted = 0  # online rows per seed ever appended
        self.dropped = False  # whether the offline rows are out of use
        self.offline_in_use = torch.tensor(float(self.offline), dtype=torch.float64, device=device)
        self.online_filled = torch.zeros((), dtype=torch.float64, device=device)
        self._start = self.offline + torch.arange(seeds, device=device)[:, None] * capacity  # [S, 1] first online row

    def append(self, rows: Tensor) -> None:
        """Add online rows [S, n, width]; the oldest ones are overwritten when a seed's ring is full."""
        if rows.shape[1] > self.capacity:
            raise ValueError(f"{rows.shape[1]} rows do not fit a ring of {self.capacity}")
        ring = self.rows[self.offline :].view(self.seeds, self.capacity, self.layout.width)
        at = (self.inserted + torch.arange(rows.shape[1], device=ring.device)) % self.capacity
        ring[:, at] = rows.to(ring.device)
        self.inserted += rows.shape[1]
        self.online_filled.fill_(float(min(self.inserted, self.capacity)))

    def drop_offline(self) -> None:
        """Take the offline rows, and first states, out of use: from now on only online ones are sampled."""
        self.dropped = True
        self.offline_in_use.zero_()
        if self.initial is not None:
            self.initial.offline = self.initial.offline[:0]

    def uniform_rows(self, u: Tensor) -> Tensor:
        """Row numbers, uniform over the offline rows in use and the seed's online rows, from u in [0, 1): [S, B]."""
        j = (u * (self.offline_in_use + self.online_filled)).long()
        online = j - self.offline_in_use.long()
        return torch.where(online < 0, j, self._start + online)

    def mixed_rows(self, u: Tensor, offline_rows: int) -> Tensor:
        """Row numbers with a fixed share: the first `offline_rows` of each batch offline, the others online."""
        offline = (u[:, :offline_rows] * self.offline).long()
        online = self._start + (u[:, offline_rows:] * self.online_filled).long()
        return torch.cat((offline, online), dim=1)

    def source_rows(self, u: Tensor, source: Literal["all", "demos"]) -> Tensor:
        """Row numbers among all rows in use, or among the demonstrations."""
        return (u * self.demos).long() if source == "demos" else self.uniform_rows(u)

    def in_order(self, newest: int | None = None, collected: int | None = None) -> Tensor:
        """Row numbers of the rows in use, from the oldest on, offline and then collected: [S, N].

        At most the `newest` of all; and of those that were collected at most the newest so many.
        """
        device = self.rows.device
        kept = 0 if self.dropped else self.offline
        filled = min(self.inserted, self.capacity, self.capacity if collected is None else collected)
        first = max(0, kept + filled - newest) if newest is not None else 0
        offline = torch.arange(min(first, kept), kept, device=device)
        ring = torch.arange(self.inserted - filled + max(0, first - kept), self.inserted, device=device)
        online = self._start + ring % max(1, self.capacity)
        return torch.cat((offline.expand(self.seeds, -1), online), dim=1)

    def number(self, name: str, index: Tensor) -> Tensor:
        """One number of each row, such as its reward: row numbers [S, B] -> [S, B]."""
        return self.rows[:, self.layout.offset(name)].index_select(0, index.flatten()).view(index.shape)

    def spread_rows(self, source: Literal["offline", "online"], most: int) -> Tensor:
        """Row numbers of at most so many rows, spread evenly over the offline or each seed's online ones: [S, n]."""
        filled = self.offline if source == "offline" else min(self.inserted, self.capacity)
        n = min(most, filled)
        rows = torch.arange(n, device=self.rows.device) * filled // max(1, n)
        return rows.expand(self.seeds, -1) if source == "offline" else self._start + rows

    def demo_std(self) -> Tensor:
        """Standard deviation of the demonstrations' actions: [A]."""
        first = self.layout.offset("action")
        return self.rows[: self.demos, first : first + self.layout.action_dim].std(0, correction=0)

    def ahead(self, index: Tensor, rows: Tensor) -> Tensor:
        """Row numbers so many rows on, within the same episode: [S, B], [S, B] -> [S, B].

        Rows of an episode follow each other, in a ring past its end to its beginning. A ring overwrites its oldest rows
        first, so that whatever came after a row that is still there is still there too.
        """
        online = self._start + (index - self._start + rows) % max(1, self.capacity)
        return torch.where(index < self.offline, index + rows, online)

    def gather(self, index: Tensor) -> Tensor:
        """Rows by their numbers: [S, B] -> [S, B, width]."""
        return self.rows.index_select(0, index.flatten()).view(*index.shape, self.layout.width)


def columns(
    names: Sequence[str],
    action: Array,
    reward: Array,
    terminated: Flags,
    ends: Flags,
    discount: float,
    settles: bool = True,
) -> dict[str, Array]:
    """Columns of `COLUMNS` by name, computed for rows [..., n] that are laid episode after episode.

    `ends` marks the last row of every episode; action is [..., n, A]; `settles` as in `returns_to_go`.
    """
    out = {"ends": ends.astype(np.float32)}
    if "return_to_go" in names:
        out["return_to_go"] = returns_to_go(reward, terminated, ends, discount, settles)
    if {"next_action", "has_next"} & set(names):
        out["next_action"], out["has_next"] = next_actions(action, ends)
    if "held" in names:
        out["held"] = np.ones_like(action, np.float32)  # of a chunk of one, which every episode holds
    if "steps_left" in names:
        out["steps_left"] = steps_left(ends)
    return {name: out[name] for name in names}


def returns_to_go(reward: Array, terminated: Flags, ends: Flags, discount: float, settles: bool = True) -> Array:
    """Discounted sum of rewards from each row to the end of the task: [..., n].

    An episode that was only cut off would have gone on. Where rewards settle, as one does that says how near the goal
    is, its last one is taken to stay as it was for ever, which is r / (1 - discount). Elsewhere the sum ends where the
    episode was cut. Cal-QL's code does the one for sparse rewards and the other for dense ones.
    """
    out = np.zeros_like(reward, dtype=np.float64)
    after = np.zeros(reward.shape[:-1])
    for t in reversed(range(reward.shape[-1])):
        cut = np.where(terminated[..., t] | (not settles), 0.0, reward[..., t] / (1.0 - discount))
        after = reward[..., t] + discount * np.where(ends[..., t], cut, after)
        out[..., t] = after
    return out.astype(np.float32)


def next_actions(action: Array, ends: Flags) -> tuple[Array, Array]:
    """The action of the following row of the same episode, zero at its end [..., n, A], and whether there is one."""
    has_next = ~ends
    has_next[..., -1] = False
    following = np.roll(action, -1, axis=-2) * has_next[..., None]
    return following.astype(np.float32), has_next.astype(np.float32)


def steps_left(ends: Flags) -> Array:
    """Rows from each one to the last of its episode, both counted: [..., n]; the last row of all ends its episode."""
    here = np.arange(ends.shape[-1])
    last = np.where(ends, here, len(here) - 1)
    return (np.minimum.accumulate(last[..., ::-1], axis=-1)[..., ::-1] - here + 1).astype(np.float32)
