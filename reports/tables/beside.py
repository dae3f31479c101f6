"""Our scores beside the numbers that the papers print, with a verdict and what differs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reports.numbers import stats
from reports.numbers.bounds import bounds_of
from reports.numbers.grid import SCALES, usable
from reports.numbers.intervals import Interval
from reports.numbers.lost import Lost, lost, withheld
from reports.numbers.online import area
from reports.runs.cells import Cell, task_name
from reports.runs.curves import Curve
from reports.tables.table import Table, Value, decimals, number, numbers, text
from suite.record.papers import Printed

__all__ = ["Beside", "beside", "beside_table"]

NOT_A_RUN = {"expert": "no run: `bench data worth` scores it"}
PUBLISHED = ("d4rl/", "ogbench/")  # whose data have a name that everybody knows
AT = {"switch": "at the switch", "final": "final", "best": "best over training", "regret": "regret online"}


@dataclass(frozen=True)
class Beside:
    """One printed number and the cell of ours that answers it, if there is one."""

    printed: Printed
    label: str  # of our cell; the printed name where there is none
    seeds: int
    ours: Interval | None  # mean over seeds with Student's interval, as the papers print means
    verdict: str


def beside(cells: Sequence[Cell], printed: Sequence[Printed]) -> list[Beside]:
    """Each printed number with every finished cell of the same task, data and method, or with none.

    The verdict says whether the printed number lies inside our 95 % interval, and after a semicolon how the two
    protocols differ: then neither the one nor the other is confirmed.
    """
    out = []
    for one in printed:
        own = [cell for cell in cells if _answers(cell, one)]
        found = [b for cell in own if cell.finished and (b := _beside(cell, one)) is not None]
        nothing = "not finished here" if own else "not run"
        out += found or [Beside(one, one.what, 0, None, NOT_A_RUN.get(one.what, nothing))]
    return out


def _answers(cell: Cell, one: Printed) -> bool:
    """Whether a cell is of the printed number's method, task and data.

    Data of D4RL are the same under each of their names, whatever their version, which is said as a difference:
    `d4rl/pen-cloned-v1`, Minari's `D4RL/pen/cloned-v2`, and the task `pen-cloned-v1` of results from elsewhere. So are
    OGBench's: `play` of a task, their full name, and the task `cube-single-play-singletask-task1-v0` from elsewhere.
    """
    first = cell.first
    if first.algo.removesuffix(" (external)").lower().replace("_", "-") != one.what:
        return False
    if cell.task == task_name(one.task, one.dataset):
        return True
    same = one.dataset.startswith(PUBLISHED) and _plain(_data(cell)) == _plain(one.dataset)
    return same and (first.external or _maze(cell.task.partition(" (")[0]) == _maze(one.task))


def _maze(task: str) -> str:
    """A task without its version, and a maze whatever its ant: antmaze-umaze-d4rl-v0 and antmaze-umaze-v1 alike."""
    return re.sub(r"(-d4rl)?-v\d+$", "", task)


def _data(cell: Cell) -> str:
    """The name of a cell's data: what its run says, or its task where nothing is known but that."""
    return cell.task if cell.first.external else str(dict(cell.first.run.get("dataset") or {}).get("id"))


def _plain(name: str) -> str:
    """A name of published data in the words of those who published them, without its version."""
    return re.sub(r"-v\d+$", "", _bare(name.lower()).replace("/", "-"))


def _bare(name: str) -> str:
    """A name of data without whose they are."""
    return name.removeprefix(next((whose for whose in PUBLISHED if name.startswith(whose)), ""))


def _beside(cell: Cell, one: Printed) -> Beside | None:
    counted = one.share_of if one.share_of and cell.curve(one.share_of) is not None else ""
    metric = counted or one.metric
    curve, _ = usable(cell, metric)
    values = None if curve is None else _values(curve, one.at, cell.offline_only, metric)
    if curve is None or values is None:
        return None
    bounds = bounds_of(cell, metric)
    if one.at == "regret":
        bounds = replace(bounds, episodes=None)  # means over evaluations, not of one
    ours = stats.t_interval(values, bounds)
    if counted:
        ours = Interval(100 * ours.point, 100 * ours.low, 100 * ours.high)
    verdict = _verdict(one, ours, lost([(cell, curve)]), _differences(cell, curve, one))
    return Beside(one, cell.label, len(values), ours, verdict)


