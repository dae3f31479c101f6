"""The figures of statistics over tasks. No display is needed.

rliable's own plots are not used: a `linewidth` handed to its profile plot reaches the first curve only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from reports.numbers.aggregates import AGGREGATES
from reports.numbers.grid import SCALES, Common
from reports.numbers.intervals import Interval
from reports.numbers.shares import profile
from reports.pictures.look import FEW_POINTS, RC, faint, grid_of_panels, place_legend, title_of
from reports.pictures.palette import PALETTE
from reports.pictures.styles import Style

__all__ = ["aggregate_bars", "difference_bars", "efficiency", "improvement_bars", "profiles"]

THIN = 1e-9  # widths below are rounding


def aggregate_bars(table: Mapping[str, Mapping[str, Interval]], metric: str, look: Mapping[str, Style]) -> Figure:
    """The four aggregates over tasks with their intervals, one panel each, one row per entry, best IQM on top."""
    scale = "" if SCALES[metric] == 1.0 else f" / {SCALES[metric]:g}"
    labels = sorted(table, key=lambda label: (table[label]["IQM"].point, label))
    with mpl.rc_context(RC):
        left = 0.3 + 0.085 * max(map(len, labels))
        figure = Figure(figsize=(left + 4 * 2.3, 1.15 + 0.34 * len(labels)))
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, len(AGGREGATES), sharey=True)
        for ax, name in zip(axes, AGGREGATES, strict=True):
            _bars(
                ax,
                labels,
                [table[label][name] for label in labels],
                [look[label].color for label in labels],
                named=True,
            )
            ax.xaxis.set_major_locator(MaxNLocator(3))  # panels are narrow, and small scores have long numbers
            ax.set_title(name + (" (less is better)" if name == "optimality gap" else ""), fontsize=10)
        axes[0].set_yticks(range(len(labels)), labels)
        figure.supxlabel(f"final {title_of(metric)}{scale}; 1 is solved", fontsize=9)
        _fit(figure, left, under=0.65)
    return figure


def improvement_bars(table: Mapping[tuple[str, str], Interval]) -> Figure:
    """P(X > Y) of each pair with its interval; 0.5 means neither is better."""
    values = {f"{x} > {y}": value for (x, y), value in table.items()}
    figure, ax = _forest(values, 0.5, "probability that a run of X scores above one of Y")
    ax.set_xlim(-0.02, 1.02)
    return figure


def difference_bars(values: Mapping[str, Interval], metric: str) -> Figure:
    """Differences by name with their intervals; right of 0 is better."""
    return _forest(values, 0.0, f"final {title_of(metric)}, second minus first")[0]


def _forest(values: Mapping[str, Interval], neutral: float, title: str) -> tuple[Figure, Any]:
    """A bar per name, from the first down, beside a line at the value that means no difference."""
    names = list(values)[::-1]
    with mpl.rc_context(RC):
        left = 0.3 + 0.085 * max(map(len, names))
        figure = Figure(figsize=(left + 4.6, 0.9 + 0.27 * len(names)))
        FigureCanvasAgg(figure)
        ax = figure.add_subplot()
        ax.axvline(neutral, color="0.35", linewidth=1)
        _bars(ax, names, [values[name] for name in names], [PALETTE["blue"]] * len(names))
        ax.set_yticks(range(len(names)), names)
        ax.set_title(title, fontsize=10)
        _fit(figure, left)
    return figure, ax


def _bars(
    ax: Any, names: Sequence[str], values: Sequence[Interval], colors: Sequence[str], named: bool = False
) -> None:
    """A bar and a line for each value, from the lowest up; `named` says that the names are those of entries."""
    ends = np.array([(value.point, value.low, value.high) for value in values])
    if np.nanmax(ends) - np.nanmin(ends) < THIN:  # all alike: rounding must not look like a difference
        middle = float(np.nanmean(ends))
        ax.set_xlim(middle - 0.05, middle + 0.05)
    for y, (name, value, color) in enumerate(zip(names, values, colors, strict=True)):
        of = f"of {name}" if named else None
        if value.high - value.low > THIN:
            how = {"height": 0.6, "color": color, "alpha": 0.55, "linewidth": 0, "gid": of}
            ax.barh(y, value.high - value.low, left=value.low, **how)
        ax.plot([value.point] * 2, [y - 0.3, y + 0.3], color="black", linewidth=1.8, gid=of)
    ax.use_sticky_edges = False  # bars would otherwise end on the frame
    ax.margins(x=0.08)
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.grid(axis="x", alpha=0.25, linewidth=0.6)


def _fit(figure: Figure, left: float, under: float = 0.4) -> None:
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=left / width, right=1 - 0.2 / width, bottom=under / height, top=1 - 0.4 / height, wspace=0.15
    )


def profiles(grid: Common, metric: str, look: Mapping[str, Style]) -> Figure:
    """Performance profiles: share of runs whose final score is above each threshold; the axis holds every score."""
    taus = _thresholds(np.concatenate([x for label in grid.labels for x in grid.scores[label]]))
    with mpl.rc_context(RC):
        figure, ax = _one_panel(grid.labels)
        for label in grid.labels:
            share, low, high = profile(grid.ordered(label), taus)
            style, of = look[label], f"of {label}"
            x = taus * SCALES[metric]
            ax.step(x, share, where="post", color=style.color, linestyle=style.dashes, linewidth=2, gid=of)
            band = {"step": "post", "color": style.color, "alpha": faint(len(grid.labels)), "linewidth": 0, "gid": of}
            ax.fill_between(x, low, high, **band)
        ax.set_xlabel(f"final {title_of(metric)} (threshold)")
        ax.set_ylabel("share of runs above it")
        ax.set_ylim(-0.02, 1.02)
        ax.set_xlim(x[0], x[-1])
        _legend(figure, grid.labels, look)
    return figure


def _thresholds(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Thresholds from just below the lowest score to just above the highest, where every profile is 1 and 0."""
    low, high = float(scores.min()), float(scores.max())
    room = 0.04 * (high - low) or 0.05
    return np.linspace(low - room, high + room, 201)


