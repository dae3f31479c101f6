"""A table in LaTeX that fits its page: booktabs, caption, label, numbers to the right, longtable where it is long."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

__all__ = ["latex"]

LONG = 35  # rows that fit on a page
LINE = 76  # characters of text that fit on a line at \small, in a column of 345 pt
SIZES = ((1.0, r"\small"), (1.15, r"\footnotesize"), (1.45, r"\scriptsize"), (float("inf"), r"\tiny"))
GAP = 2  # characters that the space between two columns takes
_NUMBER = re.compile(r"^(?:[-−+<]? ?[\d.,]+(?: ?%)?(?:e[-+]?\d+)?(?: ± [\d.,]+| \[[^\]]*\])?|–|)$")

Rows = Sequence[Sequence[str]]


def latex(name: str, title: str, header: Sequence[str], rows: Rows, bold: Callable[[int, int], bool]) -> str:
    """The table as an environment of its own, everything escaped; `bold` says which cells are, by row and column.

    No line is wider than the text: a smaller font is taken where words need it, and columns of text are broken.
    """
    widths, size = _widths(header, rows)
    columns = "".join(_column(k, header, rows, width) for k, width in enumerate(widths))
    head = [" & ".join(rf"\textbf{{{_escaped(text)}}}" for text in header) + r" \\", r"\midrule"]
    lines = [
        " & ".join(rf"\textbf{{{_escaped(x)}}}" if bold(i, k) else _escaped(x) for k, x in enumerate(row)) + r" \\"
        for i, row in enumerate(rows)
    ]
    caption, label = rf"\caption{{{_escaped(title)}}}", rf"\label{{tab:{re.sub(r'[^A-Za-z0-9-]+', '-', name)}}}"
    if len(rows) > LONG:
        body = [
            rf"{{{size}\setlength{{\tabcolsep}}{{3pt}}",
            rf"\begin{{longtable}}{{{columns}}}",
            rf"{caption}{label}\\",
            r"\toprule",
            *head,
            r"\endhead",
            r"\bottomrule",
            r"\endfoot",
            *lines,
            r"\end{longtable}}",
        ]
    else:
        body = [
            r"\begin{table}",
            r"\centering",
            caption,
            label,
            rf"{size}\setlength{{\tabcolsep}}{{3pt}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            *head,
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    packages = "array, booktabs" + (", longtable" if len(rows) > LONG else "")
    return "\n".join([f"% needs \\usepackage{{{packages}}}", *body, ""])


def _widths(header: Sequence[str], rows: Rows) -> tuple[list[float | None], str]:
    """Of each column its share of the line, None where it is as wide as its text; and the size of the font."""
    texts = [[name, *(row[k] for row in rows)] for k, name in enumerate(header)]
    full = [max(map(len, column)) for column in texts]
    room = LINE - GAP * len(full)
    if sum(full) <= room:
        return [None] * len(full), SIZES[0][1]
    least = [max(len(word) for text in column for word in re.split(r"[\s-]", text) or [""]) for column in texts]
    needed = sum(least) / room
    factor, size = next((factor, size) for factor, size in SIZES if needed <= factor)
    spare = max(0.0, room * min(factor, max(needed, 1.0)) - sum(least))
    wishes = [most - some for most, some in zip(full, least, strict=True)]
    share = spare / sum(wishes) if sum(wishes) else 0.0
    found = [some + share * wish for some, wish in zip(least, wishes, strict=True)]
    return [x / sum(found) for x in found], size


def _column(k: int, header: Sequence[str], rows: Rows, width: float | None) -> str:
    """A column's specification: to the right where it holds numbers, and broken where it has a width."""
    right = all(_NUMBER.match(row[k]) for row in rows) and bool(rows)
    if width is None:
        return "r" if right else "l"
    side = r"\raggedleft" if right else r"\raggedright"
    return rf">{{{side}\arraybackslash}}p{{\dimexpr {width:.3f}\linewidth-2\tabcolsep}}"


def _escaped(text: str) -> str:
    special = {c: f"\\{c}" for c in "&%$#_{}"}
    special |= {"–": "--", "−": "$-$", ">": "$>$", "<": "$<$", "±": r"$\pm$"}
    special |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c, c) for c in text)