def _values(curve: Curve, at: str, offline_only: bool, metric: str) -> NDArray[np.float64] | None:
    """One score per seed: at the switch, at the end of the online phase, the best of all, or the regret online."""
    if at == "regret":
        since = curve.steps >= 0
        whole = 0 in curve.steps and curve.steps[-1] > 0 and metric in SCALES
        return SCALES[metric] - area(curve.steps[since].astype(np.float64), curve.values[:, since]) if whole else None
    if at == "best":
        best: NDArray[np.float64] = curve.values.max(axis=1)
        return best
    if at == "final":
        return curve.values[:, -1] if curve.steps[-1] > 0 or offline_only else None
    column = np.flatnonzero(curve.steps == 0)
    return curve.values[:, column[0]] if column.size else None


def _differences(cell: Cell, curve: Curve, one: Printed) -> list[str]:
    run = cell.first.run
    found = [] if cell.first.profile == "paper" else [f"profile {cell.first.profile}"]
    if cell.first.external:
        return ["settings unknown", *_other_data(cell, one)]
    last = int(curve.steps[-1])
    if one.at == "final" and one.steps is not None and last != one.steps:
        found.append(f"{last:,} steps, not {one.steps:,}")
    if run.get("preset", "paper") != "paper":
        found.append(f"preset {run['preset']}")
    found += _other_data(cell, one)
    return [*found, *([one.note] if one.note else [])]


def _other_data(cell: Cell, one: Printed) -> list[str]:
    """That the data are of another version or origin than D4RL's, if they are."""
    name, theirs = _data(cell), _bare(one.dataset)
    if theirs == one.dataset or _bare(name) == theirs or cell.task == task_name(one.task, one.dataset):
        return []
    return [f"data {name}, not {theirs}"]


def _verdict(one: Printed, ours: Interval, gone: Lost, differences: Sequence[str]) -> str:
    """Where the printed number lies; where seeds of ours were lost, only what speaks against ours."""
    worse = ours.low > one.value if one.at == "regret" else ours.high < one.value
    if gone and not worse:
        word = withheld([("", gone)])
    elif np.isnan(ours.low):
        word = "one seed, no interval"
    elif ours.low <= one.value <= ours.high:
        word = "inside our interval"
    else:
        word = "ours is above" if ours.low > one.value else "ours is below"
    return f"{word}; different protocol: {', '.join(differences)}" if differences else word


def beside_table(rows: Sequence[Beside]) -> Table:
    """Every printed number, also those that nothing of ours answers."""
    shown: list[list[str]] = []
    records: list[list[Value]] = []
    for row in rows:
        p = row.printed
        task = task_name(p.task, p.dataset)
        digits = decimals(p.metric, [p.value])
        spread = "" if p.spread is None else f" ± {number(p.spread, digits)}"
        shown.append(
            [
                f"{p.paper} {p.place}",
                task,
                row.label,
                f"{p.metric}, {AT[p.at]}",
                number(p.value, digits) + spread,
                text(row.ours, digits),
                str(row.seeds) if row.seeds else "–",
                row.verdict,
            ]
        )
        records.append(
            [
                p.paper,
                p.place,
                task,
                row.label,
                p.metric,
                p.at,
                p.value,
                p.spread,
                p.seeds,
                *numbers(row.ours),
                row.seeds,
                row.verdict,
                p.note,
            ]
        )
    return Table(
        "beside_the_papers",
        "Beside the papers: their printed number with its standard deviation over seeds where they print it, our mean "
        "over seeds with Student's 95 % interval.",
        ["place", "task", "algorithm", "score", "printed", "ours", "seeds", "verdict"],
        shown,
        [
            "paper",
            "place",
            "task",
            "algorithm",
            "metric",
            "at",
            "printed",
            "printed_spread",
            "printed_seeds",
            "mean",
            "t_low",
            "t_high",
            "seeds",
            "verdict",
            "note",
        ],
        records,
    )
