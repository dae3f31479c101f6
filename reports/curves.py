"""Learning curves across the switch and learning metrics, drawn from what `analysis` returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from reports.analysis import SCALES, Line
from reports.collect import Cell, Curve
from reports.plots import RC, Style, grid_of_panels, place_legend
from reports.stats import FEW

__all__ = ["DIAGNOSTICS", "curve_panels", "diagnostics"]

OFFLINE_WIDTH = 0.28  # of the online part: updates and environment steps are different units
# what each diagnostic panel shows, in this order; metrics of outside algorithms follow
DIAGNOSTICS = (
    "critic_loss", "q_data", "weight_ess", "log_prob_data", "policy_std", "entropy", "entropy_coef",
    "mse_data", "behaviour_log_prob_offline", "behaviour_log_prob_online",
)  # fmt: skip


class _SwitchAxis:
    """Places steps on an axis in which 0 is the switch and both sides have a scale of their own."""

    def __init__(self, steps: Sequence[NDArray[np.int64]]) -> None:
        self.offline = max((-int(s[0]) for s in steps if len(s)), default=0)
        self.online = max((int(s[-1]) for s in steps if len(s)), default=0)

    def place(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """Online 0..1, offline -OFFLINE_WIDTH..0."""
        return np.where(steps < 0, steps / max(self.offline, 1) * OFFLINE_WIDTH, steps / max(self.online, 1)).astype(
            np.float64
        )

    def decorate(self, ax: Any, ticks_online: int = 4) -> None:
        """The line at the switch, the ticks of both sides and the limits."""
        ax.axvline(0, color="0.35", linewidth=1, zorder=1)
        ticks = [0]
        if self.offline > 0:
            ticks.insert(0, -self.offline)
        if self.online > 0:
            nice = MaxNLocator(ticks_online, integer=True).tick_values(0, self.online)
            ticks += [int(t) for t in nice if 0 < t <= self.online]
        ax.set_xticks(self.place(np.array(ticks)), [_short(t) for t in ticks])
        right = 1.02 if self.online else 0.12  # room for the lines of what trains offline only
        ax.set_xlim(-OFFLINE_WIDTH * 1.04 if self.offline else -0.02, right)

    def name_sides(self, ax: Any) -> None:
        """Write above the panel what each side of the switch counts."""
        above = {"va": "bottom", "fontsize": 8, "color": "0.35", "transform": ax.get_xaxis_transform()}
        if self.offline > 0:
            ax.text(-0.02, 1.01, "offline\nupdates", ha="right", **above)
        if self.online > 0:
            ax.text(0.02, 1.01, "environment\nsteps", ha="left", **above)


def curve_panels(
    lines: Sequence[Line], tasks: Sequence[str], metric: str, look: Mapping[str, Style], large: bool = False
) -> Figure:
    """Learning curves across the switch, one panel per task; IQM with its interval.

    Single seeds are drawn thin: always in a large panel, in small ones where they are few enough to follow.
    """
    columns = 1 if large else min(3, len(tasks))
    with mpl.rc_context(RC):
        width, height = (6.4, 3.9) if large else (3.9, 2.9)
        handles, names = _legend(lines, look)
        figure, axes = grid_of_panels(len(tasks), columns, width, height, len(names))
        for ax, task in zip(axes, tasks, strict=True):
            _curve_panel(ax, [line for line in lines if line.task == task], metric, look, large)
            ax.set_title(task, pad=24, fontweight="bold")
        place_legend(figure, handles, names)
    return figure


def _curve_panel(ax: Any, drawn: Sequence[Line], metric: str, look: Mapping[str, Style], large: bool) -> None:
    axis = _SwitchAxis([line.all_seeds.steps for line in drawn])
    for line in drawn:
        _draw_line(ax, axis, line, look[line.label], large or len(line.all_seeds.seeds) <= FEW)
    axis.decorate(ax)
    axis.name_sides(ax)
    if SCALES.get(metric) == 1.0:
        ax.set_ylim(-0.02, 1.02)
    ax.set_ylabel(metric.replace("_", " "))
    ax.yaxis.set_major_locator(MaxNLocator(5))
    ax.grid(axis="y", alpha=0.25, linewidth=0.6)


def _draw_line(ax: Any, axis: _SwitchAxis, line: Line, style: Style, singles: bool) -> None:
    x = axis.place(line.steps)
    dashes = style.dashes if line.finished else (0, (2, 2))
    if not np.isnan(line.low).any() and len(line.steps):
        ax.fill_between(x, line.low, line.high, color=style.color, alpha=0.15, linewidth=0)
    thin: list[NDArray[np.float64]] = []
    stopped: list[NDArray[np.float64]] = []
    every = axis.place(line.all_seeds.steps)
    for seed, values in zip(line.all_seeds.seeds, line.all_seeds.values, strict=True):
        known = ~np.isnan(values)
        path = np.column_stack([every[known], values[known]])
        (stopped if seed in line.diverged else thin).append(path)
    if singles:
        ax.add_collection(LineCollection(thin, colors=style.color, linewidths=0.6, alpha=0.35))
    ax.add_collection(LineCollection(stopped, colors=style.color, linewidths=0.8, alpha=0.6, linestyles="dotted"))
    marker = "o" if len(line.steps) <= 15 else None
    ax.plot(x, line.point, color=style.color, linestyle=dashes, linewidth=2, marker=marker, markersize=3.5)
    if line.offline_only and len(line.steps):
        end = 1.0 if axis.online else 0.12
        ax.plot([x[-1], end], [line.point[-1]] * 2, color=style.color, linestyle=(0, (5, 3)), linewidth=1.6)


def _legend(lines: Sequence[Line], look: Mapping[str, Style]) -> tuple[list[Line2D], list[str]]:
    entries: dict[str, Line2D] = {}
    for line in sorted(lines, key=lambda line: (line.label, not line.finished)):
        style, name = look[line.label], line.label
        dashes = style.dashes
        if line.offline_only:
            name, dashes = f"{name} (offline only; dashed: score at the switch)", (0, (5, 3))
        if not line.finished:
            name, dashes = f"{name} (unfinished)", (0, (2, 2))
        entries.setdefault(name, Line2D([], [], color=style.color, linestyle=dashes, linewidth=2))
    return list(entries.values()), list(entries)


def diagnostics(cells: Sequence[Cell], metrics: Sequence[str], look: Mapping[str, Style]) -> Figure:
    """Small multiples of learning metrics of one task: median over seeds, on the axis of the curves."""
    with mpl.rc_context({**RC, "font.size": 8}):
        labels = sorted({cell.label for cell in cells})
        figure, axes = grid_of_panels(len(metrics), min(4, len(metrics)), 3.0, 2.0, len(labels), above=0.3)
        for ax, metric in zip(axes, metrics, strict=True):
            curves = [(cell.label, cell.curve(metric)) for cell in cells]
            _diagnostic_panel(ax, [(label, c) for label, c in curves if c is not None], look)
            ax.set_title(metric, fontsize=9)
        handles = [Line2D([], [], color=look[x].color, linestyle=look[x].dashes, linewidth=2) for x in labels]
        place_legend(figure, handles, labels)
    return figure


def _diagnostic_panel(ax: Any, curves: Sequence[tuple[str, Curve]], look: Mapping[str, Style]) -> None:
    axis = _SwitchAxis([curve.steps for _, curve in curves])
    for label, curve in curves:
        finite = np.where(np.isfinite(curve.values), curve.values, np.nan)
        known = ~np.isnan(finite).all(axis=0)
        x, y = axis.place(curve.steps[known]), np.nanmedian(finite[:, known], axis=0)
        ax.plot(x, y, color=look[label].color, linestyle=look[label].dashes, linewidth=1.3)
    axis.decorate(ax, ticks_online=2)
    ax.yaxis.set_major_locator(MaxNLocator(4))


def _short(step: float) -> str:
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if abs(step) >= size:
            return f"{step / size:g}{unit}"
    return f"{step:g}"
