"""Curves: what metrics.csv says of each metric, as one array over seeds and steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from suite.record.folders import Columns, RecordError
from suite.record.metrics import SCORE_UNITS

__all__ = ["SCORES", "Curve", "Metrics", "metrics_of"]

# what an evaluation measures; everything else in metrics.csv is a diagnostic
SCORES = tuple(SCORE_UNITS)
DIVERGED = "diverged"


@dataclass(frozen=True)
class Curve:
    """One metric over training; NaN where a seed has no value at a step."""

    seeds: tuple[int, ...]
    steps: NDArray[np.int64]  # [T], ascending; 0 is the switch
    values: NDArray[np.float64]  # [seeds, T]


@dataclass(frozen=True)
class Metrics:
    """The metrics of one run: curves, seeds that diverged, and scores as text."""

    curves: Mapping[str, Curve]
    diverged: Mapping[int, int]  # seed -> env_step of its first row that says so
    lines: list[str]  # rows of scores, as metrics.csv has them
    replaced: Mapping[str, int] = field(
        default_factory=dict
    )  # score -> values that a later one of the same step replaced


def metrics_of(columns: Columns, path: Path, twice: bool = False) -> Metrics:
    """The curves of these rows, which were read from `path`.

    A score that a seed has twice at one step raises `RecordError` or, if that is allowed, the later one counts.
    """
    number = {name: k for k, name in enumerate(dict.fromkeys(columns.metric))}
    metric = np.fromiter(map(number.__getitem__, columns.metric), np.int64, len(columns))
    seed, step = (np.asarray(column, np.int64) for column in (columns.seed, columns.env_step))
    value = np.asarray(columns.value, np.float64)
    curves, replaced = {}, {}
    for name, k in number.items():
        own = np.flatnonzero(metric == k)
        if name != DIVERGED:
            if name in SCORES and (more := _doubled(seed[own], step[own])):
                if not twice:
                    raise _refused(name, seed[own], step[own], path)
                replaced[name] = more
            curves[name] = _curve(seed[own], step[own], value[own])
    first: dict[int, int] = {}
    said = np.flatnonzero((metric == number.get(DIVERGED, -1)) & (value == 1))
    for s, at in sorted(zip(seed[said].tolist(), step[said].tolist(), strict=True)):
        first.setdefault(s, at)
    return Metrics(curves, first, [row.line() for row in columns.rows({*SCORES, DIVERGED})], replaced)


def _curve(seed: NDArray[np.int64], step: NDArray[np.int64], value: NDArray[np.float64]) -> Curve:
    """One metric from its rows; of what is there twice, the later value counts."""
    seeds, row = np.unique(seed, return_inverse=True)
    steps, column = np.unique(step, return_inverse=True)
    values = np.full((len(seeds), len(steps)), np.nan)
    values[row, column] = value
    return Curve(tuple(seeds.tolist()), steps, values)


def _doubled(seed: NDArray[np.int64], step: NDArray[np.int64]) -> int:
    """How many rows are of a seed and step that an earlier row has."""
    _, row = np.unique(seed, return_inverse=True)
    steps, column = np.unique(step, return_inverse=True)
    return len(row) - len(np.unique(row * len(steps) + column))


def _refused(name: str, seeds: NDArray[np.int64], steps: NDArray[np.int64], path: Path) -> RecordError:
    seen: set[tuple[int, int]] = set()
    for seed, step in zip(seeds.tolist(), steps.tolist(), strict=True):
        if (seed, step) in seen:
            return RecordError(f"{path}: two values of {name!r} for seed {seed} at env_step {step}")
        seen.add((seed, step))
    raise AssertionError("nothing is there twice")
