"""A figure as the page shows it: written as PNG, SVG and PDF, and put into the page as the smaller of two."""

from __future__ import annotations

import base64
import html
import re
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from reports.pictures import look

__all__ = ["Shown", "shown"]

# what matplotlib repeats in every text, and what the page needs of it
FONTS = (
    "'DejaVu Sans', 'Bitstream Vera Sans', 'Computer Modern Sans Serif', 'Lucida Grande', 'Verdana', 'Geneva', "
    "'Lucid', 'Arial', 'Helvetica', 'Avant Garde', sans-serif"
)
SHORTER = "'DejaVu Sans', Verdana, sans-serif"


@dataclass
class Shown:
    """A figure as the page shows it; `says` is what a reader hears who does not see it."""

    name: str
    title: str
    says: str
    width: int  # CSS pixels
    height: int
    image: str  # data URI


def shown(folder: Path, name: str, title: str, says: str, figure: Figure) -> Shown:
    """Write the figure below `folder`/figures and return what the page needs of it."""
    look.save(figure, folder / "figures", name)
    width, height = (round(inches * 96) for inches in figure.get_size_inches())
    return Shown(name, title, says, width, height, _image(folder / "figures" / name))


def _image(path: Path) -> str:
    """The figure as a data URI: lines as SVG, and as PNG where these are so many that it is the smaller one."""
    drawing = path.with_name(f"{path.name}.svg").read_text(encoding="utf-8")
    drawing = re.sub(r"<[^>]+>", _rounded, drawing[drawing.index("<svg") :])
    drawing = re.sub(r"\s+", " ", drawing).replace(FONTS, SHORTER).strip()
    drawing = drawing.replace("%", "%25").replace("#", "%23")
    pixels = base64.b64encode(path.with_name(f"{path.name}.png").read_bytes()).decode()
    if len(html.escape(drawing)) <= len(pixels):
        return f"data:image/svg+xml,{drawing}"
    return f"data:image/png;base64,{pixels}"


def _rounded(tag: re.Match[str]) -> str:
    """A tag with its places to a hundredth of a point; text between tags is what a reader reads, and stays."""
    return re.sub(r"(\.\d\d)\d+", r"\1", tag[0])
