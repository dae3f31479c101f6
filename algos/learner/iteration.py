"""Iterations: where a learner stands in a method that alternates, and the rows its present stage learns from.

An iteration is a fixed sequence of stages (`contract.Stage`). When a stage begins, its objective prepares columns for
every row of its window, and they stay as they are until it ends: targets from an older value network, advantages,
log-probabilities of the policy that collected. Memory is taken once and filled anew, so that recorded rounds of updates
stay valid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from algos.contract import Stage

__all__ = ["Iteration", "shuffled_passes"]


class Iteration:
    """The stages of a phase, how far the present iteration is, and the prepared rows of its present stage.

    `capacity` is the largest number of rows a window can have.
    """

    def __init__(self, stages: Sequence[Stage], *, seeds: int, capacity: int, device: torch.device) -> None:
        self.stages, self.capacity, self.device = tuple(stages), capacity, device
        self.number = 0  # iterations before this one
        self.done = 0  # updates made in this one
        self.rows = 0  # N, those in the window
        self.count = torch.zeros((), dtype=torch.float64, device=device)  # N, for draws
        self.index = torch.empty(seeds, capacity if stages else 0, dtype=torch.int64, device=device)
        self.indexed = False  # whether `index` holds this stage's window
        self.columns: dict[str, Tensor] = {}  # [S, capacity]
        self.orders: dict[str, Tensor] = {}  # stage -> [S, updates, B] positions of its shuffled passes
        self.order: Tensor | None = None  # the passes of the present stage, where it has any
        self.cursor = torch.zeros(
            1, dtype=torch.int64, device=device
        )  # updates made in this stage: the place in `order`

    @property
    def updates(self) -> int:
        """Number of updates in one whole iteration."""
        return sum(stage.updates for stage in self.stages)

    def now(self) -> tuple[Stage, int]:
        """The present stage and how many of its updates are done."""
        done = self.done
        for stage in self.stages:
            if done < stage.updates:
                return stage, done
            done -= stage.updates
        raise RuntimeError("an iteration without updates has no present stage")

    def advance(self, updates: int) -> None:
        """Count updates of the present stage."""
        self.done += updates
        if self.done == self.updates:
            self.done, self.number = 0, self.number + 1

    def point_to(self, index: Tensor) -> None:
        """Make these rows, by number [S, N], the window of the present stage."""
        self.rows = index.shape[1]
        self.index[:, : self.rows] = index
        self.count.fill_(float(self.rows))
        self.indexed = True

    def hold(self, stage: Stage, columns: Mapping[str, Tensor], order: Tensor | None) -> bool:
        """Keep a stage's columns [S, N] and its shuffled passes; true if any of it needed new memory."""
        new = False
        for name, values in columns.items():
            if name not in self.columns:
                self.columns[name] = torch.zeros(len(self.index), self.capacity, device=self.device)
                new = True
            self.columns[name][:, : self.rows] = values
        if order is not None:
            known = self.orders.get(stage.name)
            if known is None or known.shape != order.shape:
                self.orders[stage.name] = order
                new = True
            else:
                known.copy_(order)
        self.order = self.orders.get(stage.name)
        self.cursor.zero_()
        return new

    def positions(self, u: Tensor) -> Tensor:
        """Where in the window the next batch lies: its turn in the shuffled passes, or from u in [0, 1); [S, B]."""
        if self.order is None:
            return (u * self.count).long()
        return self.order.index_select(1, self.cursor).squeeze(1)

    def gather(self, positions: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Row numbers and prepared columns at these positions, each [S, B]."""
        columns = {name: values.gather(1, positions) for name, values in self.columns.items()}
        return self.index.gather(1, positions), columns

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps: where the iteration stands and, once it has begun, what was prepared for its stage.

        The window is not kept, as it follows from the replay.
        """
        out: dict[str, Any] = {"number": self.number, "done": self.done}
        if self.done:
            columns = {name: values[:, : self.rows].clone() for name, values in self.columns.items()}
            order = None if self.order is None else self.order.clone()
            out |= {"rows": self.rows, "columns": columns, "order": order, "cursor": self.cursor.clone()}
        return out

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue where `state` was taken; the window is pointed to anew before the next update."""
        self.number, self.done, self.indexed = state["number"], state["done"], False
        if not self.done:
            return
        self.rows = state["rows"]
        stage, begun = self.now()
        order = state["order"] if begun else None  # the passes of the stage before are of no more use
        self.hold(stage, state["columns"], None if order is None else order.to(self.device, copy=True))
        self.cursor.copy_(state["cursor"])


def shuffled_passes(
    generators: Sequence[torch.Generator], rows: int, updates: int, batch: int, device: torch.device
) -> Tensor:
    """Positions [S, updates, batch] of batches cut from the rows in random order, one order per pass and seed.

    What is left over of a pass, less than a batch, is not used in it.
    """
    if rows < batch:
        raise ValueError(f"batches of {batch} rows cannot be cut from {rows}")
    per_pass = rows // batch
    passes = -(-updates // per_pass)

    def order(generator: torch.Generator) -> Tensor:
        shuffled = [torch.randperm(rows, generator=generator, device=device) for _ in range(passes)]
        return torch.cat([one[: per_pass * batch].view(per_pass, batch) for one in shuffled])[:updates]

    return torch.stack([order(generator) for generator in generators])
