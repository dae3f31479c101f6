"""Run folders: where things lie in them, and their only reader. Imports no torch.

    runs/<task>/<algo>/<name>-<config hash>/
        run.json       resolved settings with the source of each, command, versions, device, dataset fingerprint, and a
                       checksum of what numbers follow from
        metrics.csv    seed, phase, env_step, update, metric, value; append-only; a pure function of run.json
        status.json    state, progress and wall-clock timings: what may differ between two equal runs; in the end also
                       the checksums of the results
        progress.json  while it goes on: how far it is, for `bench watch` (suite/record/standing.py)
        log.txt        what happened, with the time of day
        checkpoint/    written by suite/train/checkpoint.py
        policy/        final policy per seed; in policy/at<step>/ those of an evaluation, where they were kept

`suite.record.writer` writes them. Folders of earlier versions have no checksums, and are taken as they are.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from disk import sums
from disk.lock import is_held
from disk.reading import read_file
from disk.shapes import Shape, ShapeError, anything, mapping, parse_json, short
from suite.record.rows import COLUMNS, HEADER, Columns, RecordError, Row, parse_rows
from suite.record.shapes import RUN, STATUS

__all__ = [
    "COLUMNS",
    "FORMAT",
    "LOCK",
    "Columns",
    "RecordError",
    "Run",
    "check_results",
    "facts_checksum",
    "find_runs",
    "kept_steps",
    "policy_folder",
    "policy_path",
    "read_columns",
    "read_facts",
    "read_run",
    "read_status",
]

FORMAT = 1
LOCK = ".lock"  # held by the process that runs the folder
# of run.json: what numbers follow from; not command, versions, revision and time of day, nor what you add
_FACTS = (
    "algo", "task", "seeds", "profile", "preset", "name", "hash", "settings", "success_rule", "horizon",
    "reward_range", "offline_only", "metrics", "dataset", "device",
)  # fmt: skip
_MOST = 1 << 34  # bytes of metrics.csv
# the results beside it are whole, and nothing else says that they are final
STATUS_LOST = """the results beside it are untouched: bring it back from a copy, or write it anew, \
as {"state": "finished", "env_step": LAST ONE IN metrics.csv} if policy/policy.json is there, \
else as {"state": "stopped"}, and run the same command again"""


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


def read_run(path: Path) -> Run:
    """Read one run folder; raises `RecordError` when it is not one or is damaged."""
    run = read_facts(path)
    return dataclasses.replace(run, columns=read_columns(path, run.finished))


def read_columns(run: Path, finished: bool) -> Columns:
    """Read metrics.csv of a run folder; unless the run has finished, its last line may be half-written.

    Raises `RecordError` with the first line that cannot be read.
    """
    path = run / "metrics.csv"
    again = f"bring it back from a copy, or delete {run} to run it again"
    try:
        text = read_file(path, most=_MOST).decode("utf-8")
    except FileNotFoundError:
        raise RecordError(f"{path} cannot be read (it is missing); {again}") from None
    except OSError as error:
        raise RecordError(f"{path} cannot be read ({error.strerror or error}), which is no damage to it") from None
    except UnicodeDecodeError as error:
        raise RecordError(f"{path} cannot be read ({error}); {again}") from None
    header, end, body = text.partition("\n")
    if header.strip() != HEADER.strip():
        raise RecordError(f"{path}: the first line is not {','.join(COLUMNS)}")
    lines = body.split("\n")
    rest = lines.pop()  # after the last end of a line: the run is being written, or was killed in the middle of it
    columns = parse_rows([*lines, rest] if rest and finished else lines, path)
    if not end or (rest and finished):  # what is left of a value may look like one
        raise RecordError(f"{path}, line {text.count(chr(10)) + 1}: the file ends within it; {again}")
    if finished:
        check_results(run, [path])
    return columns


def read_facts(path: Path) -> Run:
    """Read a run folder without its metrics, of which there may be many; raises `RecordError` as `read_run` does."""
    not_a_run = f"{path} is not a run folder, or its start was interrupted"
    again = f"bring it back from a copy, or delete {path} to start again"
    run = _read_json(path / "run.json", mapping(anything), not_a_run, again)
    if run.get("format") != FORMAT:
        raise RecordError(f"{path / 'run.json'}: format {short(str(run.get('format')))}, this version reads {FORMAT}")
    if wrong := RUN(run):
        raise RecordError(f"{path / 'run.json'}: {wrong}: not as `bench run` writes it; {again}")
    if run.get("checksum") not in (None, facts_checksum(run)):
        raise RecordError(
            f"{path / 'run.json'}: settings, seeds or other facts are not those that were written (its checksum says); "
            f"{again}"
        )
    return Run(path, run, read_status(path), Columns.of([]))


def facts_checksum(run: Mapping[str, Any]) -> str:
    """Checksum of what run.json holds of the facts that numbers follow from."""
    return sums.of_json({name: run[name] for name in _FACTS if name in run})


def check_results(run: Path, files: Iterable[Path]) -> None:
    """Compare files of a finished run with the checksums in its status, where it has them.

    Raises `RecordError` where one is not what the run wrote.
    """
    known = read_status(run).get("sums", {})
    for file in files:
        name = file.relative_to(run).as_posix()
        if name in known and file.exists() and sums.of_file(file) != known[name]:
            raise RecordError(
                f"{file} is not what the run wrote (the checksum in status.json says); bring it back from a copy, or "
                f"delete {run} to run it again"
            )


def read_status(path: Path) -> dict[str, Any]:
    """Read status.json of a run folder, empty where nothing was begun; raises `RecordError` when it is damaged."""
    if not (path / "run.json").exists():
        return {}
    status = _read_json(path / "status.json", STATUS, STATUS_LOST, STATUS_LOST)
    if status.get("state") == "running" and is_held(path / LOCK) is False:
        status["state"] = "interrupted"  # killed, or its machine went down: nobody was left to write it
    return status


def find_runs(root: Path) -> list[Path]:
    """All run folders below `root`, in the order of their paths, and folders that may not be looked into."""
    if not root.is_dir():
        raise RecordError(f"{root} is not a folder; runs are written there by `bench run --out {root}`")
    shut: list[Path] = []
    walk = os.walk(root, onerror=lambda error: shut.append(Path(str(error.filename))))
    found = [Path(place) for place, _, files in walk if "run.json" in files]
    return sorted([*found, *shut])


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


def _read_json(path: Path, shape: Shape, missing: str, lost: str) -> dict[str, Any]:
    """Read a JSON object; the `RecordError` says what a missing file means, or what to do where its content is lost."""
    try:
        content: dict[str, Any] = parse_json(read_file(path), shape)
    except FileNotFoundError:
        raise RecordError(f"{path} is missing: {missing}") from None
    except OSError as error:
        raise RecordError(
            f"{path} cannot be read ({error.strerror or error}); nothing says that it is damaged"
        ) from None
    except ShapeError as error:
        raise RecordError(f"{path}: {error}; {lost}") from None
    return content
