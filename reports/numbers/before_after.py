"""Scores at the switch and after fine-tuning, per cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.collect import Cell, Curve
from reports.numbers.grid import Gap, finished_curves
from reports.numbers.scores import Score, score

__all__ = ["LAST", "SCORE_COLUMNS", "BeforeAfter", "before_after"]

LAST = 3  # evaluations averaged for the score that does not depend on one lucky evaluation
SCORE_COLUMNS = ("switch", "final", "best", "last")


@dataclass(frozen=True)
class BeforeAfter:
    """One row of the before-and-after table; a score is None where the cell cannot have it."""

    cell: Cell
    seeds: int
    final_step: int
    calendar: tuple[int, ...]  # steps of the evaluations from the switch on
    scores: dict[str, Score | None]

    @property
    def evaluations(self) -> int:
        """How many, from the switch on."""
        return len(self.calendar)


def before_after(cells: Sequence[Cell], metric: str, seed: int) -> tuple[list[BeforeAfter], list[Gap]]:
    """Scores at the switch and afterwards of all finished cells; and the seeds and cells left out."""
    finished, gaps = finished_curves(cells, metric)
    return [_row(cell, curve, seed) for cell, curve in finished], gaps


def _row(cell: Cell, curve: Curve, seed: int) -> BeforeAfter:
    at_switch = curve.values[:, curve.steps == 0]  # [n, 0 or 1]
    online = curve.values[:, curve.steps > 0]
    since = curve.values[:, curve.steps >= 0]
    raw: dict[str, NDArray[np.float64] | None] = dict.fromkeys(SCORE_COLUMNS)
    raw["final"] = curve.values[:, -1]
    if at_switch.size:
        raw["switch"] = at_switch[:, 0]
    if online.size:
        raw["best"] = since.max(axis=1)
        raw["last"] = since[:, -LAST:].mean(axis=1)
    calendar = tuple(curve.steps[curve.steps >= 0].tolist())
    scores = {name: None if v is None else score(v, seed) for name, v in raw.items()}
    return BeforeAfter(cell, len(curve.seeds), int(curve.steps[-1]), calendar, scores)
