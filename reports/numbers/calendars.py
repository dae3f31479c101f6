"""Which evaluations the entries of a task share: best of k, dips and first crossings mean the same only on those."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from reports.numbers.grid import Gap
from reports.runs.cells import ENOUGH, Cell
from reports.runs.curves import Curve

__all__ = ["Steps", "online_calendars"]

Steps = NDArray[np.int64]


def online_calendars(found: Sequence[tuple[Cell, Curve]]) -> tuple[dict[str, Steps], list[Gap]]:
    """Steps from the switch on at which all entries of a task that train online were evaluated, and who shares too few.

    Too few are fewer than half of the evaluations of the entry with the fewest: such a task has no calendar. Entries
    that were not evaluated at the switch have no say where others were.
    """
    calendars: dict[str, Steps] = {}
    gaps: list[Gap] = []
    for task in sorted({cell.task for cell, _ in found}):
        own = [(cell, curve.steps[curve.steps >= 0]) for cell, curve in found if cell.task == task]
        own = [(cell, steps) for cell, steps in own if len(steps) and steps[-1] > 0]
        own = [one for one in own if one[1][0] == 0] or own
        if not own:
            continue
        shared = reduce(np.intersect1d, [steps for _, steps in own])
        if len(shared) >= ENOUGH * min(len(steps) for _, steps in own):
            calendars[task] = shared
            continue
        why = "best, mean of the last, dip and first crossing are not compared (`--interpolate` does): the entries of "
        why += f"the task share {len(shared)} evaluations from the switch on, of its own"
        gaps += [Gap(task, cell.label, f"{why} {len(steps)}") for cell, steps in own]
    return calendars, gaps
