"""Run folders: their only writer and their only reader. Imports no torch.

    runs/<task>/<algo>/<name>-<config hash>/
        run.json       resolved settings with the source of each, command, versions, device, dataset fingerprint
        metrics.csv    seed, phase, env_step, update, metric, value; append-only; a pure function of run.json
        status.json    state, progress and wall-clock timings: what may differ between two equal runs
        log.txt        what happened, with the time of day
        checkpoint/    written by suite/run/checkpoint.py
        policy/        final policy per seed; in policy/at<step>/ those of an evaluation, where they were kept

Offline evaluations have `env_step = update - offline_updates <= 0`; 0 is the switch; online ones count environment
steps per seed. Every value is written with 9 significant digits, which a float32 survives.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import fcntl
import json
import math
import os
import sys
from array import array
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from suite.record.files import leftovers, replacing
from suite.record.metrics import METRICS

__all__ = [
    "COLUMNS",
    "LOCK",
    "PHASES",
    "Columns",
    "RecordError",
    "Row",
    "Run",
    "RunWriter",
    "find_runs",
    "kept_steps",
    "parse_row",
    "policy_folder",
    "policy_path",
    "read_columns",
    "read_facts",
    "read_run",
    "read_status",
    "write_json",
]

FORMAT = 1
LOCK = ".lock"  # held by the process that runs the folder
COLUMNS = ("seed", "phase", "env_step", "update", "metric", "value")
PHASES = ("offline", "online")
_NUMBERS = {"success", "return"}  # scores that are numbers wherever they are recorded
# the results beside it are whole, and nothing else says that they are final
STATUS_LOST = """the results beside it are untouched: bring it back from a copy, or write it anew, \
as {"state": "finished", "env_step": LAST ONE IN metrics.csv} if policy/policy.json is there, \
else as {"state": "stopped"}, and run the same command again"""


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


@dataclass(frozen=True)
class Run:
    """A run folder as read: `run` is run.json, `status` is status.json, `columns` and `rows` are the metrics."""

    path: Path
    run: Mapping[str, Any]
    status: Mapping[str, Any]
    columns: Columns = field(repr=False)

    @cached_property
    def rows(self) -> Sequence[Row]:
        """The metrics row by row."""
        return list(self.columns.rows())

    @property
    def algo(self) -> str:
        """Registry name of the algorithm."""
        return str(self.run["algo"])

    @property
    def task(self) -> str:
        """Task id."""
        return str(self.run["task"])

    @property
    def seeds(self) -> tuple[int, ...]:
        """Learner seeds, in packing order."""
        return tuple(self.run["seeds"])

    @property
    def finished(self) -> bool:
        """Whether the whole protocol has run."""
        return self.status.get("state") == "finished"


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a JSON file atomically: a reader sees the old file or the new one, never half of either."""
    with replacing(path) as new:
        new.write_text(json.dumps(content, indent=1) + "\n")


class RunWriter:
    """Writes one run folder. `metrics.csv` can be cut back to a checkpoint's length when a run resumes."""

    def __init__(self, path: Path, extra_metrics: Iterable[str] = ()) -> None:
        self.path = path
        self.known = METRICS.keys() | set(extra_metrics)
        self._metrics = path / "metrics.csv"
        for leftover in (*leftovers(path), *path.glob(".*.json.*")):  # of a process that was killed, of any version
            leftover.unlink()

    def create(self, run: Mapping[str, Any]) -> None:
        """Start a new folder; run.json is written last, so that a folder with it is complete."""
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            self.truncate(0)
            self.status({"state": "running"})
            write_json(self.path / "run.json", {"format": FORMAT, **run})
        except BaseException:
            for begun in (self._metrics, self.path / "status.json"):
                begun.unlink(missing_ok=True)
            raise

    def truncate(self, length: int) -> None:
        """Cut metrics.csv back to `length` bytes (0: just the header), as it was at a checkpoint."""
        header = ",".join(COLUMNS) + "\n"
        if length == 0:
            self._metrics.write_text(header)
            return
        size = self._metrics.stat().st_size if self._metrics.exists() else 0
        if size < length:
            raise RecordError(
                f"{self._metrics} holds {size} bytes but its checkpoint says {length}: the file was changed; "
                f"delete {self.path} to start this run again"
            )
        with self._metrics.open("r+b") as f:
            f.truncate(length)

    def append(self, rows: Iterable[Row]) -> int:
        """Append rows, force them to the disk, and return the file's new length in bytes."""
        lines = []
        for row in rows:
            if row.metric not in self.known:
                raise RecordError(f"metric {row.metric!r} is not declared in METRICS of suite/record/metrics.py")
            if row.phase not in PHASES:
                raise RecordError(f"phase {row.phase!r} is not one of {PHASES}")
            lines.append(row.line())
        with self._metrics.open("a") as f:
            f.write("".join(lines))
            f.flush()
            os.fsync(f.fileno())
            return f.tell()

    def status(self, content: Mapping[str, Any]) -> None:
        """Replace status.json. `state` is running | stopped | failed | finished."""
        write_json(self.path / "status.json", content)

    def log(self, message: str) -> None:
        """Append one line with the time of day to log.txt."""
        now = datetime.datetime.now().isoformat(timespec="seconds")
        with (self.path / "log.txt").open("a") as f:
            f.write(f"{now} {message}\n")


