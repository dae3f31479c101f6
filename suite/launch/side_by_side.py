"""Several cells at once: what each needs is checked and built first, then a `bench run` of its own trains each."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from envs.data import datasets
from envs.errors import DatasetError
from envs.stepping.vector import default_workers
from suite.experiment.experiment import Experiment, task_of
from suite.experiment.request import Request
from suite.experiment.requirements import built_here, built_id, dataset_name, recipe_of
from suite.experiment.resolve import sized
from suite.launch import slurm
from suite.launch.processes import NOT_STARTED, Command, run_all, shell_code, stopped
from suite.output import about, say, show
from suite.recipes import build as recipes
from suite.record.folders import read_status
from suite.record.rows import RecordError
from suite.train.cell import run_folder
from suite.train.hardware import Hardware
from suite.train.means import Means

__all__ = ["run_processes", "run_side_by_side"]

_BENCH = (sys.executable, "-P", "-m", "suite.cli")  # -P: no folder that one stands in takes the place of a package


def run_side_by_side(
    experiments: Sequence[Experiment], means: Means, *, jobs: int | None, cluster: Mapping[str, str] | None = None
) -> int:
    """Run one process per cell, `jobs` at a time; the cores and GPUs are shared out among them.

    Returns the worst exit code.

    With sbatch's options for `cluster`, cells become SLURM jobs instead, and the command ends when it has submitted
    them. What is in the queue already is left there. Datasets are built here, before.
    """
    codes = _submitted(experiments, means, jobs, cluster) if cluster else run_processes(experiments, means, jobs or 1)
    for folder, code in codes.items():
        if code == 0:
            show(folder)
    return _worst(codes)


def run_processes(
    experiments: Sequence[Experiment], means: Means, jobs: int, unwanted: Callable[[str], bool] = lambda folder: False
) -> dict[str, int | None]:
    """Run one process per cell, `jobs` at a time, until it is done or `unwanted`; returns exit codes by run folder."""
    jobs = min(jobs, len(experiments))
    share = max(1, default_workers() // jobs)  # of this machine's cores
    hardware = means.hardware
    workers = hardware.worker_count(hardware.threads or share)
    each = Hardware(hardware.device, hardware.thread_count(share), workers)
    cells, codes = _commands(experiments, means, each, jobs)
    return codes | run_all(cells, jobs, hardware.gpus(), unwanted)


def _submitted(
    experiments: Sequence[Experiment], means: Means, jobs: int | None, cluster: Mapping[str, str]
) -> dict[str, int | None]:
    """Submit the cells that are neither finished nor in the queue; returns the codes of those that cannot be run."""
    slurm.check()
    waiting, hardware = slurm.queued(means.out), means.hardware
    cores = hardware.threads or slurm.cores(cluster)  # OMP_NUM_THREADS holds for this machine only
    each = Hardware(hardware.device, cores, hardware.worker_count(cores))
    commands, codes = _commands(experiments, means, each, min(jobs or 1, len(experiments)))
    cells = []
    for cell in commands:
        if _is_finished(Path(cell.name)):
            say(f"{cell.name}: finished already")
        elif cell.name in waiting:
            say(f"{cell.name}: in the queue already, job {waiting[cell.name]}")
        else:
            cells.append(cell)
    _submit(cells, cluster, jobs, means.out)
    return codes


def _commands(
    experiments: Sequence[Experiment], means: Means, hardware: Hardware, jobs: int
) -> tuple[list[Command], dict[str, int | None]]:
    """A `bench run` for every cell whose dataset is there or could be built, and the codes of the others."""
    share = max(1, default_workers() // jobs)
    failed = _build_datasets(experiments, means.hardware, jobs, means.hardware.worker_count(share))
    each = dataclasses.replace(means, hardware=hardware)
    cells: list[Command] = []
    codes: dict[str, int | None] = {}
    for e in experiments:
        folder = str(run_folder(e, means.out))
        if built_here(e) and (why := failed.get(built_id(e))):
            say(f"{folder}: no dataset: {why}")
            codes[folder] = NOT_STARTED
        else:
            cells.append(Command(folder, [*_BENCH, *_request(e, means.out).words(), *each.words()]))
    return cells, codes


def _request(experiment: Experiment, out: Path) -> Request:
    """The request for one cell, which reads a preset file that nobody changes before the process starts."""
    request = experiment.request
    if request.preset_file is None:
        return request
    return dataclasses.replace(request, preset_file=request.preset_file.kept(out))


def _is_finished(folder: Path) -> bool:
    try:
        return read_status(folder).get("state") == "finished"
    except RecordError:  # its own job says so
        return False


def _submit(cells: Sequence[Command], cluster: Mapping[str, str], jobs: int | None, out: Path) -> None:
    submitted = slurm.submit(cells, cluster, jobs, out) if cells else {}
    for folder, job in submitted.items():
        say(f"{folder}: submitted as job {job}")
    if submitted:
        say(f"logs are in {out / 'slurm'}; the same command submits again what has failed or was cancelled")


def _worst(codes: Mapping[str, int | None]) -> int:
    """Say which processes failed; returns the largest exit code."""
    for name, code in codes.items():
        if code != 0:
            say(f"{name}: {'not started' if code is NOT_STARTED else f'ended with exit code {code}'}")
    return max(map(shell_code, codes.values()), default=0)


def _options(experiment: Experiment) -> list[str]:
    """Options of `bench data build` that make the experiment's dataset."""
    e = experiment
    sizes = ["--profile", e.profile, "--seed", str(e.protocol.dataset_seed)]
    return ["--env", e.task.id, "--dataset", dataset_name(e), *sizes]


def _build_datasets(experiments: Sequence[Experiment], hardware: Hardware, jobs: int, workers: int) -> dict[str, str]:
    """Build what the cells need once, several datasets side by side. Returns id -> why, of those that failed."""
    needed = {built_id(e): e for e in experiments if built_here(e)}
    missing = {name: e for name, e in needed.items() if not datasets.exists(name)}
    # what `bench data build` makes: those whose sizes are the profile's own
    apart = {
        name: e for name, e in missing.items() if recipe_of(task_of(e), e) == recipe_of(sized(e.task, e.profile), e)
    }
    failed = {}
    if len(apart) > 1:
        base = [*_BENCH, "data", "build", "--workers", str(workers)]
        cells = [Command(name, [*base, *_options(e)]) for name, e in apart.items()]
        codes = run_all(cells, jobs)
        if any(map(stopped, codes.values())):  # nothing more is begun
            return dict.fromkeys(needed, "stopped")
        failed = {name: f"`bench data build` ended with exit code {code}" for name, code in codes.items() if code}
    for name, e in missing.items():
        if name not in failed and not datasets.exists(name):
            try:
                recipes.build(
                    task_of(e), e.protocol.dataset_seed, hardware.worker_count(), about(e.task), dataset_name(e)
                )
            except DatasetError as error:
                failed[name] = str(error)
    return failed
