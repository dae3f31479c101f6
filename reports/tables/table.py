"""Tables: numbers once at full precision for CSV and JSON, and once as text for Markdown, LaTeX and the page."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reports.numbers.grid import SCALES
from reports.numbers.intervals import Interval
from reports.tables.latex import latex

__all__ = ["ENDS", "Table", "Value", "decimals", "number", "numbers", "p_text", "text"]

Value = str | int | float | None
ENDS = ("", "_low", "_high")  # of the columns of an estimate and its limits, in the order of `numbers`


@dataclass(frozen=True)
class Table:
    """`header` and `rows` for reading, `columns` and `records` for computing, row by row or one record per number."""

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    columns: Sequence[str]
    records: Sequence[Sequence[Value]]
    bold: frozenset[tuple[int, int]] = frozenset()  # (row, column) of `rows`
    entries: frozenset[str] = frozenset()  # headers of columns that are of one entry each

    def write(self, folder: Path) -> None:
        """Write `name`.csv, `name`.json, `name`.md and `name`.tex."""
        (folder / f"{self.name}.csv").write_text(self.csv(), encoding="utf-8")
        (folder / f"{self.name}.json").write_text(self.json(), encoding="utf-8")
        (folder / f"{self.name}.md").write_text(self.markdown(), encoding="utf-8")
        (folder / f"{self.name}.tex").write_text(self.latex(), encoding="utf-8")

    def csv(self) -> str:
        """The records, numbers with 9 significant digits; empty where there is none."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([_plain(value) for value in record] for record in self.records)
        return text.getvalue()

    def json(self) -> str:
        """The title and one object per record; null where there is no number."""
        records = [dict(zip(self.columns, map(_finite, record), strict=True)) for record in self.records]
        return json.dumps({"title": self.title, "records": records}, indent=1) + "\n"

    def markdown(self) -> str:
        """The title and a pipe table."""
        rows = [
            [f"**{x}**" if (i, k) in self.bold else x for k, x in enumerate(row)] for i, row in enumerate(self.rows)
        ]
        lines = [self.header, ["---"] * len(self.header), *rows]
        cells = ("| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines)
        return f"{self.title}\n\n" + "\n".join(cells) + "\n"

    def latex(self) -> str:
        """An environment of its own that fits the page; see `reports.tables.latex`."""
        return latex(self.name, self.title, self.header, self.rows, lambda i, k: (i, k) in self.bold)


def decimals(metric: str, points: Iterable[float]) -> int:
    """Places after the point: two for shares, one for scores of 100, three digits of the largest raw value."""
    if metric in SCALES:
        return 2 if SCALES[metric] == 1.0 else 1
    largest = max((abs(x) for x in points if np.isfinite(x)), default=0.0)
    return int(np.clip(2 - np.floor(np.log10(largest)), 0, 4)) if largest > 0 else 1


def number(x: float, digits: int) -> str:
    """A number with a minus sign that does not look like a hyphen."""
    rounded = round(round(x, 9), digits)  # first to 9 places: the same score computed in two ways is one number
    return f"{rounded + 0.0:,.{digits}f}".replace("-", "−")  # + 0.0: never "-0.00"


def text(value: Interval | None, digits: int) -> str:
    """An estimate and its interval as `0.62 [0.51, 0.70]`; a dash where there is no estimate."""
    if value is None or np.isnan(value.point):
        return "–"
    if np.isnan(value.low):
        return number(value.point, digits)
    return f"{number(value.point, digits)} [{number(value.low, digits)}, {number(value.high, digits)}]"


def p_text(p: float) -> str:
    """A p-value as it is printed: never 0, and a dash where there is no test."""
    if np.isnan(p):
        return "–"
    return "< 0.001" if p < 0.0005 else f"{p:.3f}"


def numbers(value: Interval | None) -> list[Value]:
    """Estimate and limits as numbers; three times None where there is no estimate."""
    return [None] * 3 if value is None else [value.point, value.low, value.high]


def _finite(value: Value) -> Value:
    """A value that JSON can hold: null for NaN, and infinity in the words of the CSV."""
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else _plain(value)
    return value.item() if isinstance(value, np.generic) else value


def _plain(value: Value) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return f"{value:.9g}" if isinstance(value, float) else str(value)
