"""Numbers in squares: final scores by method and task, and who beats whom."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from reports.numbers.grid import SCALES
from reports.numbers.intervals import Interval
from reports.pictures.look import RC, folded, score_text

__all__ = ["heat_map", "improvement_matrix", "mean_ranks"]

LIGHT_INK, DARK_INK = "#fefefe", "#010101"  # on a colour, which is the same on a dark page
EVEN = 0.179  # luminance on which black and white have the same contrast
WIDEST = 1.05  # inches of a column
SMALL_PRINT = 12  # up to so many entries the matrix has room for intervals
# light to dark; from "loses" over white to "wins": orange and blue differ in every kind of colour blindness
SCORES = LinearSegmentedColormap.from_list("scores", ["#f4f6f8", "#9cc3dd", "#3f88b5", "#0b4a78", "#04243f"])
DUEL = LinearSegmentedColormap.from_list("duel", ["#a34a00", "#f0a04b", "#f7f7f7", "#6aa9d8", "#00467f"])


def mean_ranks(scores: Mapping[str, Mapping[str, float]], tasks: Sequence[str]) -> dict[str, float]:
    """Mean over tasks of each entry's rank among those that have a score there; 1 is best, ties share their ranks."""
    ranks: dict[str, list[float]] = {label: [] for label in scores}
    for task in tasks:
        here = {label: found[task] for label, found in scores.items() if not math.isnan(found.get(task, math.nan))}
        for label, value in here.items():
            above, equal = (sum(test(other) for other in here.values()) for test in (value.__lt__, value.__eq__))
            ranks[label].append(above + (equal + 1) / 2)
    return {label: float(np.mean(found)) if found else math.nan for label, found in ranks.items()}


def heat_map(scores: Mapping[str, Mapping[str, float]], tasks: Sequence[str], metric: str) -> Figure:
    """`scores[label][task]` in squares, entries in the order of their mean rank; hatched where there is none.

    The colour is on the metric's own scale if that means the same on every task; else each task has its own, from its
    worst entry to its best.
    """
    ranks = mean_ranks(scores, tasks)
    labels = sorted(scores, key=lambda label: (math.isnan(ranks[label]), ranks[label], label))
    values = np.array([[scores[label].get(task, np.nan) for task in tasks] for label in labels], dtype=np.float64)
    with mpl.rc_context(RC):
        square = 0.78 if len(tasks) <= 8 else 0.62
        figure, ax = _squares(labels, [*tasks, "mean rank"], square, 0.36)
        texts = [["" if math.isnan(x) else score_text(x, metric) for x in row] for row in values]
        _fill(ax, labels, _shades(values, metric), SCORES, texts, size=9 if len(tasks) <= 8 else 8)
        for y, label in enumerate(labels):
            count = int((~np.isnan(values[y])).sum())
            part = f" ({count}/{len(tasks)})" if count < len(tasks) else ""
            if count:
                text = f"{ranks[label]:.1f}{part}"
                where = {"ha": "left", "va": "center", "fontsize": 8, "gid": f"of {label}"}
                ax.text(len(tasks) + 0.15, y + 0.5, text, **where)
    return figure


def _shades(values: NDArray[np.float64], metric: str) -> NDArray[np.float64]:
    """Scores as shades from 0 to 1, which the colours show."""
    if metric in SCALES:
        return np.clip(values / SCALES[metric], 0, 1)
    known = np.where(np.isnan(values), np.inf, values)
    low = known.min(axis=0, initial=np.inf)
    high = np.where(np.isnan(values), -np.inf, values).max(axis=0, initial=-np.inf)
    spread = np.where(high > low, high - low, 1.0)
    return np.asarray((values - low) / spread)


