"""Learning curves across the switch: the offline phase on its left, the online phase on its right."""

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

from reports.numbers.grid import SCALES
from reports.numbers.intervals import FEW
from reports.numbers.lines import Line
from reports.pictures.look import FEW_POINTS, RC, faint, fitted_ticks, grid_of_panels, place_legend, put_title, title_of
from reports.pictures.styles import Style

__all__ = ["SwitchAxis", "curve_panels"]

OFFLINE_WIDTH = 0.28  # of the online part: updates and environment steps are different units
CROWD = 12  # entries beyond which single seeds are no longer drawn: nobody could follow them
UNFINISHED: dict[str, Any] = {"marker": "o", "markersize": 7, "markerfacecolor": "white", "markeredgewidth": 1.8}
UNDER_TICKS = -19  # points from the axis
OFFLINE = "0.955"  # the grey behind the offline phase


class SwitchAxis:
    """An axis in which 0 is the switch and both sides have a scale of their own."""

    def __init__(self, steps: Sequence[NDArray[np.int64]]) -> None:
        self.offline = max((-int(s[0]) for s in steps if len(s)), default=0)
        self.online = max((int(s[-1]) for s in steps if len(s)), default=0)

    def place(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """Places of steps on the axis: online ones in 0..1, offline ones in -OFFLINE_WIDTH..0."""
        return np.where(steps < 0, steps / max(self.offline, 1) * OFFLINE_WIDTH, steps / max(self.online, 1)).astype(
            np.float64
        )

    @property
    def end(self) -> float:
        """Place where the lines of methods that train offline only end."""
        return 1.0 if self.online else 0.12

    def decorate(self, ax: Any, ticks_online: int = 4) -> None:
        """Draw the shade of the offline phase, the line at the switch, the ticks of both sides and the limits."""
        left = -OFFLINE_WIDTH * 1.04 if self.offline > 0 else -0.02
        if self.offline > 0:
            ax.axvspan(left, 0, color=OFFLINE, linewidth=0, zorder=0)
        ax.axvline(0, color="0.35", linewidth=1, zorder=1)
        ticks = [0]
        if self.offline > 0:
            ticks.insert(0, -self.offline)
        if self.online > 0:
            nice = MaxNLocator(ticks_online, integer=True).tick_values(0, self.online)
            ticks += [int(t) for t in nice if 0 < t <= self.online]
        ax.set_xticks(self.place(np.array(ticks)), [_short(t) for t in ticks])
        ax.set_xlim(left, self.end + 0.02)

    def name_sides(self, ax: Any) -> None:
        """Write below the ticks what each side of the switch counts."""
        below: dict[str, Any] = {
            "xycoords": ax.get_xaxis_transform(),
            "textcoords": "offset points",
            "va": "top",
            "fontsize": 8,
            "color": "0.25",
            "annotation_clip": False,
        }
        if self.offline > 0:
            ax.annotate("offline\nupdates", (-OFFLINE_WIDTH / 2, 0), (0, UNDER_TICKS), ha="center", **below)
        if self.online > 0:
            ax.annotate("environment steps", (0.5, 0), (0, UNDER_TICKS), ha="center", **below)


def curve_panels(
    lines: Sequence[Line], tasks: Sequence[str], metric: str, look: Mapping[str, Style], large: bool = False
) -> Figure:
    """Learning curves across the switch, one panel per task; IQM with its interval.

    Single seeds are drawn thin: in a large panel, and in small ones where they are few enough to follow.
    """
    columns = 1 if large else min(3, len(tasks))
    with mpl.rc_context(RC):
        width, height = (6.4, 3.9) if large else (3.9, 2.9)
        handles, names = _legend(lines, look)
        figure, axes = grid_of_panels(len(tasks), columns, width, height, names, above=0.35, under=0.65)
        for ax, task in zip(axes, tasks, strict=True):
            _curve_panel(ax, [line for line in lines if line.task == task], metric, look, large)
            put_title(ax, task, width - 0.9, fontweight="bold")
        place_legend(figure, handles, names)
    return figure


def _curve_panel(ax: Any, drawn: Sequence[Line], metric: str, look: Mapping[str, Style], large: bool) -> None:
    axis = SwitchAxis([line.all_seeds.steps for line in drawn])
    for line in drawn:
        singles = (large or len(line.all_seeds.seeds) <= FEW) and len(drawn) <= CROWD
        _draw_line(ax, axis, line, look[line.label], singles, faint(len(drawn)))
    axis.decorate(ax)
    axis.name_sides(ax)
    if SCALES.get(metric) == 1.0:
        ax.set_ylim(-0.02, 1.02)
    ax.set_ylabel(title_of(metric))
    ax.yaxis.set_major_locator(MaxNLocator(5))
    fitted_ticks(ax)
    ax.grid(axis="y", alpha=0.25, linewidth=0.6)


def _draw_line(ax: Any, axis: SwitchAxis, line: Line, style: Style, singles: bool, band: float) -> None:
    seen, of = line.legible, f"of {line.label}"
    x = axis.place(seen.steps)
    if not np.isnan(seen.low).any() and len(seen.steps):
        ax.fill_between(x, seen.low, seen.high, color=style.color, alpha=band, linewidth=0, gid=of)
    thin: list[NDArray[np.float64]] = []
    stopped: list[NDArray[np.float64]] = []
    every = axis.place(line.all_seeds.steps)
    for seed, values in zip(line.all_seeds.seeds, line.all_seeds.values, strict=True):
        known = ~np.isnan(values)
        path = np.column_stack([every[known], values[known]])
        (stopped if seed in line.diverged else thin).append(path)
    if singles and line.coarse is None:
        ax.add_collection(LineCollection(thin, colors=style.color, linewidths=0.6, alpha=0.3, gid=of))
    lost: dict[str, Any] = {"linewidths": 0.8, "alpha": 0.6, "linestyles": "dotted", "gid": of}
    ax.add_collection(LineCollection(stopped, colors=style.color, **lost))
    marker = style.marker if len(line.steps) <= FEW_POINTS else None
    how: dict[str, Any] = {"color": style.color, "linestyle": style.dashes, "gid": of}
    ax.plot(x, seen.point, linewidth=2, marker=marker, markersize=3.5, **how)
    if not len(line.steps):
        return
    if line.offline_only:
        ax.plot([x[-1], axis.end], [seen.point[-1]] * 2, linewidth=1, **how)
    if not line.finished:
        ax.plot(x[-1], seen.point[-1], color=style.color, gid=of, **UNFINISHED)


def _legend(lines: Sequence[Line], look: Mapping[str, Style]) -> tuple[list[Line2D], list[str]]:
    """The entries, each once: a finished one speaks for the unfinished of the same name on other tasks."""
    entries: dict[str, Line2D] = {}
    for line in sorted(lines, key=lambda line: line.label):
        style = look[line.label]
        name = f"{line.label} (offline only)" if line.offline_only else line.label
        handle = Line2D([], [], color=style.color, linestyle=style.dashes, linewidth=2, gid=f"of {line.label}")
        entries.setdefault(name, handle)
    if not all(line.finished for line in lines):
        entries["unfinished: up to here"] = Line2D([], [], color="0.3", linestyle="none", **UNFINISHED)
    return list(entries.values()), list(entries)


def _short(step: float) -> str:
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if abs(step) >= size:
            return f"{step / size:g}{unit}".replace("-", "−")
    return f"{step:g}".replace("-", "−")
