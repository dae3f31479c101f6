"""What the page's script draws curves from: numbers with as many digits as a screen can show, as one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.numbers.cost import Cost
from reports.numbers.grid import SCALES, Efficiency
from reports.numbers.lines import Line
from reports.pictures.look import FEW_POINTS, title_of
from reports.pictures.palette import hue_of
from reports.pictures.styles import Style

__all__ = ["as_script", "efficiency_chart", "holds_singles", "task_chart"]

DIGITS = 4
SINGLE_VALUES = 60_000  # of single seeds on the whole page, up to which they are part of it

Charts = Sequence[Mapping[str, Any]]


def task_chart(
    name: str, lines: Sequence[Line], metric: str, look: Mapping[str, Style], costs: Mapping[str, Cost], singles: bool
) -> dict[str, Any]:
    """The learning curves of one task across the switch; `costs` says when each entry was where, by its label."""
    steps = [line.all_seeds.steps for line in lines if len(line.all_seeds.steps)]
    offline, online = (max((int(sign * s[at]) for s in steps), default=0) for sign, at in ((-1, 0), (1, -1)))
    return {
        "name": name,
        "y": title_of(metric),
        "share": SCALES.get(metric) == 1.0,
        "offline": max(offline, 0),
        "online": max(online, 0),
        "lines": [_line(line, look[line.label], costs.get(line.label), singles) for line in lines],
    }


def efficiency_chart(
    name: str, curves: Mapping[str, Efficiency], x_name: str, metric: str, look: Mapping[str, Style]
) -> dict[str, Any]:
    """Sample efficiency over tasks: against environment steps, or the share of each task's online phase."""
    lines = [
        {**_look(label, look[label]), "x": _numbers(x), **_band(point, low, high)}
        for label, (x, point, low, high) in curves.items()
    ]
    return {"name": name, "y": f"{title_of(metric)}, IQM over tasks", "x": x_name, "share": False, "lines": lines}


def holds_singles(lines: Iterable[Line]) -> bool:
    """Whether single seeds are few enough to be part of the page."""
    return sum(line.all_seeds.values.size for line in lines) <= SINGLE_VALUES


def as_script(charts: Charts) -> str:
    """JSON for a `script` element: nothing in it ends the element, whatever names say."""
    text = json.dumps(list(charts), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _line(line: Line, style: Style, cost: Cost | None, singles: bool) -> dict[str, Any]:
    out = {**_look(line.label, style), "x": line.steps.tolist(), **_band(line.point, line.low, line.high)}
    out |= {"open": not line.finished, "level": line.offline_only, "dots": len(line.steps) <= FEW_POINTS}
    if line.coarse is not None:
        found = line.coarse
        out["means"] = {"each": found.each, "x": found.steps.tolist(), **_band(found.point, found.low, found.high)}
    if cost is not None and cost.ends is not None:
        out["minutes"] = _numbers(np.array(cost.ends) / 60)
    seeds = line.all_seeds
    lost = [_numbers(row) for seed, row in zip(seeds.seeds, seeds.values, strict=True) if seed in line.diverged]
    if lost:
        out["lost"] = {"x": seeds.steps.tolist(), "y": lost}
    if singles:
        out["seeds"] = {"x": seeds.steps.tolist(), "y": [_numbers(row) for row in seeds.values]}
    return out


def _look(label: str, style: Style) -> dict[str, Any]:
    dashes = [] if style.dashes == "solid" else [round(2 * x, 1) for x in style.dashes[1]]
    return {"of": label, "hue": hue_of(style.color), "dash": dashes}


def _band(point: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> dict[str, Any]:
    out = {"y": _numbers(point)}
    return out if np.isnan(low).any() else {**out, "low": _numbers(low), "high": _numbers(high)}


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    """Finite numbers with DIGITS digits, None for others."""
    return [float(f"{x:.{DIGITS}g}") if np.isfinite(x) else None for x in values.tolist()]
