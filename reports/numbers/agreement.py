"""Reference results beside the same runs made again: equal, in agreement, or different."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.numbers.bounds import bounds_of
from reports.numbers.differences import Difference, Sides, difference, holm
from reports.numbers.grid import usable
from reports.numbers.intervals import Floats
from reports.numbers.pairs import LEVEL
from reports.numbers.stats import t_interval
from reports.runs.cells import Cell
from reports.runs.collect import source_of
from suite.record.folders import RecordError, Run, read_run
from suite.record.reference import Packed

__all__ = ["agreement"]

METRICS = ("success", "normalized_score", "final_reward", "return")  # the first that a run has is compared


@dataclass(frozen=True)
class _Compared:
    """One score of a cell: its seeds in the reference and here."""

    packed: Packed
    score: str
    metric: str
    cell: Cell
    sides: Sides
    equal: bool  # everything recorded, to the last digit
    same_end: bool  # the same seeds diverged

    @property
    def difference(self) -> Difference:
        """Mean here minus mean of the reference."""
        return difference([self.sides])


def agreement(again: Sequence[tuple[Packed, Path]]) -> list[dict[str, Any]]:
    """Compare packed runs with the folders in which they were made again; see `reports.agreement`."""
    found = [one for packed, folder in again for one in _compared(packed, read_run(folder))]
    adjusted = holm([one.difference.p for one in found])
    return [_row(one, p) for one, p in zip(found, adjusted, strict=True)]


def _compared(packed: Packed, again: Run) -> list[_Compared]:
    cells = [Cell(packed.run.task, packed.run.algo, (source_of(run),)) for run in (packed.run, again)]
    equal = packed.run.columns == again.columns
    same_end = cells[0].diverged.keys() == cells[1].diverged.keys()
    metric = next((name for name in METRICS if name in cells[0].first.curves), METRICS[-1])
    curves = [usable(cell, metric)[0] for cell in cells]
    if curves[0] is None or curves[1] is None:
        raise RecordError(f"{packed.run.path}: no seed has {metric!r} both in the reference and here")
    one, other = curves[0], curves[1]
    out = []
    for score in ("switch", "final"):
        step = 0 if score == "switch" else int(one.steps[-1])
        if step in one.steps and step in other.steps and not (score == "final" and step == 0):
            ahead, behind = (curve.values[:, curve.steps == step][:, 0] for curve in (other, one))
            paired = one.seeds == other.seeds
            out.append(_Compared(packed, score, metric, cells[0], Sides(ahead, behind, paired), equal, same_end))
    return out


def _row(one: _Compared, p: float) -> dict[str, Any]:
    differs = not one.equal and (p < LEVEL or not one.same_end)
    value = one.difference.interval
    return {
        "algo": one.packed.run.algo,
        "task": one.packed.run.task,
        "seeds": len(one.sides.ahead),
        "score": one.score,
        "metric": one.metric,
        "reference": _shown(one, one.sides.behind),
        "here": _shown(one, one.sides.ahead),
        "difference": f"{value.point:.3g} [{value.low:.3g}, {value.high:.3g}]",
        "verdict": "equal" if one.equal else "differs" if differs else "agrees",
    }


def _shown(one: _Compared, scores: Floats) -> str:
    mean = t_interval(scores, bounds_of(one.cell, one.metric))
    return f"{mean.point:.3g} [{mean.low:.3g}, {mean.high:.3g}]"
