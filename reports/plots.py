"""The looks of all figures, and the figures of statistics over tasks. No display is needed.

rliable's own plots are not used: a `linewidth` handed to its profile plot reaches the first curve only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from reports import stats
from reports.analysis import SCALES, Common
from reports.stats import Interval

__all__ = [
    "RC",
    "Style",
    "aggregate_bars",
    "grid_of_panels",
    "improvement_bars",
    "place_legend",
    "profiles",
    "save",
    "styles",
]

DASHES: tuple[Any, ...] = ("solid", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))
RC = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "awac-bench",  # same figure, same bytes
    "svg.fonttype": "none",
    "figure.facecolor": "white",
}


@dataclass(frozen=True)
class Style:
    """How one entry looks in every figure of a report."""

    color: str
    dashes: Any


def styles(labels: Sequence[str]) -> dict[str, Style]:
    """Colours of seaborn's colour-blind palette in the order of the names; beyond ten, dashes help."""
    palette = sns.color_palette("colorblind").as_hex()
    ordered = sorted(set(labels))
    return {
        label: Style(palette[i % len(palette)], DASHES[i // len(palette) % len(DASHES)])
        for i, label in enumerate(ordered)
    }


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write `name`.png and `name`.svg; the same figure gives the same bytes."""
    with mpl.rc_context(RC):
        png: dict[str, Any] = {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 4}}
        figure.savefig(folder / f"{name}.png", dpi=120, **png)
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})


def grid_of_panels(
    count: int, columns: int, width: float, height: float, legend: int, above: float = 0.6
) -> tuple[Figure, list[Any]]:
    """Panels of fixed size in inches, each with `above` for its title; room below for `legend` entries."""
    rows = -(-count // columns)
    left, ticks = 0.75, 0.35
    below = 0.15 + 0.22 * -(-legend // _legend_columns(width * columns))
    total = height * rows + below
    figure = Figure(figsize=(width * columns, total))
    FigureCanvasAgg(figure)
    figure.subplots_adjust(
        left=left / (width * columns), right=1 - 0.15 / (width * columns), bottom=(below + ticks) / total,
        top=1 - above / total, wspace=(left + 0.15) / (width - left - 0.15),
        hspace=(above + ticks) / (height - above - ticks),
    )  # fmt: skip
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(count)]
    return figure, axes


def _legend_columns(width: float) -> int:
    return max(1, int(width // 2.6))


def place_legend(figure: Figure, handles: list[Line2D], names: list[str]) -> None:
    """One legend for all panels, in the room that `grid_of_panels` left below them."""
    columns = _legend_columns(figure.get_figwidth())
    figure.legend(handles, names, loc="lower center", ncols=min(columns, max(1, len(names))), frameon=False, fontsize=9)


def aggregate_bars(table: Mapping[str, Mapping[str, Interval]], look: Mapping[str, Style]) -> Figure:
    """The four aggregates over tasks with their intervals, one panel each, one row per entry."""
    labels = sorted(table, reverse=True)
    with mpl.rc_context(RC):
        left = 0.3 + 0.085 * max(map(len, labels))
        figure = Figure(figsize=(left + 4 * 2.3, 0.9 + 0.34 * len(labels)))
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, len(stats.AGGREGATES), sharey=True)
        for ax, name in zip(axes, stats.AGGREGATES, strict=True):
            _bars(ax, labels, [table[label][name] for label in labels], [look[label].color for label in labels])
            ax.set_title(name + (" (less is better)" if name == "optimality gap" else ""), fontsize=10)
        axes[0].set_yticks(range(len(labels)), labels)
        _fit(figure, left)
    return figure


def improvement_bars(table: Mapping[tuple[str, str], Interval]) -> Figure:
    """P(X > Y) of each pair with its interval; 0.5 means neither is better."""
    pairs = list(table)[::-1]
    names = [f"{x} > {y}" for x, y in pairs]
    with mpl.rc_context(RC):
        left = 0.3 + 0.085 * max(map(len, names))
        figure = Figure(figsize=(left + 4.6, 0.9 + 0.27 * len(names)))
        FigureCanvasAgg(figure)
        ax = figure.add_subplot()
        ax.axvline(0.5, color="0.35", linewidth=1)
        _bars(
            ax,
            names,
            [table[pair] for pair in pairs],
            [sns.color_palette("colorblind").as_hex()[0]] * len(pairs),
        )
        ax.set_yticks(range(len(names)), names)
        ax.set_xlim(-0.02, 1.02)
        ax.set_title("probability that a run of X scores above one of Y")
        _fit(figure, left)
    return figure


def _bars(ax: Any, names: Sequence[str], values: Sequence[Interval], colors: Sequence[str]) -> None:
    for y, (value, color) in enumerate(zip(values, colors, strict=True)):
        if not np.isnan(value.low):
            ax.barh(y, value.high - value.low, left=value.low, height=0.6, color=color, alpha=0.55, linewidth=0)
        ax.plot([value.point] * 2, [y - 0.3, y + 0.3], color="black", linewidth=1.8)
    ax.use_sticky_edges = False  # bars would otherwise end on the frame
    ax.margins(x=0.08)
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.grid(axis="x", alpha=0.25, linewidth=0.6)


def _fit(figure: Figure, left: float) -> None:
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=left / width, right=1 - 0.2 / width, bottom=0.4 / height, top=1 - 0.4 / height, wspace=0.15
    )


def profiles(grid: Common, metric: str, look: Mapping[str, Style], seed: int) -> Figure:
    """Performance profiles: share of runs whose final score is above each threshold."""
    taus = np.linspace(0, 1, 101)
    with mpl.rc_context(RC):
        figure, (ax,) = grid_of_panels(1, 1, 6.4, 3.9, len(grid.labels), above=0.15)
        for label in grid.labels:
            share, low, high = stats.profile(grid.scores[label], taus, seed)
            style = look[label]
            x = taus * SCALES[metric]
            ax.step(x, share, where="post", color=style.color, linestyle=style.dashes, linewidth=2)
            ax.fill_between(x, low, high, step="post", color=style.color, alpha=0.15, linewidth=0)
        ax.set_xlabel(f"final {metric.replace('_', ' ')} (threshold)")
        ax.set_ylabel("share of runs above it")
        ax.set_ylim(-0.02, 1.02)
        ax.grid(alpha=0.25, linewidth=0.6)
        figure.subplots_adjust(bottom=figure.subplotpars.bottom + 0.05)  # the only panel with a name on its x axis
        handles = [Line2D([], [], color=look[x].color, linestyle=look[x].dashes, linewidth=2) for x in grid.labels]
        place_legend(figure, handles, list(grid.labels))
    return figure
