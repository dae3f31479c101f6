"""metrics.csv as curves. A report reads millions of rows: pandas parses them, the record explains what it balks at."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from suite.record.folders import COLUMNS, PHASES, RecordError, Row, read_run
from suite.record.metrics import SCORE_UNITS

__all__ = ["SCORES", "Curve", "Metrics", "of_rows", "read_metrics"]

# what an evaluation measures; everything else in metrics.csv is a diagnostic
SCORES = tuple(SCORE_UNITS)
TYPES = {"seed": "int64", "phase": "category", "env_step": "int64", "update": "int64", "metric": "category",
         "value": "float64"}  # fmt: skip


@dataclass(frozen=True)
class Curve:
    """One metric over training; NaN where a seed has no value at a step."""

    seeds: tuple[int, ...]
    steps: NDArray[np.int64]  # [T], ascending; 0 is the switch
    values: NDArray[np.float64]  # [seeds, T]


@dataclass(frozen=True)
class Metrics:
    """What one file, or the part of it that belongs to one run, holds."""

    curves: Mapping[str, Curve]
    diverged: Mapping[int, int]  # seed -> env_step of its first row that says so
    lines: list[str]  # rows of scores as written


def read_metrics(folder: Path, finished: bool) -> Metrics:
    """metrics.csv of a run folder; the last line may be half-written unless the run is finished.

    Raises `RecordError` with the line that cannot be read, or that is there twice.
    """
    path = folder / "metrics.csv"
    try:
        text = path.read_bytes()
        if not finished:
            text = text[: text.rfind(b"\n") + 1]
        table = _parsed(text)
    except (OSError, ValueError):
        return of_rows(read_run(folder).rows, path)
    wanted = np.flatnonzero(table["metric"].isin([*SCORES, "diverged"]))
    written = text.decode().splitlines(keepends=True)
    curves, diverged = _curves(table, path)
    return Metrics(curves, diverged, [written[1 + i] for i in wanted])


def of_rows(rows: Iterable[Row], path: Path) -> Metrics:
    """The same of rows that were read one by one; `path` is for the message."""
    kept = list(rows)
    curves, diverged = _curves(pd.DataFrame(kept, columns=list(COLUMNS)), path)
    return Metrics(curves, diverged, [row.line() for row in kept if row.metric in SCORES or row.metric == "diverged"])


def _parsed(text: bytes) -> pd.DataFrame:
    """Raises `ValueError` for whatever `suite.record.folders` would not take."""
    if text.split(b"\n", 1)[0].strip() != ",".join(COLUMNS).encode():
        raise ValueError("other columns")
    if not text.endswith(b"\n"):
        raise ValueError("cut off")
    options: dict[str, Any] = {"keep_default_na": False, "na_values": {"value": ["nan"]}, "skip_blank_lines": False}
    table = pd.read_csv(io.BytesIO(text), dtype=TYPES, engine="c", float_precision="round_trip", **options)
    missing = table["value"].isna()
    if missing.sum() != text.count(b",nan\n"):
        raise ValueError("a row without a value")
    if not set(table["phase"].cat.categories) <= set(PHASES):
        raise ValueError("unknown phase")
    if table.loc[missing, "metric"].isin(["success", "return"]).any():
        raise ValueError("a score that is no number")
    return table


def _curves(table: pd.DataFrame, path: Path) -> tuple[dict[str, Curve], dict[int, int]]:
    curves = {}
    first: dict[int, int] = {}
    for name, rows in table.groupby("metric", sort=False, observed=True):
        seed, step, value = (rows[column].to_numpy() for column in ("seed", "env_step", "value"))
        if name == "diverged":
            for s, at in sorted(zip(seed[value == 1].tolist(), step[value == 1].tolist(), strict=True)):
                first.setdefault(s, at)
            continue
        seeds, row = np.unique(seed, return_inverse=True)
        steps, column = np.unique(step, return_inverse=True)
        if name in SCORES and len(np.unique(row * len(steps) + column)) < len(value):
            raise _doubled(str(name), seed, step, path)
        values = np.full((len(seeds), len(steps)), np.nan)
        values[row, column] = value
        curves[str(name)] = Curve(tuple(seeds.tolist()), steps, values)
    return curves, first


def _doubled(name: str, seeds: NDArray[np.int64], steps: NDArray[np.int64], path: Path) -> RecordError:
    seen: set[tuple[int, int]] = set()
    for seed, step in zip(seeds.tolist(), steps.tolist(), strict=True):
        if (seed, step) in seen:
            return RecordError(f"{path}: two values of {name!r} for seed {seed} at env_step {step}")
        seen.add((seed, step))
    raise AssertionError("nothing is there twice")