def efficiency(
    curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]],
    x_name: str,
    metric: str,
    look: Mapping[str, Style],
) -> Figure:
    """Sample efficiency: the IQM over runs of all tasks against training, with its interval.

    `curves[label]` is (x, point, low, high), each [T]; where low or high is NaN there is no band.
    """
    labels = list(curves)
    with mpl.rc_context(RC):
        figure, ax = _one_panel(labels)
        for label, (x, point, low, high) in curves.items():
            style = look[label]
            few = style.marker if len(x) <= FEW_POINTS else None
            how: dict[str, Any] = {"color": style.color, "gid": f"of {label}"}
            ax.fill_between(x, low, high, alpha=faint(len(labels)), linewidth=0, **how)
            ax.plot(x, point, linestyle=style.dashes, linewidth=2, marker=few, markersize=3.5, **how)
        ax.set_xlabel(x_name)
        ax.set_ylabel(f"{title_of(metric)}, IQM over tasks")
        ax.yaxis.set_major_locator(MaxNLocator(6))
        _legend(figure, labels, look, marked=any(len(x) <= FEW_POINTS for x, *_ in curves.values()))
    return figure


def _one_panel(labels: Sequence[str]) -> tuple[Figure, Any]:
    figure, (ax,) = grid_of_panels(1, 1, 6.8, 4.3, labels, above=0.15, under=0.6)
    ax.grid(alpha=0.25, linewidth=0.6)
    return figure, ax


def _legend(figure: Figure, labels: Sequence[str], look: Mapping[str, Style], marked: bool = False) -> None:
    handles = [
        Line2D(
            [],
            [],
            color=look[x].color,
            linestyle=look[x].dashes,
            linewidth=2,
            marker=look[x].marker if marked else None,
            markersize=3.5,
            gid=f"of {x}",
        )
        for x in labels
    ]
    place_legend(figure, handles, list(labels))
