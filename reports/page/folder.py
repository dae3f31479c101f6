"""The folder of a report: it is never half-written and never replaces something that is not a report."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from reports.runs.cells import Cell
from suite.record.files import replacing_folder, unwritten
from suite.record.folders import COLUMNS, RecordError

__all__ = ["KIND", "MARK", "refuse_foreign", "swapped_into", "write_results"]

MARK = "report.json"  # a folder with this file, saying KIND, is a report
KIND = "awac-bench report"


def refuse_foreign(out: Path) -> None:
    """Refuse a place where something else than a report or an empty folder is; raises `RecordError`."""
    with _writing(out):
        if not out.exists() or (out.is_dir() and not any(out.iterdir())):
            return
    try:
        kind = json.loads((out / MARK).read_text(encoding="utf-8")).get("kind")
    except (OSError, ValueError, AttributeError):
        kind = None
    if kind != KIND:
        raise RecordError(f"{out} exists and is not a report of this suite (no {MARK} in it): choose another folder")


@contextmanager
def swapped_into(out: Path) -> Iterator[Path]:
    """A new folder for a report, which takes the place of `out` if the block ends well and vanishes if it does not.

    Raises `RecordError` where the disk does not take it.
    """
    with _writing(out), replacing_folder(out) as new:
        for part in ("figures", "tables"):
            (new / part).mkdir()
        yield new


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RecordError(unwritten(out, error, "name another folder with --out")) from error


def write_results(folder: Path, cells: Sequence[Cell]) -> None:
    """Write every evaluation into a tidy CSV that `--input` reads; those of unfinished runs into one of their own."""
    header = ",".join(("algo", "env", *COLUMNS)) + "\n"
    for name, finished in (("results.csv", True), ("unfinished.csv", False)):
        chosen = [cell for cell in cells if cell.finished is finished]
        if not chosen and not finished:
            continue
        with (folder / name).open("w", newline="", encoding="utf-8") as f:
            f.write(header)
            for cell in chosen:
                prefix = f"{_field(cell.label)},{_field(cell.task)},"
                for source in cell.sources:
                    f.writelines(prefix + line for line in source.lines)


def _field(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if re.search(r'[",\n]', text) else text
