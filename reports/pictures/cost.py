"""Score against wall time, a panel for each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.numbers.cost import Cost, when
from reports.numbers.grid import SCALES
from reports.numbers.lines import Line
from reports.pictures.look import RC, fitted_ticks, grid_of_panels, place_legend, put_title, title_of
from reports.pictures.styles import Style

__all__ = ["cost_panels"]

HOUR, MINUTE = 3600.0, 60.0


def cost_panels(
    lines: Sequence[Line], costs: Mapping[tuple[str, str], Cost], metric: str, look: Mapping[str, Style]
) -> Figure | None:
    """IQM over seeds against the time since the start of a run, by (task, label); None where no run says its time."""
    known = [line for line in lines if (cost := costs.get((line.task, line.label))) and cost.ends and len(line.steps)]
    if not known:
        return None
    tasks, labels = sorted({line.task for line in known}), sorted({line.label for line in known})
    with mpl.rc_context(RC):
        figure, axes = grid_of_panels(len(tasks), min(3, len(tasks)), 3.9, 2.8, labels, above=0.35, under=0.55)
        for ax, task in zip(axes, tasks, strict=True):
            _panel(ax, [line for line in known if line.task == task], costs, metric, look)
            put_title(ax, task, 3.0, fontweight="bold")
        handles = {line.get_label(): line for ax in axes for line in ax.lines}
        place_legend(figure, [handles[label] for label in labels], labels)
    return figure


def _panel(
    ax: Any, lines: Sequence[Line], costs: Mapping[tuple[str, str], Cost], metric: str, look: Mapping[str, Style]
) -> None:
    ends = [own.ends[1] for line in lines if (own := costs[line.task, line.label]).ends]
    unit, name = (HOUR, "hours") if max(ends) > 3 * HOUR else (MINUTE, "minutes")
    for line in lines:
        seen, style = line.legible, look[line.label]
        offline, online = max(-int(line.steps[0]), 0), max(int(line.steps[-1]), 0)
        x = when(costs[line.task, line.label], seen.steps, offline, online) / unit
        how = {"color": style.color, "linestyle": style.dashes, "linewidth": 2, "gid": f"of {line.label}"}
        ax.plot(x, seen.point, label=line.label, **how)
    _decorate(ax, metric, name)


def _decorate(ax: Any, metric: str, unit: str) -> None:
    if SCALES.get(metric) == 1.0:
        ax.set_ylim(-0.02, 1.02)
    ax.set_xlim(left=0)
    ax.set_xlabel(f"{unit} since the start", fontsize=8)
    ax.set_ylabel(title_of(metric))
    ax.yaxis.set_major_locator(MaxNLocator(5))
    fitted_ticks(ax)
    ax.grid(alpha=0.25, linewidth=0.6)
