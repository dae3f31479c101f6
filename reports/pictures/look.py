"""One look for all figures: colours and dashes, panels of fixed size, and files that are equal byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.numbers.grid import SCALES
from reports.tables.table import number

__all__ = [
    "FEW_POINTS",
    "RC",
    "faint",
    "fitted_ticks",
    "folded",
    "grid_of_panels",
    "place_legend",
    "put_title",
    "save",
    "score_text",
    "title_of",
]

DPI = 120  # of PNG files
LONG_TICK = 5  # characters of a number beside a panel that leave room for the axis's title
FEW_POINTS = 15  # of a curve: up to so many, each evaluation is marked
RC = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titley": 1.0,  # a fixed place: looking for one measures every tick, a tenth of the time of a figure
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.35",
    "svg.hashsalt": "awac-bench",  # same figure, same bytes
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # text of a PDF stays text
    "figure.facecolor": "white",
    "text.parse_math": False,  # a name with two dollar signs is a name
}


def title_of(metric: str) -> str:
    """A metric's name in words."""
    return metric.replace("_", " ")


def faint(count: int) -> float:
    """How opaque the bands of so many entries may be: many on top of each other are mud."""
    return min(0.14, 0.9 / max(count, 1))


def score_text(value: float, metric: str) -> str:
    """A score with the digits that its metric deserves and a true minus sign."""
    digits = 2 if SCALES.get(metric) == 1.0 else 1 if abs(value) < 1000 else 0
    return number(value, digits)


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write `name`.png, .svg and .pdf; the same figure gives the same bytes."""
    with mpl.rc_context(RC):
        png: dict[str, Any] = {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 4}}
        figure.savefig(folder / f"{name}.png", dpi=DPI, **png)
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})


def grid_of_panels(
    count: int,
    columns: int,
    width: float,
    height: float,
    legend: Sequence[str],
    above: float = 0.6,
    under: float = 0.35,
) -> tuple[Figure, list[Any]]:
    """Panels of fixed size in inches, with room `above` for a title and `under` for ticks; below all, the legend."""
    rows = -(-count // columns)
    left = 0.75
    wide = width * columns
    below = 0.15 + 0.19 * -(-len(legend) // _legend_columns(wide, legend))
    total = height * rows + below
    figure = Figure(figsize=(wide, total))
    FigureCanvasAgg(figure)
    figure.subplots_adjust(
        left=left / wide,
        right=1 - 0.15 / wide,
        bottom=(below + under) / total,
        top=1 - above / total,
        wspace=(left + 0.15) / (width - left - 0.15),
        hspace=(above + under) / (height - above - under),
    )
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(count)]
    return figure, axes


def _legend_columns(width: float, names: Sequence[str]) -> int:
    entry = 0.75 + 0.073 * max(map(len, names), default=0)
    return max(1, min(int((width - 0.2) // entry), len(names)))


def place_legend(figure: Figure, handles: list[Line2D], names: list[str]) -> None:
    """One legend for all panels, in the room that `grid_of_panels` left below them."""
    columns = _legend_columns(figure.get_figwidth(), names)
    figure.legend(handles, names, loc="lower center", ncols=columns, frameon=False, fontsize=9, handlelength=3.2)


def put_title(ax: Any, text: str, width: float, size: float = 11, **how: Any) -> None:
    """A title that stays inside `width` inches: smaller, and cut in the middle if it is still too long."""
    letters = width / 0.0088  # points of width of a bold letter, per point of size, in inches
    size = max(7.0, min(size, letters / max(1, len(text))))
    room = int(letters / size)
    if len(text) > room:
        text = f"{text[: room // 2 - 1]}…{text[-(room - room // 2 - 1) :]}"
    ax.set_title(text, fontsize=size, **how)


def fitted_ticks(ax: Any) -> None:
    """Smaller numbers on the vertical axis where they are so long that its title would lie outside of the figure."""
    ticks = ax.yaxis.get_major_locator().tick_values(*ax.get_ylim())
    longest = max(map(len, ax.yaxis.get_major_formatter().format_ticks(ticks)), default=0)
    if longest > LONG_TICK:
        ax.tick_params(axis="y", labelsize=max(5.0, 9 * LONG_TICK / longest))


def folded(text: str, letters: int) -> str:
    """The text in lines of up to so many letters, broken at hyphens where it can be."""
    return "\n".join(wrap(text, letters, break_long_words=True)) or text
