"""One look for all figures: colours and dashes, panels of fixed size, and files that are equal byte for byte."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    "DASHES",
    "FEW_POINTS",
    "PALETTE",
    "RC",
    "Style",
    "faint",
    "fitted_ticks",
    "folded",
    "grid_of_panels",
    "place_legend",
    "put_title",
    "save",
    "score_text",
    "styles",
    "title_of",
]

# Twelve colours are what can be told apart: any two differ by 18 or more in CIELAB for normal sight, deuteranopia,
# protanopia and tritanopia (Machado et al. 2009). Methods that share one are told apart by dashes.
PALETTE = {
    "blue": "#0061b1",
    "red": "#cd450c",
    "green": "#0a9760",
    "violet": "#9d3cff",
    "orange": "#eb9a00",
    "cyan": "#01c3fb",
    "grey": "#676c7b",
    "maroon": "#770035",
    "olive": "#b7ba68",
    "brown": "#5d2e00",
    "navy": "#0028a3",
    "pink": "#e59fb2",
}
DASHES: dict[str, Any] = {
    "solid": "solid",
    "dashed": (0, (5, 1.5)),
    "dotted": (0, (1, 1)),
    "dash-dotted": (0, (6, 1.5, 1, 1.5)),
    "long-dashed": (0, (9, 2)),
    "dash-dot-dotted": (0, (4, 1.2, 1, 1.2, 1, 1.2)),
}
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # when colours and dashes are used up
CROWD = 4  # entries of one method that share its colour; more than that cannot be told apart by dashes
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


@dataclass(frozen=True)
class Style:
    """How one entry looks in every figure of a report."""

    color: str
    dashes: Any
    marker: str = "o"


def styles(labels: Sequence[str], looks: Mapping[str, str]) -> dict[str, Style]:
    """Choose the look of each label; no two are equal.

    `looks` is what each known method looks like in every report, whatever else is there: one of PALETTE, and of DASHES
    unless it is solid ("blue", "blue dashed"). A label is a method and perhaps a tag, `awac [quick]`. Tagged and
    unknown variants (`awac-mine`) keep the colour of their method and take its next free dashes while these are few;
    all others take the colour least used.
    """
    homes = {_method(name): _spot(look) for name, look in looks.items()}
    known = {hue: {(dashes, 0) for own, dashes in homes.values() if own == hue} for hue in PALETTE}
    spots = [(dashes, marker) for marker in range(len(MARKERS)) for dashes in range(len(DASHES))]
    taken: dict[str, list[tuple[int, int]]] = {hue: [] for hue in PALETTE}
    placed: dict[str, tuple[str, tuple[int, int]]] = {}

    def place(label: str, hue: str, spot: tuple[int, int]) -> None:
        taken[hue].append(spot)
        placed[label] = (hue, spot)

    ordered = sorted(set(labels), key=lambda label: (_method(label) != label.lower(), label))
    for label in ordered:
        hue, dashes = homes.get(_method(label), ("", 0))
        if hue and (dashes, 0) not in taken[hue]:
            place(label, hue, (dashes, 0))
    for label in [label for label in ordered if label not in placed]:
        family = _family(_method(label), homes)
        if family is None or len(taken[family]) >= CROWD:
            family = min(taken, key=lambda hue: len(taken[hue]))
        kept = known[family] - {(0, 0)}  # for the methods they belong to
        free = [spot for spot in spots if spot not in taken[family]] or spots
        place(label, family, min(free, key=lambda spot: (spot in kept, spots.index(spot))))
    dashed = list(DASHES.values())
    return {label: Style(PALETTE[hue], dashed[i], MARKERS[j]) for label, (hue, (i, j)) in sorted(placed.items())}


def _spot(look: str) -> tuple[str, int]:
    """Colour and number of the dashes of a look in words."""
    hue, _, dashes = look.partition(" ")
    if hue not in PALETTE or (dashes or "solid") not in DASHES:
        raise ValueError(f"look {look!r}: name one of {', '.join(PALETTE)}, and perhaps one of {', '.join(DASHES)}")
    return hue, list(DASHES).index(dashes or "solid")


def _method(label: str) -> str:
    """The method of a label: `awac` of `AWAC (external)`."""
    return re.sub(r" [\[(].*$", "", label).lower().replace("_", "-")


def _family(method: str, homes: Mapping[str, tuple[str, int]]) -> str | None:
    """The colour of the method whose name this one begins with, the longest that fits."""
    known = [name for name in homes if method == name or method.startswith(f"{name}-")]
    return homes[max(known, key=len)][0] if known else None


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
