"""Several cells at once: what each needs is checked and built first, then a `bench run` of its own trains each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from envs.stepping.vector import default_workers
from suite.experiment.experiment import Experiment
from suite.experiment.requirements import built_here, built_id
from suite.launch import ray_cluster, slurm
from suite.launch.data import BENCH, RunAll, build_command, build_missing, fetch, missing
from suite.launch.processes import NOT_STARTED, Command, run_all, shell_code
from suite.launch.spread import Spread
from suite.output import say, show
from suite.record.folders import read_status
from suite.record.rows import RecordError
from suite.train.cell import run_folder
from suite.train.hardware import Hardware
from suite.train.means import Means

__all__ = ["build_data", "run_processes", "run_side_by_side", "submit_data"]

Codes = dict[str, int | None]  # exit codes by run folder


def run_side_by_side(experiments: Sequence[Experiment], means: Means, spread: Spread) -> int:
    """Run one process per cell, here or on a Ray cluster; the cores and GPUs are shared out among them.

    Returns the worst exit code.

    With sbatch's options, cells become SLURM jobs instead, and the command ends when it has submitted them. What is in
    the queue already is left there.
    """
    codes = _submitted(experiments, means, spread) if spread.slurm else run_processes(experiments, means, spread)
    for folder, code in codes.items():
        if code == 0:
            show(folder)
    return _worst(codes)


def run_processes(
    experiments: Sequence[Experiment],
    means: Means,
    spread: Spread,
    unwanted: Callable[[str], bool] = lambda folder: False,
) -> Codes:
    """Run one process per cell until it is done or `unwanted`; returns exit codes by run folder."""
    if spread.ray is not None:
        cluster = ray_cluster.connect(spread.ray)
        share = cluster.share(len(experiments), spread.jobs, spread.cells_per_job, means.hardware)
        on_ray = partial(ray_cluster.run_all, share=share, jobs=spread.jobs, out=means.out, retries=spread.retries)
        cells, codes = _commands(experiments, means, share.hardware(means.hardware), on_ray, elsewhere=True)
        return codes | on_ray(cells, unwanted=unwanted)
    jobs = min(spread.jobs or 1, max(1, len(experiments)))
    each = _share(means.hardware, jobs)
    here = partial(run_all, jobs=jobs, retries=spread.retries)
    cells, codes = _commands(experiments, means, each, here)
    return codes | here(cells, gpus=means.hardware.gpus(), unwanted=unwanted)


def build_data(experiments: Sequence[Experiment], means: Means, spread: Spread) -> int:
    """Have the cells' datasets in the store, those that are built several at a time; returns the exit code."""
    jobs = min(spread.jobs or 1, max(1, len(experiments)))
    if jobs > 1:
        here = partial(run_all, jobs=jobs, retries=spread.retries)
        failed = build_missing(experiments, _share(means.hardware, jobs), means.out, here)
        for name, why in failed.items():
            say(f"dataset {name}: {why}")
        if failed:
            return 1
    return fetch(experiments, means.hardware)


def _share(hardware: Hardware, jobs: int) -> Hardware:
    """What each of several cells gets of this machine's cores."""
    share = max(1, default_workers() // jobs)
    workers = hardware.worker_count(hardware.threads or share)
    return Hardware(hardware.device, hardware.thread_count(share), workers)


def _commands(
    experiments: Sequence[Experiment], means: Means, each: Hardware, runs: RunAll, elsewhere: bool = False
) -> tuple[list[Command], Codes]:
    """A `bench run` for every cell whose dataset is there or could be built, and the codes of the others."""
    failed = build_missing(experiments, each, means.out, runs, elsewhere=elsewhere)
    cells: list[Command] = []
    codes: Codes = {}
    for e in experiments:
        folder = str(run_folder(e, means.out))
        if built_here(e) and (why := failed.get(built_id(e))):
            say(f"{folder}: no dataset: {why}")
            codes[folder] = NOT_STARTED
        else:
            cells.append(_command(e, means, each))
    return cells, codes


def _command(experiment: Experiment, means: Means, hardware: Hardware) -> Command:
    """The `bench run` that trains one cell with its share of the machine."""
    words = [*experiment.request.kept(means.out).words(), *dataclasses.replace(means, hardware=hardware).words()]
    return Command(str(run_folder(experiment, means.out)), [*BENCH, *words])


def _submitted(experiments: Sequence[Experiment], means: Means, spread: Spread) -> Codes:
    """Submit the cells that are neither finished nor in the queue, after the jobs that build their datasets."""
    slurm.check()
    waiting = slurm.queued(means.out)
    each = _of_a_job(means.hardware, spread)
    left: dict[str, Experiment] = {}
    for e in experiments:
        folder = str(run_folder(e, means.out))
        if _is_finished(Path(folder)):
            say(f"{folder}: finished already")
        elif folder in waiting:
            say(f"{folder}: in the queue already, job {waiting[folder]}")
        else:
            left[folder] = e
    jobs = submit_data(list(left.values()), means, spread)
    after = {folder: jobs[built_id(e)] for folder, e in left.items() if built_here(e) and built_id(e) in jobs}
    submitted = slurm.submit(
        [_command(e, means, each) for e in left.values()],
        spread.slurm,
        means.out,
        jobs=spread.jobs,
        per_job=spread.cells_per_job,
        retries=spread.retries,
        after=after,
    )
    for folder, job in submitted.items():
        say(f"{folder}: submitted as job {job}" + (f", after job {after[folder]}" if folder in after else ""))
    if submitted:
        say(f"logs are in {means.out / 'slurm'}; the same command submits again what has failed or was cancelled")
    return {}


def submit_data(experiments: Sequence[Experiment], means: Means, spread: Spread) -> dict[str, str]:
    """Submit a job for every dataset that is to be built; returns id -> job, with those in the queue already."""
    slurm.check()
    known = slurm.building(means.out)
    absent = missing(experiments)
    hardware = _of_a_job(means.hardware, dataclasses.replace(spread, cells_per_job=1))
    commands = [build_command(name, e, hardware, means.out) for name, e in absent.items() if name not in known]
    submitted = slurm.submit_data(commands, spread.slurm, means.out, spread.retries)
    jobs = {name: (known | submitted)[name] for name in absent}
    for name, job in jobs.items():
        say(f"dataset {name}: {'submitted as job' if name in submitted else 'in the queue already, job'} {job}")
    return jobs


def _of_a_job(hardware: Hardware, spread: Spread) -> Hardware:
    """What each cell gets of a job's cores; OMP_NUM_THREADS holds for this machine only."""
    cores = hardware.threads or max(1, slurm.cores(spread.slurm) // spread.cells_per_job)
    return Hardware(hardware.device, cores, hardware.worker_count(cores))


def _is_finished(folder: Path) -> bool:
    try:
        return read_status(folder).get("state") == "finished"
    except RecordError:  # its own job says so
        return False


def _worst(codes: Mapping[str, int | None]) -> int:
    """Say which processes failed; returns the largest exit code."""
    for name, code in codes.items():
        if code != 0:
            say(f"{name}: {'not started' if code is NOT_STARTED else f'ended with exit code {code}'}")
    return max(map(shell_code, codes.values()), default=0)
