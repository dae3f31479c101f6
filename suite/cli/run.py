"""`bench run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from suite.cli.options import (
    Algo,
    CellsPerJob,
    DatasetName,
    Device,
    DryRun,
    Env,
    Jobs,
    Out,
    Preset,
    Profile,
    Ray,
    Retries,
    Seeds,
    Set,
    Slurm,
    Threads,
    Workers,
    given,
)

__all__ = ["run"]


def run(
    context: typer.Context,
    algo: Algo = "",
    env: Env = "",
    seeds: Seeds = "3",
    profile: Profile = "quick",
    preset: Preset = "paper",
    set_: Set = [],  # noqa: B006 - typer's way
    out: Out = Path("runs"),
    name: Annotated[str | None, typer.Option(help="First part of the run folder's name; default: the profile.")] = None,
    dataset: DatasetName = None,
    device: Device = "auto",
    threads: Threads = None,
    workers: Workers = None,
    jobs: Jobs = None,
    retries: Retries = 0,
    dry_run: DryRun = False,
    keep_policies: Annotated[
        bool, typer.Option("--keep-policies", help="Keep the policies of every evaluation, under policy/at+STEP.")
    ] = False,
    data_only: Annotated[
        bool, typer.Option("--data-only", help="Build or download the datasets of these cells, and train nothing.")
    ] = False,
    slurm: Slurm = [],  # noqa: B006
    ray: Ray = None,
    cells_per_job: CellsPerJob = None,
    mirror: Annotated[
        str | None, typer.Option(help="Pass on records while they are made: tensorboard or wandb, by way of ./mirror.")
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(help="A run folder: do what it did, whatever the defaults are now. --seeds, --set: in part."),
    ] = None,
) -> None:
    """Train algorithms on tasks, offline then online, and record the scores. The same command resumes."""
    from algos.settings import SettingError
    from suite.experiment.again import repeat
    from suite.experiment.request import Request
    from suite.launch.run import run as launch
    from suite.launch.spread import Spread
    from suite.train.hardware import Hardware
    from suite.train.means import Means

    if like is not None:
        request, its_threads = repeat(like, given(context), seeds=seeds, name=name, set_=set_)
        threads = threads or its_threads
    elif algo and env:
        request = Request.parse(
            algo=algo, env=env, seeds=seeds, profile=profile, preset=preset, name=name, dataset=dataset, set_=set_
        )
    else:
        raise SettingError(
            "name what to train, e.g. --algo awac --env pen-binary, or a run folder to repeat: --like FOLDER"
        )
    means = Means(out, Hardware(device, threads, workers), keep_policies)
    spread = Spread.parse(jobs=jobs, retries=retries, cells_per_job=cells_per_job, slurm_options=slurm, ray=ray)
    raise typer.Exit(launch(request, means, spread, dry_run=dry_run, data_only=data_only, mirror=mirror))
