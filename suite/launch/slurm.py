"""Cells as jobs of a SLURM cluster, by way of submitit: submitted once, queued again when their time is up.

`OUT/slurm/` holds what submitit leaves, logs among it, and `jobs.csv`: which job trains which run folder below OUT.
"""

from __future__ import annotations

import contextlib
import csv
import getpass
import io
import math
import re
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from algos.settings import SettingError
from suite.launch.processes import TERM_SECONDS, Command

__all__ = ["check", "cores", "parse_options", "queued", "submit"]

_OURS = ("array", "signal", "output", "error", "open-mode")  # what submitit writes itself
_EXAMPLE = "--slurm time=8:00:00"
_TIMEOUTS = 10_000  # a job that makes a checkpoint in time may be queued again as often as it takes


def parse_options(texts: Sequence[str]) -> dict[str, str]:
    """Read 'time=8:00:00', 'partition=gpu', ... as sbatch's long options; raises `SettingError` where they are none."""
    out: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        name = name.lstrip("-").replace("_", "-")
        if not (name and equals and value):
            raise SettingError(f"--slurm {text}: give an option of sbatch as name=value, e.g. {_EXAMPLE}")
        if name in _OURS:
            raise SettingError(f"--slurm {name}: set here already; leave it out")
        out[name] = value
    if texts and "time" not in out:
        raise SettingError(f"--slurm needs a time limit, e.g. {_EXAMPLE}: a run that takes longer is queued again")
    _minutes(out.get("time", "1"))
    cores(out)
    return out


def cores(options: Mapping[str, str]) -> int:
    """Number of cores that a job gets."""
    try:
        if (count := int(options.get("cpus-per-task", "1"))) > 0:
            return count
    except ValueError:
        pass
    raise SettingError(f"--slurm cpus-per-task={options['cpus-per-task']}: give a number of cores")


def check() -> None:
    """Raise `SettingError` where there is no submitit or no SLURM."""
    if find_spec("submitit") is None:
        raise SettingError("--slurm needs submitit: pip install 'awac-bench[slurm]'")
    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        raise SettingError("--slurm: no sbatch and srun here; submit where SLURM's commands are, or leave --slurm out")


def submit(cells: Sequence[Command], options: Mapping[str, str], jobs: int | None, out: Path) -> dict[str, str]:
    """Submit every cell, named by its run folder in `out`, as one job array; returns jobs by name.

    At most `jobs` of them run at a time. Raises `SettingError` where sbatch says no.
    """
    import submitit

    folder = out / "slurm"
    executor = submitit.AutoExecutor(folder, cluster="slurm", slurm_max_num_timeout=_TIMEOUTS)
    more = {name: value for name, value in options.items() if name not in ("time", "cpus-per-task", "job-name")}
    executor.update_parameters(
        name=options.get("job-name", "bench"),
        timeout_min=_minutes(options["time"]),
        cpus_per_task=cores(options),
        stderr_to_stdout=True,
        slurm_additional_parameters=more,
        **({} if jobs is None else {"slurm_array_parallelism": jobs}),
    )
    try:
        with contextlib.redirect_stderr(io.StringIO()), executor.batch():  # it repeats what the error says
            submitted = [executor.submit(Job(cell.command)) for cell in cells]
    except RuntimeError as error:  # sbatch refused
        raise SettingError(f"--slurm: {_reason(str(error))}") from None
    ids = {cell.name: str(job.job_id) for cell, job in zip(cells, submitted, strict=True)}
    with (folder / "jobs.csv").open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows((job, Path(name).relative_to(out)) for name, job in ids.items())
    return ids


def queued(out: Path) -> dict[str, str]:
    """Run folders in `out` with a job that is waiting or running: folder -> job."""
    known = out / "slurm" / "jobs.csv"
    if not known.exists() or shutil.which("squeue") is None:
        return {}
    asked = subprocess.run(
        ["squeue", "--noheader", "--array", "--format=%i", f"--user={getpass.getuser()}"],
        capture_output=True,
        text=True,
    )
    if asked.returncode:
        raise SettingError(f"squeue does not say what is in the queue: {_reason(asked.stderr)}")
    alive = set(asked.stdout.split())
    with known.open(newline="", encoding="utf-8") as file:
        return {str(out / name): job for job, name in csv.reader(file) if job in alive}


class Job:
    """One `bench run` as submitit carries it out: a callable that can be pickled, and asked for a checkpoint."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = list(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting: threading.Thread | None = None

    def __call__(self) -> None:
        """Run the command to its end; an exit code other than 0 fails the job."""
        self._process = subprocess.Popen(self.command)
        # waits beside us, so that `checkpoint`, which a signal handler calls, can wait as well
        self._waiting = threading.Thread(target=self._process.wait)
        self._waiting.start()
        self._waiting.join()
        if self._process.returncode:
            raise RuntimeError(f"bench ended with exit code {self._process.returncode}; its last lines say why")

    def checkpoint(self) -> Any:
        """Stop at a checkpoint and return what is to be queued: the same command, which goes on from there."""
        import submitit

        if self._process is not None and self._waiting is not None:
            self._process.terminate()
            self._waiting.join(TERM_SECONDS)
            self._process.kill()
        return submitit.helpers.DelayedSubmission(Job(self.command))


def _minutes(time: str) -> int:
    """Read sbatch's time limits as whole minutes: M, M:S, H:M:S, D-H, D-H:M, D-H:M:S."""
    if not re.fullmatch(r"(\d+|\d+:\d+|\d+:\d+:\d+|\d+-\d+(:\d+){0,2})", time):
        raise SettingError(f"--slurm time={time}: give minutes, hours:minutes:seconds or days-hours, e.g. 8:00:00")
    days, dash, clock = time.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    if dash:
        hours, minutes, seconds = (*parts, 0, 0)[:3]
    else:
        hours, minutes, seconds = {1: (0, *parts, 0), 2: (0, *parts), 3: tuple(parts)}[len(parts)]
    return max(1, math.ceil(24 * 60 * int(days or 0) + 60 * hours + minutes + seconds / 60))


def _reason(text: str) -> str:
    """Reason that a command of SLURM's gave, in one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = [line for line in lines if "error:" in line] or lines[:1]
    return said[0].partition("error:")[2].strip() or said[0] if said else "it gave no reason"
