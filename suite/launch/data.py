"""Datasets of several cells: which of them are missing, and the commands that build them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from envs.data import datasets
from envs.errors import DatasetError
from suite.experiment.experiment import Experiment, task_of
from suite.experiment.requirements import built_here, built_id
from suite.launch.processes import Command, stopped
from suite.output import about, say, show
from suite.recipes import build as recipes
from suite.train.hardware import Hardware
from suite.train.means import Means

__all__ = ["BENCH", "RunAll", "build_command", "build_missing", "fetch", "missing"]

BENCH = (sys.executable, "-P", "-m", "suite.cli")  # -P: no folder that one stands in takes the place of a package

RunAll = Callable[[Sequence[Command]], Mapping[str, int | None]]  # side by side; exit codes by name


def missing(experiments: Sequence[Experiment]) -> dict[str, Experiment]:
    """Datasets that this suite builds and has not built yet: id -> an experiment that needs it."""
    needed = {built_id(e): e for e in experiments if built_here(e)}
    return {name: e for name, e in needed.items() if not datasets.exists(name)}


def build_command(name: str, experiment: Experiment, hardware: Hardware, out: Path) -> Command:
    """The command that builds an experiment's dataset, and trains nothing."""
    words = [*experiment.request.kept(out).words(), "--data-only", *Means(out, hardware).words()]
    return Command(name, [*BENCH, *words])


def build_missing(
    experiments: Sequence[Experiment], hardware: Hardware, out: Path, run_all: RunAll, *, elsewhere: bool = False
) -> dict[str, str]:
    """Build what the cells need and nobody has built, once each; returns id -> why, of those that failed.

    `run_all` runs the commands; a single one is built by this process, unless all is to happen `elsewhere`.
    """
    absent = missing(experiments)
    if len(absent) == 1 and not elsewhere:
        return {name: why for name, e in absent.items() if (why := _build(e, hardware.worker_count()))}
    codes = run_all([build_command(name, e, hardware, out) for name, e in absent.items()]) if absent else {}
    if any(map(stopped, codes.values())):  # nothing more is begun
        return dict.fromkeys(map(built_id, filter(built_here, experiments)), "stopped")
    return {name: f"building it ended with exit code {code}" for name, code in codes.items() if code}


def _build(experiment: Experiment, workers: int) -> str:
    """Build a dataset in this process; returns why it could not be, or nothing."""
    e = experiment
    try:
        recipes.dataset(task_of(e), e.dataset, e.protocol.dataset_seed, workers, about(e.task))
    except DatasetError as error:
        return str(error)
    return ""


def fetch(experiments: Sequence[Experiment], hardware: Hardware) -> int:
    """Have every dataset of these experiments in the store, built or downloaded; shows ids and returns the exit code.

    Raises `DatasetError` where one cannot be had.
    """
    wanted = {(e.task.id, e.dataset, e.protocol.dataset_seed): e for e in experiments if e.needs.offline_data}
    for e in wanted.values():
        workers = hardware.worker_count()
        show(recipes.dataset(task_of(e), e.dataset, e.protocol.dataset_seed, workers, about(e.task)).info.id)
    if not wanted:
        say("no dataset is needed")
    return 0
