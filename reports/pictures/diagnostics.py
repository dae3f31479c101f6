"""Learning metrics of one task in small panels, on the axis of the learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from reports.pictures.curves import SwitchAxis
from reports.pictures.look import RC, grid_of_panels, place_legend, put_title
from reports.pictures.styles import Style
from reports.runs.cells import Cell
from reports.runs.curves import Curve
from suite.record.metrics import METRICS

__all__ = ["Panel", "diagnostics", "panels_of"]

DOTS = 14  # per curve drawn as dots, so that they stay dots
LONG = 30  # letters of two names that fit above a panel
DECADES = 1e3  # values that differ by more than this factor are drawn on a logarithmic scale


@dataclass(frozen=True)
class Panel:
    """One metric as lines, and perhaps a second one in the same units as dots."""

    line: str
    dots: str | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that the panel shows."""
        return (self.line,) if self.dots is None else (self.line, self.dots)

    @property
    def title(self) -> str:
        """The title: names and how each is drawn; what long names begin with is written once."""
        line, dots, start = self.line, self.dots, ""
        if dots is None:
            return line
        if len(line + dots) > LONG:
            parts = zip(line.split("_"), dots.split("_"), strict=False)
            start = "_".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], parts))
            line, dots = (name.removeprefix(f"{start}_") for name in (line, dots))
        return f"{start}{': ' if start else ''}{line} —   {dots} ···"


# in this order; then what algorithms record beyond the metrics they all share: duals, discrepancies, values
PANELS = (
    Panel("critic_loss"),
    Panel("q_data", "q_policy"),
    Panel("q_gap"),
    Panel("advantage"),
    Panel("weight_ess"),
    Panel("weight_max"),
    Panel("log_prob_data"),
    Panel("mse_data"),
    Panel("behaviour_log_prob_offline", "behaviour_log_prob_online"),
    Panel("mmd", "mmd_floor"),
    Panel("policy_std"),
    Panel("entropy"),
    Panel("entropy_coef"),
    Panel("bc_kept"),
    Panel("log_z"),
)


def panels_of(cells: Sequence[Cell]) -> list[Panel]:
    """The panels for which something is recorded."""
    present = {name for cell in cells for source in cell.sources for name in source.curves}
    out = []
    for panel in PANELS:
        shown = [name for name in panel.metrics if name in present]
        if shown:
            out.append(Panel(*shown))
    paired = {name for panel in PANELS for name in panel.metrics}
    return out + [Panel(name) for name in sorted(present - METRICS.keys() - paired)]


def diagnostics(cells: Sequence[Cell], panels: Sequence[Panel], look: Mapping[str, Style]) -> Figure:
    """Small multiples: median over seeds, on the axis of the curves; an unfinished run as far as it has come."""
    with mpl.rc_context({**RC, "font.size": 8}):
        names = {cell.label: None for cell in cells}
        labels = sorted(names)
        handles = [
            Line2D([], [], color=look[x].color, linestyle=look[x].dashes, linewidth=2, gid=f"of {x}") for x in labels
        ]
        figure, axes = grid_of_panels(len(panels), min(4, len(panels)), 3.0, 2.0, labels, above=0.42)
        for ax, panel in zip(axes, panels, strict=True):
            _panel(ax, cells, panel, look)
        place_legend(figure, handles, labels)
    return figure


def _panel(ax: Any, cells: Sequence[Cell], panel: Panel, look: Mapping[str, Style]) -> None:
    drawn = [(c.label, name, found) for c in cells for name in panel.metrics if (found := c.curve(name)) is not None]
    axis = SwitchAxis([curve.steps for _, _, curve in drawn])
    values = [_draw(ax, axis, label, curve, look[label], name == panel.dots) for label, name, curve in drawn]
    axis.decorate(ax, ticks_online=2)
    known = np.concatenate(values) if values else np.zeros(0)
    if known.size and known.min() > 0 and known.max() > DECADES * known.min():
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    else:
        ax.yaxis.set_major_locator(MaxNLocator(4))
    for side in (ax.xaxis, ax.yaxis):
        side.set_label_coords(0, 0)  # there is no name to place: looking for its place measures every tick
    put_title(ax, panel.title, 2.9, size=9, pad=4)


def _draw(ax: Any, axis: SwitchAxis, label: str, curve: Curve, style: Style, dots: bool) -> Any:
    """Draw the median over seeds; returns it, [T]."""
    finite = np.where(np.isfinite(curve.values), curve.values, np.nan)
    known = ~np.isnan(finite).all(axis=0)
    x, y = axis.place(curve.steps[known]), np.nanmedian(finite[:, known], axis=0)
    how: dict[str, Any] = {"color": style.color, "gid": f"of {label}"}
    if dots:
        ax.plot(x, y, linestyle="none", marker=".", markersize=4, markevery=max(1, len(x) // DOTS), **how)
    else:
        ax.plot(x, y, linestyle=style.dashes, linewidth=1.3, **how)
    return y
