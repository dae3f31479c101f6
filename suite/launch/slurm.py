"""Cells as jobs of a SLURM cluster, by way of submitit: submitted once, queued again until they are done.

`OUT/slurm/` holds what submitit leaves, logs among it; `jobs.csv`: which job trains which run folder below OUT; and
`data.csv`: which one builds which dataset.
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
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from algos.settings import SettingError
from suite.launch.processes import TERM_SECONDS, Command
from suite.launch.slurm_job import Job
from suite.output import say

__all__ = ["building", "check", "cores", "parse_options", "queued", "submit", "submit_data"]

_OURS = ("array", "signal", "output", "error", "open-mode", "requeue", "kill-on-invalid-dep")  # written here
_EXAMPLE = "--slurm time=8:00:00"
_WARNING = 90  # seconds before its end at which a job is warned; SLURM may do so 60 s earlier
_LEAST_MINUTES = 5  # a job starts, trains for a while and stops
assert TERM_SECONDS < _WARNING
# behind submitit's command in the script: a job that is asked to leave before Python could notice returns all the same
_RETURN = """code=$?
job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
job=${job:-$SLURM_JOB_ID}
if [ $code = 143 ] && [ "$(squeue --noheader --format=%T --jobs=$job)" = RUNNING ]; then scontrol requeue $job; fi
exit $code"""
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
    if texts and _minutes(out["time"]) < _LEAST_MINUTES:
        raise SettingError(
            f"--slurm time={out['time']}: too short to get anywhere, as a job is warned up to {_WARNING + 60} s before "
            f"its end; give {_LEAST_MINUTES} minutes or more"
        )
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


def submit(
    cells: Sequence[Command],
    options: Mapping[str, str],
    out: Path,
    *,
    jobs: int | None = None,
    per_job: int = 1,
    retries: int = 0,
    after: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Submit every cell, named by its run folder in `out`; returns jobs by name.

    `per_job` of them share a job, and jobs come in arrays. At most `jobs` cells run at a time. Cells named in `after`
    begin when that job has ended well, and not at all where it fails. Raises `SettingError` where sbatch says no.
    """
    bundles = _bundles(cells, per_job, after or {}, apart=jobs is None)
    groups: dict[tuple[str, ...], list[_Bundle]] = {}
    for bundle in bundles:
        # an array limits its own jobs only: with a limit there is one array, whose jobs are told apart when it is there
        together = tuple(dict.fromkeys((after or {}).values())) if jobs is not None else bundle.needed
        groups.setdefault(together, []).append(bundle)
    ids: dict[str, str] = {}
    for needed, group in groups.items():
        at_once = None if jobs is None else max(1, jobs // per_job)
        submitted = _submit([Job(bundle.cells, retries) for bundle in group], options, out, at_once, needed)
        found = {cell.name: job for job, bundle in zip(submitted, group, strict=True) for cell in bundle.cells}
        _note(out / "slurm" / "jobs.csv", [(job, str(Path(name).relative_to(out))) for name, job in found.items()])
        for job, bundle in zip(submitted, group, strict=True):
            if bundle.needed != needed:
                _wait_only_for(job, bundle.needed, options)
        ids |= found
    return ids


class _Bundle(NamedTuple):
    """Cells that share a job, and the jobs that build their datasets."""

    cells: Sequence[Command]
    needed: tuple[str, ...]


def _bundles(cells: Sequence[Command], per_job: int, after: Mapping[str, str], apart: bool) -> list[_Bundle]:
    """The cells, `per_job` in a job; where they are to be `apart`, only cells that need the same share one."""
    alike: dict[str | None, list[Command]] = {}
    for cell in cells:
        alike.setdefault(after.get(cell.name) if apart else None, []).append(cell)
    parts = [group[n : n + per_job] for group in alike.values() for n in range(0, len(group), per_job)]
    return [_Bundle(p, tuple(dict.fromkeys(after[c.name] for c in p if c.name in after))) for p in parts]


def _wait_only_for(job: str, needed: Sequence[str], options: Mapping[str, str]) -> None:
    """Have a job of an array that waits for all datasets wait for its own alone; where SLURM does not, it says so.

    In this order no job can begin before its data are there, whenever this process ends.
    """
    waits = _dependency(needed, options) or "0"  # which is SLURM's word for none
    asked = subprocess.run(
        ["scontrol", "update", f"JobId={job}", f"Dependency={waits}"], capture_output=True, text=True
    )
    if asked.returncode:
        say(f"job {job} waits for all datasets, not for its own alone: {_reason(asked.stderr)}")


def _dependency(needed: Sequence[str], options: Mapping[str, str]) -> str:
    """What a job waits for: what the user has asked for, and the jobs that build its datasets."""
    own = [options["dependency"]] if "dependency" in options else []
    return ",".join([*own, *(["afterok:" + ":".join(needed)] if needed else [])])


def submit_data(datasets: Sequence[Command], options: Mapping[str, str], out: Path, retries: int = 0) -> dict[str, str]:
    """Submit jobs that build datasets, named by their ids; returns jobs by id."""
    if not datasets:
        return {}
    jobs = [Job([one], retries, goes_on=False) for one in datasets]
    ids = dict(zip((one.name for one in datasets), _submit(jobs, options, out), strict=True))
    _note(out / "slurm" / "data.csv", [(job, name) for name, job in ids.items()])
    return ids


def _submit(
    jobs: Sequence[Job], options: Mapping[str, str], out: Path, at_once: int | None = None, needed: Sequence[str] = ()
) -> list[str]:
    """Submit jobs as one array; returns their ids in SLURM."""
    import submitit

    executor = submitit.AutoExecutor(out / "slurm", cluster="slurm", slurm_max_num_timeout=_TIMEOUTS)
    more = {name: value for name, value in options.items() if name not in ("time", "cpus-per-task", "job-name")}
    if needed:
        more |= {"dependency": _dependency(needed, options), "kill-on-invalid-dep": "yes"}
    executor.update_parameters(
        name=options.get("job-name", "bench"),
        timeout_min=_minutes(options["time"]),
        cpus_per_task=cores(options),
        stderr_to_stdout=True,
        slurm_signal_delay_s=_WARNING,
        slurm_teardown=_RETURN.splitlines(),
        slurm_additional_parameters={**more, "requeue": True},
        **({} if at_once is None else {"slurm_array_parallelism": at_once}),
    )
    try:
        with contextlib.redirect_stderr(io.StringIO()), executor.batch():  # it repeats what the error says
            submitted = [executor.submit(job) for job in jobs]
    except RuntimeError as error:  # sbatch refused
        raise SettingError(f"--slurm: {_reason(str(error))}") from None
    return [str(job.job_id) for job in submitted]


def _note(path: Path, rows: Sequence[tuple[str, str]]) -> None:
    """Add jobs to a table of them."""
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def queued(out: Path) -> dict[str, str]:
    """Run folders in `out` with a job that is waiting or running: folder -> job."""
    return {str(out / name): job for name, job in _alive(out / "slurm" / "jobs.csv").items()}


def building(out: Path) -> dict[str, str]:
    """Datasets with a job that is waiting or running, submitted for cells in `out`: id -> job."""
    return _alive(out / "slurm" / "data.csv")


def _alive(known: Path) -> dict[str, str]:
    """What a table of jobs says of those in the queue: name -> job."""
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
        return {name: job for job, name in csv.reader(file) if job in alive}


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
