"""How far runs are that go on: `progress.json` of each, rewritten every few seconds and gone when the run is.

Nothing of it is part of the record. It is written without waiting for the disk; where it cannot be, training goes on.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disk.reading import read_file
from disk.shapes import ShapeError, line, number, parse_json, table, text, whole
from suite.record.folders import find_runs, read_facts
from suite.record.rows import RecordError

__all__ = ["Going", "drop_standing", "going", "write_standing"]

NAME = "progress.json"
_SHAPE = table({"phase": line, "done": whole(0), "total": whole(0), "unit": line, "rate": number(), "left": number()},
               {"score": text})  # fmt: skip


@dataclass(frozen=True)
class Going:
    """A run that goes on: `done` of `total` units of a phase, units per second, seconds to the run's end."""

    folder: Path
    task: str
    algo: str
    seeds: int
    phase: str = "starting"
    done: int = 0
    total: int = 0
    unit: str = ""
    rate: float = 0.0
    left: float | None = None  # None: not known yet
    score: str = ""
    age: float = 0.0  # seconds since it last said so


def write_standing(run: Path, **content: Any) -> None:
    """Replace a run's progress.json, if the disk takes it."""
    with suppress(OSError):
        new = run / f".{NAME}"
        new.write_text(json.dumps(content), encoding="utf-8")
        os.replace(new, run / NAME)


def drop_standing(run: Path) -> None:
    """Remove it: the run does not go on."""
    with suppress(OSError):
        (run / NAME).unlink(missing_ok=True)


def going(roots: Sequence[Path]) -> list[Going]:
    """Runs below these folders that go on, in the order of their paths; those that cannot be read are not known to."""
    found = []
    for folder in (folder for root in roots for folder in find_runs(root)):
        try:
            run = read_facts(folder)
        except (RecordError, OSError):
            continue
        if run.status.get("state") == "running":
            found.append(_of(folder, Going(folder, run.task, run.algo, len(run.seeds))))
    return found


def _of(folder: Path, begun: Going) -> Going:
    """What its progress.json says of a run that has begun; of one that has not written it yet, just that."""
    path = folder / NAME
    try:
        said = parse_json(read_file(path), _SHAPE)
        age = max(0.0, time.time() - path.stat().st_mtime)
    except (OSError, ShapeError):
        return begun
    return Going(begun.folder, begun.task, begun.algo, begun.seeds, **said, age=age)
