"""Results from elsewhere: a tidy CSV with the columns of metrics.csv, and two for the algorithm and the task."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Mapping
from pathlib import Path

from disk.shapes import short
from suite.record.metrics import SCORE_UNITS
from suite.record.rows import COLUMNS, RecordError, Row, parse_row

__all__ = ["NEEDED", "read_tidy"]

NEEDED = ("algo", "env", *(column for column in COLUMNS if column not in ("phase", "update")))


def read_tidy(path: Path) -> dict[tuple[str, str], list[Row]]:
    """Read results from elsewhere, rows of metrics.csv with columns `algo` and `env`: rows by (algo, env).

    `update` may be missing, as it means nothing there, and `phase` too: up to step 0 it is offline then.
    Columns `unit` and `direction` may declare what the values are; without them they are taken to be in the units of
    METRICS, larger being better. Percents become shares, and shares percents where METRICS has those. Raises
    `RecordError` with the line where a value cannot be what it is declared to be.
    """
    out: dict[tuple[str, str], list[Row]] = {}
    try:
        f = path.open(newline="", encoding="utf-8-sig")  # spreadsheets write a mark in front
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}") from None
    with f:
        reader = csv.DictReader(f)
        try:
            missing = [c for c in NEEDED if c not in (reader.fieldnames or ())]
            if missing:
                has = short(", ".join(reader.fieldnames or ())) or "none"
                needs = f"a row for each value needs {', '.join(NEEDED)}"
                raise RecordError(f"{path}: missing column(s) {', '.join(missing)}; it has {has}; {needs}")
            for number, record in enumerate(reader, start=2):
                where = f"{path}, line {number}"
                row = parse_row(_fields(record), where)
                row = row._replace(value=_in_our_units(record, row, where))
                out.setdefault((record["algo"], record["env"]), []).append(row)
        except (UnicodeDecodeError, csv.Error) as error:
            raise RecordError(f"{path}: not readable as CSV ({error})") from None
    return out


def _fields(record: Mapping[str, str]) -> list[str]:
    """The texts of a row in the order of COLUMNS, with what follows from others where it is missing."""
    with contextlib.suppress(ValueError, TypeError):  # what is no step is refused by `parse_row`
        record = {"phase": "online" if int(record["env_step"]) > 0 else "offline", **record}
    given = {"update": "0", "phase": "offline", **record}
    return [given[column] for column in COLUMNS]


def _in_our_units(record: Mapping[str, str], row: Row, where: str) -> float:
    """The value as METRICS has it; raises `RecordError` where it cannot be that."""
    unit = (record.get("unit") or "").strip()
    direction = (record.get("direction") or "higher").strip()
    if direction not in ("higher", "lower"):
        raise RecordError(
            f"{where}: direction {short(direction)!r}: write higher or lower, for which values are better"
        )
    if direction == "lower" and row.metric in SCORE_UNITS:
        raise RecordError(
            f"{where}: {row.metric} is better where it is higher; a score of another direction needs another name"
        )
    if row.metric not in SCORE_UNITS:
        return row.value
    ours = SCORE_UNITS[row.metric]
    factor = {("percent", "share"): 0.01, ("share", "percent"): 100.0}.get((unit, ours), 1.0)
    if unit not in ("", ours) and factor == 1.0:
        raise RecordError(f"{where}: {row.metric} in {short(unit)!r}; it can be given in {_units_of(ours)}")
    value = row.value * factor
    if ours == "share" and not 0 <= value <= 1:
        raise RecordError(
            f"{where}: a {row.metric} of {row.value:g} is no share (0 to 1); add a column unit with "
            "percent in it if percents are meant"
        )
    return value


def _units_of(ours: str) -> str:
    return "share or percent" if ours in ("share", "percent") else ours
