"""The table of online phases: dip and recovery after the switch, area, regret, steps to the threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reports.numbers.intervals import CONFIDENCE
from reports.numbers.online import Online, Times
from reports.tables.table import ENDS, Table, Value, decimals, numbers, text

__all__ = ["online_table"]

HEADER = [
    "task",
    "algorithm",
    "seeds",
    "worst dip",
    "score at the switch regained",
    "area",
    "regret",
    "steps to the threshold",
]
COLUMNS = [
    "task",
    "algorithm",
    "seeds",
    "final_step",
    "dip_window",
    *(f"dip_iqm{end}" for end in ENDS),
    "fell",
    "regained",
    "regained_median_step",
    *(f"area_iqm{end}" for end in ENDS),
    *(f"regret_iqm{end}" for end in ENDS),
    "threshold",
    "reached",
    "reached_median_step",
]


def online_table(rows: Sequence[Online], metric: str) -> Table:
    """Online phases per task and entry."""
    digits = decimals(metric, [row.area.iqm.point for row in rows])
    title = (
        f"{metric} during fine-tuning: IQM over seeds with {CONFIDENCE:.0%} interval. Worst dip: lowest score "
        "within the first k environment steps minus the score at the switch. Area: mean over the online phase "
        "(trapezoids); regret: solved minus area. Noise alone makes the lowest of several evaluations low. Steps count "
        "from the switch; a seed that never gets there counts as later than all others (a median of inf in the CSV)."
    )
    return Table(
        "online", title, HEADER, [_shown(row, digits) for row in rows], COLUMNS, [_record(row) for row in rows]
    )


def _shown(row: Online, digits: int) -> list[str]:
    threshold = "–" if row.threshold is None else f"{row.threshold:g}"
    return [
        row.cell.task,
        row.cell.label,
        str(row.seeds),
        f"{text(row.dip.iqm, digits)} (k = {row.window:,})",
        _regained(row),
        text(row.area.iqm, digits),
        text(None if row.regret is None else row.regret.iqm, digits),
        "–" if row.reached is None else f"{_times(row.reached, 'reached')} (threshold {threshold})",
    ]


def _record(row: Online) -> list[Value]:
    reached: list[Value] = [None, None] if row.reached is None else [row.reached.happened, row.reached.median]
    return [
        row.cell.task,
        row.cell.label,
        row.seeds,
        row.final_step,
        row.window,
        *numbers(row.dip.iqm),
        row.fell,
        row.regained.happened,
        row.regained.median,
        *numbers(row.area.iqm),
        *numbers(None if row.regret is None else row.regret.iqm),
        row.threshold,
        *reached,
    ]


def _regained(row: Online) -> str:
    if not row.fell:
        return f"none of {row.seeds} fell"
    fell = "" if row.fell == row.seeds else f" ({row.seeds - row.fell} never fell)"
    return _times(row.regained, "regained it") + fell


def _times(times: Times, what: str) -> str:
    """Words such as `3 of 5 regained it, median 4,000 steps`."""
    median = f"{times.median:,.0f} steps" if np.isfinite(times.median) else "not reached"
    share = f"{times.happened} of {len(times.steps)} {what}"
    return share if not times.happened else f"{share}, median {median}"
