"""Run folders: the only writer and the only reader. Imports no torch.

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

import csv
import dataclasses
import datetime
import fcntl
import json
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from suite.record.metrics import METRICS, SCORE_UNITS

__all__ = [
    "COLUMNS", "LOCK", "PHASES", "RecordError", "Row", "Run", "RunWriter",
    "find_runs", "kept_steps", "policy_folder", "policy_path", "read_facts", "read_run", "read_status",
    "read_tidy", "write_json",
]  # fmt: skip

FORMAT = 1
LOCK = ".lock"  # held by the process that runs the folder
COLUMNS = ("seed", "phase", "env_step", "update", "metric", "value")
PHASES = ("offline", "online")
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
class Run:
    """A run folder as read: `run` is run.json, `status` is status.json, `rows` the metrics."""

    path: Path
    run: Mapping[str, Any]
    status: Mapping[str, Any]
    rows: Sequence[Row] = field(repr=False)

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
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        os.chmod(temporary, 0o644)  # mkstemp's 0600 would hide results from colleagues on a shared disk
        with os.fdopen(handle, "w") as f:
            json.dump(content, f, indent=1)
            f.write("\n")
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


class RunWriter:
    """Writes one run folder. `metrics.csv` can be cut back to a checkpoint's length when a run resumes."""

    def __init__(self, path: Path, extra_metrics: Iterable[str] = ()) -> None:
        self.path = path
        self.known = METRICS.keys() | set(extra_metrics)
        self._metrics = path / "metrics.csv"
        for leftover in path.glob(".*.json.*"):  # of a process killed in `write_json`
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
    metrics = path / "metrics.csv"
    try:
        with metrics.open(newline="") as f:
            rows = list(_rows(f, metrics, partial_end=not run.finished))
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{metrics} cannot be read ({error}); delete {path} to run it again") from None
    return dataclasses.replace(run, rows=rows)


def read_facts(path: Path) -> Run:
    """A run folder without its metrics, of which there may be many; raises `RecordError` as `read_run` does."""
    not_a_run = f"{path} is not a run folder, or its start was interrupted"
    run = _read_json(path / "run.json", not_a_run, f"bring it back from a copy, or delete {path} to start again")
    if run.get("format") != FORMAT:
        raise RecordError(f"{path / 'run.json'}: format {run.get('format')!r}, this version reads {FORMAT}")
    for key in ("algo", "task", "seeds"):
        if key not in run:
            raise RecordError(f"{path / 'run.json'}: no {key!r}: not a run folder of this suite")
    return Run(path, run, read_status(path), ())


def read_status(path: Path) -> dict[str, Any]:
    """status.json of a run folder, empty where nothing was begun; raises `RecordError` when it is damaged."""
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
    """The evaluations whose policies a run has kept, in their order."""
    return sorted(int(p.name[2:]) for p in policy_folder(run).glob("at[+-]*") if p.is_dir())


def read_tidy(path: Path) -> dict[tuple[str, str], list[Row]]:
    """Results from elsewhere: the columns of metrics.csv plus `algo` and `env` -> rows per (algo, env).

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
            missing = [c for c in ("algo", "env", *COLUMNS) if c not in (reader.fieldnames or ())]
            if missing:
                has = ", ".join(reader.fieldnames or ()) or "none"
                raise RecordError(f"{path}: missing column(s) {', '.join(missing)}; it has {has}")
            for number, record in enumerate(reader, start=2):
                row = _row([record[c] for c in COLUMNS], path, number)
                row = row._replace(value=_in_our_units(record, row, f"{path}, line {number}"))
                out.setdefault((record["algo"], record["env"]), []).append(row)
        except (UnicodeDecodeError, csv.Error) as error:
            raise RecordError(f"{path}: not readable as CSV ({error})") from None
    return out


def _in_our_units(record: Mapping[str, str], row: Row, where: str) -> float:
    """The value as METRICS has it; raises `RecordError` where it cannot be that."""
    unit = (record.get("unit") or "").strip()
    direction = (record.get("direction") or "higher").strip()
    if direction not in ("higher", "lower"):
        raise RecordError(f"{where}: direction {direction!r}: write higher or lower, for which values are better")
    if direction == "lower" and row.metric in SCORE_UNITS:
        raise RecordError(f"{where}: {row.metric} is better where it is higher; a score of another direction needs "
                          "another name")  # fmt: skip
    if row.metric not in SCORE_UNITS:
        return row.value
    ours = SCORE_UNITS[row.metric]
    factor = {("percent", "share"): 0.01, ("share", "percent"): 100.0}.get((unit, ours), 1.0)
    if unit not in ("", ours) and factor == 1.0:
        raise RecordError(f"{where}: {row.metric} in {unit!r}; it can be given in {_units_of(ours)}")
    value = row.value * factor
    if ours == "share" and not 0 <= value <= 1:
        raise RecordError(f"{where}: a {row.metric} of {row.value:g} is no share (0 to 1); add a column unit with "
                          "percent in it if percents are meant")  # fmt: skip
    return value


def _units_of(ours: str) -> str:
    return "share or percent" if ours in ("share", "percent") else ours


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
    """Raises `RecordError` that says what it means that the file is `missing`, or what to do where its content is."""
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


def _rows(lines: Iterable[str], path: Path, partial_end: bool) -> Iterator[Row]:
    text = list(lines)
    if not text or tuple(text[0].strip().split(",")) != COLUMNS:
        raise RecordError(f"{path}: the first line is not {','.join(COLUMNS)}")
    for number, line in enumerate(text[1:], start=2):
        if partial_end and number == len(text) and not line.endswith("\n"):
            return  # the run is being written, or was killed in the middle of this line
        yield _row(line.rstrip("\n").split(","), path, number)
    if not text[-1].endswith("\n"):  # what is left of a value may look like one
        mend = f"bring it back from a copy, or delete {path.parent} to run it again"
        raise RecordError(f"{path}, line {len(text)}: the file ends within it; {mend}")


def _row(fields: Sequence[str], path: Path, number: int) -> Row:
    try:
        seed, phase, env_step, update, metric, value = fields
        row = Row(int(seed), phase, int(env_step), int(update), metric, float(value))
    except (ValueError, TypeError):
        raise RecordError(f"{path}, line {number}: not a row of {','.join(COLUMNS)}") from None
    if phase not in PHASES or (math.isnan(row.value) and metric in ("success", "return")):
        raise RecordError(f"{path}, line {number}: phase {phase!r} or value {value!r} cannot be")
    return row