def read_run(path: Path) -> Run:
    """Read one run folder; raises `RecordError` when it is not one or is damaged."""
    run = read_facts(path)
    return dataclasses.replace(run, columns=read_columns(path, run.finished))


def read_columns(run: Path, finished: bool) -> Columns:
    """Read metrics.csv of a run folder; unless the run has finished, its last line may be half-written.

    Raises `RecordError` with the first line that cannot be read.
    """
    path = run / "metrics.csv"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path} cannot be read ({error}); delete {run} to run it again") from None
    header, end, body = text.partition("\n")
    if header.strip() != ",".join(COLUMNS):
        raise RecordError(f"{path}: the first line is not {','.join(COLUMNS)}")
    lines = body.split("\n")
    rest = lines.pop()  # after the last end of a line: the run is being written, or was killed in the middle of it
    columns = _parsed([*lines, rest] if rest and finished else lines, path)
    if not end or (rest and finished):  # what is left of a value may look like one
        fix = f"bring it back from a copy, or delete {run} to run it again"
        raise RecordError(f"{path}, line {text.count(chr(10)) + 1}: the file ends within it; {fix}")
    return columns


def _parsed(lines: Sequence[str], path: Path) -> Columns:
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
        raise RecordError(f"{where}: not a row of {','.join(COLUMNS)}") from None
    if not one.possible:
        raise RecordError(f"{where}: phase {fields[1]!r} or value {fields[-1]!r} cannot be")
    return next(one.rows())


def read_facts(path: Path) -> Run:
    """Read a run folder without its metrics, of which there may be many; raises `RecordError` as `read_run` does."""
    not_a_run = f"{path} is not a run folder, or its start was interrupted"
    run = _read_json(path / "run.json", not_a_run, f"bring it back from a copy, or delete {path} to start again")
    if run.get("format") != FORMAT:
        raise RecordError(f"{path / 'run.json'}: format {run.get('format')!r}, this version reads {FORMAT}")
    for key in ("algo", "task", "seeds"):
        if key not in run:
            raise RecordError(f"{path / 'run.json'}: no {key!r}: not a run folder of this suite")
    return Run(path, run, read_status(path), Columns.of([]))


def read_status(path: Path) -> dict[str, Any]:
    """Read status.json of a run folder, empty where nothing was begun; raises `RecordError` when it is damaged."""
    if not (path / "run.json").exists():
        return {}
    status = _read_json(path / "status.json", STATUS_LOST, STATUS_LOST)
    if status.get("state") == "running" and not _locked(path / LOCK):
        status["state"] = "interrupted"  # killed, or its machine went down: nobody was left to write it
    return status


def find_runs(root: Path) -> list[Path]:
    """All run folders below `root`, in the order of their paths."""
    if not root.is_dir():
        raise RecordError(f"{root} is not a folder; runs are written there by `bench run --out {root}`")
    return sorted(p.parent for p in root.rglob("run.json"))


def policy_folder(run: Path, step: int | None = None) -> Path:
    """Where a run's final policies lie, or those that it kept of the evaluation at `step`."""
    final = run / "policy"
    return final if step is None else final / f"at{step:+d}"


def policy_path(folder: Path, seed: int) -> Path:
    """One seed's file in a `policy_folder`; a seed that has diverged leaves none."""
    return folder / f"seed-{seed}.npz"


def kept_steps(run: Path) -> list[int]:
    """Steps of the evaluations whose policies a run has kept, in their order."""
    return sorted(int(p.name[2:]) for p in policy_folder(run).glob("at[+-]*") if p.is_dir())


def _locked(path: Path) -> bool:
    """Whether a process holds this lock; shared access is asked for, so that two readers do not see each other."""
    try:
        with path.open() as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _read_json(path: Path, missing: str, lost: str) -> dict[str, Any]:
    """Read a JSON object; the `RecordError` says what a missing file means, or what to do where its content is lost."""
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise RecordError(f"{path} is missing: {missing}") from None
    except OSError as error:
        raise RecordError(f"{path} cannot be read ({error.strerror})") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RecordError(f"{path} is not readable as JSON ({error}); {lost}") from None
    if not isinstance(content, dict):
        raise RecordError(f"{path} holds no JSON object; {lost}")
    return content
