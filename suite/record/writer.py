"""Run folders: their only writer."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from disk import sums
from disk.replace import leftovers, replacing
from suite.record.folders import FORMAT, facts_checksum, policy_folder
from suite.record.metrics import METRICS
from suite.record.rows import HEADER, PHASES, RecordError, Row

__all__ = ["Extent", "RunWriter", "write_json"]


class Extent(NamedTuple):
    """What `metrics.csv` holds at a moment."""

    bytes: int
    checksum: str


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a JSON file atomically: a reader sees the old file or the new one, never half of either."""
    with replacing(path) as new:
        new.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


class RunWriter:
    """Writes one run folder. `metrics.csv` can be cut back to a checkpoint's length when a run resumes."""

    def __init__(self, path: Path, extra_metrics: Iterable[str] = ()) -> None:
        self.path = path
        self.known = METRICS.keys() | set(extra_metrics)
        self._metrics = path / "metrics.csv"
        self._digest, self._length = hashlib.sha256(), 0  # of metrics.csv so far
        for leftover in (*leftovers(path), *path.glob(".*.json.*")):  # of a process that was killed, of any version
            leftover.unlink()

    def create(self, run: Mapping[str, Any]) -> None:
        """Start a new folder; run.json is written last, so that a folder with it is complete."""
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            self.truncate(0)
            self.status({"state": "running"})
            write_json(self.path / "run.json", {"format": FORMAT, **run, "checksum": facts_checksum(run)})
        except BaseException:
            for begun in (self._metrics, self.path / "status.json"):
                begun.unlink(missing_ok=True)
            raise

    def truncate(self, length: int) -> None:
        """Cut metrics.csv back to `length` bytes (0: just the header), as it was at a checkpoint."""
        if length == 0:
            self._metrics.write_text(HEADER, encoding="utf-8")
            self._digest, self._length = sums.digest(self._metrics)
            return
        size = self._metrics.stat().st_size if self._metrics.exists() else 0
        if size < length:
            raise RecordError(
                f"{self._metrics} holds {size} bytes but its checkpoint says {length}: the file was changed; "
                f"delete {self.path} to start this run again"
            )
        with self._metrics.open("r+b") as f:
            f.truncate(length)
        self._digest, self._length = sums.digest(self._metrics)

    @property
    def begun(self) -> bool:
        """Whether `metrics.csv` holds more than its header."""
        return self._metrics.exists() and self._metrics.stat().st_size > len(HEADER)

    @property
    def extent(self) -> Extent:
        """What `metrics.csv` holds now, of what this writer knows."""
        return Extent(self._length, self._digest.hexdigest())

    def append(self, rows: Iterable[Row]) -> int:
        """Append rows, force them to the disk, and return the file's new length in bytes."""
        lines = []
        for row in rows:
            if row.metric not in self.known:
                raise RecordError(f"metric {row.metric!r} is not declared in METRICS of suite/record/metrics.py")
            if row.phase not in PHASES:
                raise RecordError(f"phase {row.phase!r} is not one of {PHASES}")
            lines.append(row.line())
        content = "".join(lines).encode()
        with self._metrics.open("ab") as f:
            f.write(content)
            f.flush()
            os.fsync(f.fileno())
            self._digest.update(content)
            self._length = f.tell()
        return self._length

    def status(self, content: Mapping[str, Any]) -> None:
        """Replace status.json. `state` is running | stopped | failed | finished."""
        write_json(self.path / "status.json", content)

    def sums(self) -> dict[str, str]:
        """Checksums of the results by name, for the status of a finished run."""
        results = [self._metrics, *sorted(p for p in policy_folder(self.path).rglob("*") if p.is_file())]
        return {p.relative_to(self.path).as_posix(): sums.of_file(p) for p in results}

    def log(self, message: str) -> None:
        """Append one line with the time of day to log.txt."""
        now = datetime.datetime.now().isoformat(timespec="seconds")
        with (self.path / "log.txt").open("a", encoding="utf-8") as f:
            f.write(f"{now} {message}\n")
