"""One look for all figures: a colour per method, panels of fixed size, and files that are equal byte for byte."""

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

from reports.numbers.lines import SCALES
from reports.tables.table import number

__all__ = [
    "COLORS", "FEW_POINTS", "RC", "Style",
    "faint", "folded", "grid_of_panels", "place_legend", "put_title", "save", "score_text", "styles", "title_of",
]  # fmt: skip

# A method has the same colour and dashes in every report. Twelve colours are what can be told apart: any two differ by
# 18 or more in CIELAB for normal sight, deuteranopia, protanopia and tritanopia (Machado et al. 2009). Methods that
# share one are told apart by dashes, in the order of the list; the methods of the AWAC paper's figures come first.
COLORS: dict[str, tuple[str, ...]] = {
    "#0061b1": ("awac", "awac-z"),
    "#cd450c": ("sac", "sac-scratch", "sac-prior", "rlpd"),
    "#0a9760": ("sac-bc", "td3-bc"),
    "#9d3cff": ("bear", "bear-loose", "bcq"),
    "#eb9a00": ("brac", "brac-v", "rebrac"),
    "#01c3fb": ("abm", "mpo", "mpo-acme"),
    "#676c7b": ("bc", "bc-demos"),
    "#770035": ("awr", "rwr"),
    "#b7ba68": ("marwil", "marwil-rllib", "iql"),
    "#5d2e00": ("dapg", "trpo", "ppo"),
    "#0028a3": ("cql", "cal-ql"),
    "#e59fb2": ("algae-dice", "td3", "ddpg"),
}
DASHES: tuple[Any, ...] = (
    "solid", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)), (0, (9, 2)), (0, (4, 1.2, 1, 1.2, 1, 1.2)),
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # when colours and dashes are used up
CROWD = 4  # entries of one method that share its colour; more than that cannot be told apart by dashes
DPI = 120  # of PNG files
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
}


@dataclass(frozen=True)
class Style:
    """How one entry looks in every figure of a report."""

    color: str
    dashes: Any
    marker: str = "o"


def styles(labels: Sequence[str]) -> dict[str, Style]:
    """The look of each label: fixed for the methods of `COLORS`, whatever else is there; no two are equal.

    A label is a method and perhaps a tag, `awac [quick]`. Tagged and unknown variants (`awac-mine`) keep the colour of
    their method and take its next free dashes while these are few; all others take the colour least used.
    """
    homes = {name: (color, i) for color, names in COLORS.items() for i, name in enumerate(names)}
    spots = [(dashes, marker) for marker in range(len(MARKERS)) for dashes in range(len(DASHES))]
    taken: dict[str, list[tuple[int, int]]] = {color: [] for color in COLORS}
    placed: dict[str, tuple[str, tuple[int, int]]] = {}

    def place(label: str, color: str, spot: tuple[int, int]) -> None:
        taken[color].append(spot)
        placed[label] = (color, spot)

    ordered = sorted(set(labels), key=lambda label: (_method(label) != label.lower(), label))
    for label in ordered:
        color, dashes = homes.get(_method(label), ("", 0))
        if color and (dashes, 0) not in taken[color]:
            place(label, color, (dashes, 0))
    for label in [label for label in ordered if label not in placed]:
        family = _family(_method(label), homes)
        if family is None or len(taken[family]) >= CROWD:
            family = min(taken, key=lambda color: len(taken[color]))
        known = {(i, 0) for i in range(len(COLORS[family]))}  # kept for the methods they belong to
        free = [spot for spot in spots if spot not in taken[family]] or spots
        place(label, family, min(free, key=lambda spot: (spot in known and spot != (0, 0), spots.index(spot))))
    return {label: Style(color, DASHES[i], MARKERS[j]) for label, (color, (i, j)) in sorted(placed.items())}


def _method(label: str) -> str:
    """`AWAC (external)` -> `awac`."""
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
        left=left / wide, right=1 - 0.15 / wide, bottom=(below + under) / total, top=1 - above / total,
        wspace=(left + 0.15) / (width - left - 0.15), hspace=(above + under) / (height - above - under),
    )  # fmt: skip
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


def folded(text: str, letters: int) -> str:
    """The text in lines of up to so many letters, broken at hyphens where it can be."""
    return "\n".join(wrap(text, letters, break_long_words=True)) or text
