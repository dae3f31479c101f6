"""What cells cost: wall time, updates per second and device, and when each evaluation was reached.

A run folder keeps the seconds of its phases, not the time of each evaluation: between the ends of a phase time is taken
to pass evenly. The seeds of a run are trained at once, so its time is that of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.runs.cells import Cell, Source

__all__ = ["Cost", "costs_of", "when"]

UPDATES = ("offline", "update")  # of the parts of a run's seconds: what `updates per second` is a rate of


@dataclass(frozen=True)
class Cost:
    """The time of one cell; all seconds are sums over its runs, NaN where a run does not say them."""

    cell: Cell
    runs: int
    seconds: float  # of all parts
    updating: float  # of them, offline and online updates
    rate: float  # updates per second of a run, all its seeds at once: mean over runs
    devices: tuple[str, ...]
    ends: tuple[float, float] | None  # seconds of a run, mean over runs, until the switch and until the end

    @property
    def per_seed(self) -> float:
        """Seconds divided by the number of seeds."""
        return self.seconds / max(len(self.cell.seeds), 1)


def costs_of(cells: Sequence[Cell]) -> list[Cost]:
    """The costs of every cell of which a run says its time."""
    return [_cost(cell) for cell in cells if any(_seconds(source) for source in cell.sources)]


def when(cost: Cost, steps: NDArray[np.int64], offline: int, online: int) -> NDArray[np.float64]:
    """Seconds from the start of a run until it had done `steps` (negative: before the switch) of so many, [T]."""
    if cost.ends is None:
        return np.full(len(steps), np.nan)
    switch, end = cost.ends
    before = switch * (1 + steps / max(offline, 1))
    return np.where(steps <= 0, before, switch + (end - switch) * steps / max(online, 1))


def _cost(cell: Cell) -> Cost:
    parts = [_seconds(source) for source in cell.sources]
    known = [one for one in parts if one]
    whole = len(known) == len(parts)
    total = [sum(one.values()) for one in known]
    rates = [float(rate) for s in cell.sources if (rate := s.status.get("updates_per_second"))]
    devices = dict.fromkeys(_device(source) for source in cell.sources)
    return Cost(
        cell=cell,
        runs=len(parts),
        seconds=sum(total) if whole else np.nan,
        updating=sum(one.get(part, 0.0) for one in known for part in UPDATES) if whole else np.nan,
        rate=float(np.mean(rates)) if rates else np.nan,
        devices=tuple(name for name in devices if name),
        ends=_ends(cell, known) if whole and sum(total) > 0 else None,
    )


def _ends(cell: Cell, parts: Sequence[dict[str, float]]) -> tuple[float, float]:
    """Mean seconds of a run until the switch and in all; evaluations cost the same on both sides of it."""
    evaluations = np.array(sorted({int(step) for s in cell.sources for c in s.curves.values() for step in c.steps}))
    before = float((evaluations <= 0).mean()) if len(evaluations) else 0.0
    switch = [one.get("offline", 0.0) + before * one.get("evaluate", 0.0) for one in parts]
    return float(np.mean(switch)), float(np.mean([sum(one.values()) for one in parts]))


def _seconds(source: Source) -> dict[str, float]:
    found = source.status.get("seconds")
    numbers = found.items() if isinstance(found, dict) else ()
    return {str(part): float(value) for part, value in numbers if isinstance(value, int | float)}


def _device(source: Source) -> str:
    """A device in words: its name, or its kind with the number of threads."""
    device: dict[str, Any] = dict(source.run.get("device") or {})
    threads = f", {device['threads']} threads" if device.get("threads") else ""
    return str(device.get("name") or device.get("kind") or "") + threads
