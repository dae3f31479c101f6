"""Figures as a notebook shows them where a cell ends with one."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["shown"]


def shown(figure: Figure) -> Figure:
    """Give a figure its picture for notebooks, which matplotlib adds only where pyplot has been imported."""

    def png() -> bytes:
        picture = io.BytesIO()
        figure.savefig(picture, format="png", bbox_inches="tight")
        return picture.getvalue()

    setattr(figure, "_repr_png_", png)  # noqa: B010 - the name that IPython asks for, and no attribute of a Figure
    return figure