def improvement_matrix(table: Mapping[tuple[str, str], Interval], labels: Sequence[str]) -> Figure:
    """P(row scores above column) in each square, the strongest first; bold where the interval leaves out 0.5.

    `table` holds each pair in one order or both; the other side is the complement. Up to 12 entries the interval
    stands below the number.
    """
    full = dict(table)
    for (x, y), found in table.items():
        full.setdefault((y, x), Interval(1 - found.point, 1 - found.high, 1 - found.low))

    def strength(x: str) -> float:
        points = [full[x, y].point for y in labels if (x, y) in full]
        return float(np.mean(points)) if points else -1.0

    order = sorted(labels, key=lambda x: (-strength(x), x))
    small = len(order) <= SMALL_PRINT
    with mpl.rc_context(RC):
        figure, ax = _squares(order, order, *((0.92, 0.5) if small else (0.42, 0.34)), named=0.26)
        pairs = [[full.get((x, y)) for y in order] for x in order]
        values = np.array([[np.nan if p is None else p.point for p in row] for row in pairs], dtype=np.float64)
        texts = [["" if p is None else f"{p.point:.2f}" for p in row] for row in pairs]
        sure = [[p is not None and (p.low > 0.5 or p.high < 0.5) for p in row] for row in pairs]
        notes = [["" if p is None or math.isnan(p.low) else f"{p.low:.2f}–{p.high:.2f}" for p in row] for row in pairs]
        same = {(i, i) for i in range(len(order))}
        _fill(ax, order, values, DUEL, texts, 10 if small else 8, notes if small else None, sure, same)
        ax.set_ylabel("X")
        ax.xaxis.set_label_position("top")
        ax.set_xlabel("Y")
    return figure


def _squares(
    rows: Sequence[str], columns: Sequence[str], wide: float, high: float, named: float = 0
) -> tuple[Figure, Any]:
    """Empty axes with one square of `wide` x `high` inches for each row and column, names on the left and above.

    `named` is the room in inches for the names of the axes.
    """
    part = max((len(word) + 1 for name in columns for word in re.split(r"[-\s]", name)), default=0)
    wide = max(wide, min(0.078 * part, WIDEST))  # a name is broken at its hyphens, not inside a word
    slanted = max(map(len, columns), default=0) * 0.078 > wide * 1.9
    names = [folded(name, max(6, int(wide / 0.078))) for name in columns] if not slanted else list(columns)
    longest = max(map(len, columns), default=0)
    above = named + 0.12 + (0.062 * longest if slanted else 0.16 * max(name.count("\n") + 1 for name in names))
    left, right = 0.15 + named + 0.08 * max(map(len, rows), default=0), 0.35 + (0.045 * longest if slanted else 0)
    width, height = left + wide * len(columns) + right, above + high * len(rows) + 0.12
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    ax = figure.add_axes((left / width, 0.12 / height, wide * len(columns) / width, high * len(rows) / height))
    ax.set_xlim(0, len(columns))
    ax.set_ylim(len(rows), 0)
    turned = {"rotation": 40, "ha": "left", "rotation_mode": "anchor"} if slanted else {"ha": "center"}
    ax.set_xticks(np.arange(len(columns)) + 0.5, names, fontsize=8.5, linespacing=0.95, **turned)
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows, fontsize=9)
    ax.tick_params(top=True, bottom=False, labeltop=True, labelbottom=False, length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    return figure, ax


def _luminance(color: Sequence[float]) -> float:
    """Relative luminance as WCAG 2 defines it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color[:3]]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def _fill(
    ax: Any,
    rows: Sequence[str],
    shades: NDArray[np.float64],
    colors: Colormap,
    texts: Sequence[Sequence[str]],
    size: float,
    notes: Sequence[Sequence[str]] | None = None,
    bold: Sequence[Sequence[bool]] | None = None,
    blank: set[tuple[int, int]] | frozenset[tuple[int, int]] = frozenset(),
) -> None:
    for name, tick in zip(rows, ax.get_yticklabels(), strict=True):
        tick.set_gid(f"of {name}")
    for (y, x), shade in np.ndenumerate(shades):
        of: dict[str, Any] = {"gid": f"of {rows[y]}"}
        if (y, x) in blank:
            ax.add_patch(Rectangle((x, y), 1, 1, facecolor="0.93", edgecolor="white", linewidth=1.5, **of))
            continue
        if math.isnan(shade):
            ax.add_patch(Rectangle((x, y), 1, 1, facecolor="white", edgecolor="0.75", hatch="////", linewidth=0, **of))
            continue
        face = colors(float(shade))
        ax.add_patch(Rectangle((x, y), 1, 1, facecolor=face, edgecolor="white", linewidth=1.5, **of))
        ink = LIGHT_INK if _luminance(face) < EVEN else DARK_INK
        weight = "bold" if bold and bold[y][x] else "normal"
        note = notes[y][x] if notes else ""
        middle = y + (0.37 if note else 0.5)
        ax.text(
            x + 0.5, middle, texts[y][x], ha="center", va="center", color=ink, fontsize=size, fontweight=weight, **of
        )
        if note:
            ax.text(x + 0.5, y + 0.76, note, ha="center", va="center", color=ink, fontsize=6.5, **of)
