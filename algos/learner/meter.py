"""Means of what updates log. Sums stay on the device, in fixed memory, until the calendar asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from algos.contract import Metrics

__all__ = ["Meter"]


class Meter:
    """Sums [S] of what updates log within one phase; another phase may log other metrics.

    They are kept by stage, or by how often what is logged happens in a cycle of updates: a delayed policy's loss is
    averaged over the updates that moved the policy.
    """

    def __init__(self) -> None:
        self._cycle = 1
        self._sums: dict[str | int, Metrics] = {}
        self._count = 0  # updates since the sums were read
        self._counts: dict[str, int] = {}  # the same for each stage

    def enter(self, stages: Iterable[str], cycle: int) -> None:
        """Begin a phase with these stages, or one whose cycle has so many updates."""
        self._cycle = cycle
        self._sums, self._count, self._counts = {}, 0, dict.fromkeys(stages, 0)

    @torch.no_grad()
    def add(self, metrics: Metrics, stage: str | None, every: int = 1) -> None:
        """Add to the sums of a stage, or of what happens in every so many updates."""
        sums = self._sums.setdefault(every if stage is None else stage, {})
        known = [name for name in metrics if name in sums]
        if known:  # all of them in one kernel
            torch._foreach_add_([sums[name] for name in known], [metrics[name] for name in known])
        sums |= {name: value.detach().clone() for name, value in metrics.items() if name not in sums}

    def count(self, updates: int, stage: str | None) -> None:
        """Take note of so many more updates, of a stage if there is one."""
        self._count += updates
        if stage is not None:
            self._counts[stage] += updates

    def tensors(self) -> list[Tensor]:
        """Every sum, as updates add to it in place."""
        return [total for sums in self._sums.values() for total in sums.values()]

    def read(self, updates: int) -> dict[str, NDArray[np.float32]]:
        """Means [S] since the last call in this phase, after so many updates in all.

        What is delayed, or belongs to one stage, is missing where it did not happen.
        """
        turns = np.arange(updates - self._count, updates) % self._cycle
        out: dict[str, NDArray[np.float32]] = {}
        for when, sums in self._sums.items():
            times = self._counts[when] if isinstance(when, str) else int(np.count_nonzero(turns % when == 0))
            out |= {name: (total / times).cpu().numpy() for name, total in sums.items() if times}
        for total in self.tensors():
            total.zero_()  # in place, where a recorded round adds to it
        self._count, self._counts = 0, dict.fromkeys(self._counts, 0)
        return dict(sorted(out.items()))

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"sums": self._sums, "count": self._count, "counts": self._counts}

    def load_state(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Continue where `state` was taken."""
        self._count, self._counts = state["count"], dict(state["counts"])
        self._sums = {
            when: {name: total.to(device, copy=True) for name, total in sums.items()}
            for when, sums in state["sums"].items()
        }
