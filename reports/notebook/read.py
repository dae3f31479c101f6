"""Reads cells for a notebook; what cannot be read is warned of, as there is no page to name it."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from pathlib import Path

from reports.numbers.headline import headline_of
from reports.numbers.results import Results
from reports.runs import collect
from reports.runs.interpolate import interpolated
from reports.runs.only import Only
from suite.record.reference import Packed

__all__ = ["read", "results"]


def read(
    roots: str | Path | Sequence[str | Path],
    inputs: Sequence[str | Path],
    algos: Collection[str] = (),
    tasks: Collection[str] = (),
    packed: Sequence[Packed] = (),
) -> collect.Collection:
    """The cells of run folders, of files and of packed runs beside them; raises `RecordError` as a report does."""
    folders = [Path(roots)] if isinstance(roots, str | Path) else [Path(root) for root in roots]
    found = collect.collect(folders, [Path(file) for file in inputs], beside=packed)
    for line in found.left_out():
        warnings.warn(line, stacklevel=3)
    return Only(frozenset(algos), frozenset(tasks)).of(found)


def results(found: collect.Collection, metric: str | None, seed: int, interpolate: bool) -> Results:
    """What follows from cells, by the metric that a report would take if none is given."""
    cells = interpolated(found.cells) if interpolate else found.cells
    return Results(cells, headline_of(cells, metric), seed)
