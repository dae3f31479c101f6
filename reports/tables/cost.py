"""The table of time and cost: wall time, updates per second and device of every cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reports.numbers.cost import Cost
from reports.tables.table import Table, Value

__all__ = ["cost_table", "duration"]


def cost_table(costs: Sequence[Cost]) -> Table:
    """One row per cell; a time that a run does not say is a dash."""
    shown: list[list[str]] = []
    records: list[list[Value]] = []
    for one in costs:
        cell = one.cell
        state = "" if cell.finished else " so far"
        share = one.updating / one.seconds if one.seconds > 0 else np.nan
        shown.append(
            [
                cell.task,
                cell.label,
                str(len(cell.seeds)),
                "–" if np.isnan(one.seconds) else duration(one.seconds) + state,
                "–" if np.isnan(one.seconds) else duration(one.per_seed) + state,
                "–" if np.isnan(share) else f"{share:.0%}",
                "–" if np.isnan(one.rate) else f"{one.rate:,.4g}",
                "; ".join(one.devices) or "–",
            ]
        )
        ends = one.ends or (None, None)
        numbers: list[Value] = [one.seconds, one.per_seed, *ends, share, one.rate]
        records.append([cell.task, cell.label, len(cell.seeds), one.runs, *numbers, "; ".join(one.devices)])
    return Table(
        "cost",
        "Wall time of each cell, all seeds of a run at once; of several runs the sum. Updates per second count an "
        "update of all seeds of a run as one.",
        ["task", "algorithm", "seeds", "wall time", "per seed", "of it in updates", "updates per second", "device"],
        shown,
        [
            "task",
            "algorithm",
            "seeds",
            "runs",
            "seconds",
            "seconds_per_seed",
            "seconds_to_switch_per_run",
            "seconds_per_run",
            "share_of_updates",
            "updates_per_second",
            "device",
        ],
        records,
    )


def duration(seconds: float) -> str:
    """Seconds in words such as `42 s`, `7 min` or `2 h 05 min`."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
