"""Score against tuning budget: the expected best of k trials of each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.numbers.budget import best_so_far, expected_best
from reports.pictures.look import RC, grid_of_panels, place_legend
from reports.pictures.styles import Style

__all__ = ["budget_panel"]


def budget_panel(scores: Mapping[str, Sequence[float]], styles: Mapping[str, Style], criterion: str) -> Figure:
    """A line per method over k, and marks for the best of its first k trials; `scores` are those of its trials."""
    with mpl.rc_context(RC):
        figure, (ax,) = grid_of_panels(1, 1, 6.4, 4.0, list(scores), above=0.2, under=0.5)
        lines = []
        for label, own in scores.items():
            style, k = styles[label], np.arange(1, len(own) + 1)
            lines += ax.plot(k, expected_best(own), color=style.color, linestyle=style.dashes, linewidth=2)
            marks = {"marker": style.marker, "markersize": 3.5, "linestyle": "none"}
            ax.plot(k, best_so_far(own), color=style.color, alpha=0.55, **marks)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel("trials")
        ax.set_ylabel(criterion, fontsize=9)
        place_legend(figure, lines, list(scores))
    return figure
