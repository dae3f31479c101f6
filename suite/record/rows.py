"""Rows of `metrics.csv`: what one is, many of them column by column, and their parser. Imports no torch.

Offline evaluations have `env_step = update - offline_updates <= 0`; 0 is the switch; online ones count environment
steps per seed. Every value is written with 9 significant digits, which a float32 survives.
"""

from __future__ import annotations

import contextlib
import math
import sys
from array import array
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from disk.shapes import short

__all__ = ["COLUMNS", "HEADER", "PHASES", "Columns", "RecordError", "Row", "parse_row", "parse_rows"]

COLUMNS = ("seed", "phase", "env_step", "update", "metric", "value")
HEADER = ",".join(COLUMNS) + "\n"
PHASES = ("offline", "online")
_WHOLE = ("seed", "env_step", "update")
_NUMBERS = {"success", "return"}  # scores that are numbers wherever they are recorded


class RecordError(Exception):
    """A run folder that is missing, foreign or corrupt; the message names the file and what to do."""


class Row(NamedTuple):
    """One line of `metrics.csv`."""

    seed: int
    phase: str
    env_step: int
    update: int
    metric: str
    value: float

    def line(self) -> str:
        """The row as written to the file."""
        return f"{self.seed},{self.phase},{self.env_step},{self.update},{self.metric},{self.value:.9g}\n"


@dataclass(frozen=True)
class Columns:
    """Rows of `metrics.csv` column by column: there may be millions, and numpy takes the arrays as they are."""

    seed: array[int]
    phase: Sequence[str]
    env_step: array[int]
    update: array[int]
    metric: Sequence[str]
    value: array[float]

    @classmethod
    def of(cls, rows: Sequence[Sequence[Any]]) -> Columns:
        """The columns of rows of values or of texts.

        Raises `ValueError`, `TypeError` or `OverflowError` where a row is none.
        """
        seed, phase, env_step, update, metric, value = zip(*rows, strict=True) if rows else [()] * len(COLUMNS)
        return cls(
            seed=array("q", map(int, seed)),
            phase=[*map(sys.intern, phase)],  # few words, many rows
            env_step=array("q", map(int, env_step)),
            update=array("q", map(int, update)),
            metric=[*map(sys.intern, metric)],
            value=array("d", map(float, value)),
        )

    def __len__(self) -> int:
        return len(self.value)

    @property
    def possible(self) -> bool:
        """Whether every phase is one of PHASES, and every score a number."""
        lost = (metric for metric, value in zip(self.metric, self.value, strict=True) if math.isnan(value))
        return set(self.phase) <= set(PHASES) and _NUMBERS.isdisjoint(lost)

    def rows(self, metrics: Container[str] | None = None) -> Iterator[Row]:
        """The rows one by one: all, or those of some metrics."""
        rows = zip(self.seed, self.phase, self.env_step, self.update, self.metric, self.value, strict=True)
        return (Row._make(row) for row in rows if metrics is None or row[4] in metrics)


def parse_rows(lines: Sequence[str], path: Path) -> Columns:
    """The rows on these lines, taken all at once; where that fails, one by one, to name the first that is none."""
    with contextlib.suppress(ValueError, OverflowError):
        columns = Columns.of([line.split(",") for line in lines])
        if columns.possible:
            return columns
    for number, line in enumerate(lines, start=2):
        parse_row(line.split(","), f"{path}, line {number}")
    raise AssertionError("every line is a row, and all together are not")


def parse_row(fields: Sequence[str], where: str) -> Row:
    """The row of these texts, in the order of COLUMNS; raises `RecordError` that begins with `where` they stand."""
    try:
        one = Columns.of([fields])
    except (ValueError, TypeError, OverflowError):
        raise RecordError(f"{where}: not a row of {','.join(COLUMNS)}: {_wrong(fields)}") from None
    if not one.possible:
        raise RecordError(f"{where}: phase {short(fields[1])!r} or value {short(fields[-1])!r} cannot be")
    return next(one.rows())


def _wrong(fields: Sequence[str | None]) -> str:
    """Which of the fields is none, and why."""
    if len(fields) != len(COLUMNS):
        return f"{len(fields)} fields, {len(COLUMNS)} are needed"
    for name, field in zip(COLUMNS, fields, strict=True):
        if field is None:
            return f"{name} is missing"
        try:
            if name in _WHOLE:
                array("q", [int(field)])
            elif name == "value":
                float(field)
        except (ValueError, OverflowError):
            needed = "a whole number of at most 64 bits" if name in _WHOLE else "a number"
            return f"{name} is {short(field)!r}, {needed} is needed"
    return "no such texts"
