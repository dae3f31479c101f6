"""A figure as the page shows it: written as PNG, SVG and PDF, and put into the page as the smaller of two.

As lines it is part of the page: its colours are those of the page's scheme, light or dark, and what is drawn of one
entry carries the name of that entry, so that the page's filter can take it away.
"""

from __future__ import annotations

import base64
import html
import re
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from reports.pictures import look
from reports.pictures.palette import variable

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
    drawing: str  # an svg element, or empty
    image: str  # data URI of pixels where there is no drawing


def shown(folder: Path, name: str, title: str, says: str, figure: Figure) -> Shown:
    """Write the figure below `folder`/figures and return what the page needs of it."""
    look.save(figure, folder / "figures", name)
    width, height = (round(inches * 96) for inches in figure.get_size_inches())
    drawing, image = _smaller(folder / "figures" / name, says)
    return Shown(name, title, says, width, height, drawing, image)


def _smaller(path: Path, says: str) -> tuple[str, str]:
    """The figure as an svg element, or as pixels where its lines are so many that these are smaller."""
    drawing = path.with_name(f"{path.name}.svg").read_text(encoding="utf-8")
    drawing = re.sub(
        r"<metadata>.*?</metadata>|<defs>\s*<style.*?</defs>", "", drawing[drawing.index("<svg") :], flags=re.S
    )
    drawing = re.sub(r"<[^>]+>", _rounded, drawing)
    drawing = re.sub(r"\s+", " ", drawing).replace(FONTS, SHORTER).strip()
    drawing = _of_the_page(drawing, path.name, says)
    pixels = base64.b64encode(path.with_name(f"{path.name}.png").read_bytes()).decode()
    return (drawing, "") if len(drawing) <= len(pixels) else ("", f"data:image/png;base64,{pixels}")


def _rounded(tag: re.Match[str]) -> str:
    """A tag with its places to a hundredth of a point; text between tags is what a reader reads, and stays.

    Names that no other part refers to are left out; those of entries become an attribute.
    """
    named = re.search(r""" id=(["'])of (.*?)\1""", tag[0], re.S)  # numbers in a name stay as they are
    if named:
        return tag[0].replace(named[0], f" data-of={named[1]}{named[2]}{named[1]}")
    return re.sub(r' id="\w+_\d+"', "", re.sub(r"(\.\d\d)\d+", r"\1", tag[0]))


def _of_the_page(drawing: str, name: str, says: str) -> str:
    """The element with names of its own and with the page's colours."""
    drawing = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{html.escape(name)}-", drawing)
    drawing = re.sub(r"(?<=[:\"\s])#[0-9a-f]{6}(?=[;\"])", lambda color: variable(color[0]), drawing)
    size = re.search(r'viewBox="[^"]*"', drawing)
    box = size[0] if size else ""
    return re.sub(r"^<svg[^>]*>", f'<svg role="img" aria-label="{html.escape(says)}" {box}>', drawing)
