"""`bench tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from suite.cli.options import (
    Algo,
    CellsPerJob,
    DatasetName,
    Device,
    Env,
    Jobs,
    Profile,
    Ray,
    Retries,
    Set,
    Threads,
    Workers,
    at_least,
)

__all__ = ["tune"]


def tune(
    algo: Algo = "",
    env: Env = "",
    trials: Annotated[int, typer.Option(callback=at_least(1), help="Trials of each algorithm.")] = 20,
    seeds: Annotated[str, typer.Option(help="A count (3: 1000 to 1002), a list or a range; none to report.")] = "3",
    profile: Profile = "quick",
    set_: Set = [],  # noqa: B006 - typer's way
    search: Annotated[
        list[str],
        typer.Option(
            help="Search only: temperature, awac.temperature, tau=0.001..0.1:log, batch_size=64,128. Repeatable."
        ),
    ] = [],  # noqa: B006
    at: Annotated[str, typer.Option(help="Judge by the last evaluations (end) or by the one at the switch.")] = "end",
    metric: Annotated[
        str | None, typer.Option(help="Score to judge by; default: success, or the normalised score or return.")
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune/--no-prune", help="Give up trials below the median of those before, or none.")
    ] = True,
    sampler: Annotated[str, typer.Option(help="tpe, which learns from earlier trials, or random.")] = "tpe",
    sampler_seed: Annotated[int, typer.Option(callback=at_least(0), help="Seed of what is tried.")] = 0,
    round_: Annotated[
        int,
        typer.Option("--round", callback=at_least(1), help="Trials of an algorithm that are chosen together."),
    ] = 4,
    out: Annotated[Path, typer.Option(help="Folder of searches, each in a folder of its own.")] = Path("tune"),
    name: Annotated[str | None, typer.Option(help="Name of the search; default: its tasks and profile.")] = None,
    dataset: DatasetName = None,
    device: Device = "auto",
    threads: Threads = None,
    workers: Workers = None,
    jobs: Jobs = None,
    retries: Retries = 0,
    ray: Ray = None,
    cells_per_job: CellsPerJob = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what is searched, how many runs that takes and how long.")
    ] = False,
) -> None:
    """Choose settings by trials on seeds of their own, the same number for each algorithm. The same command resumes."""
    from suite.experiment.request import Request, spell_seeds
    from suite.launch.spread import Spread
    from suite.train.hardware import Hardware
    from suite.train.means import Means
    from suite.tune.plan import Plan, tuning_seeds
    from suite.tune.search import tune as searched

    spread = Spread.parse(jobs=jobs, retries=retries, cells_per_job=cells_per_job, ray=ray)
    request = Request.parse(
        algo=algo, env=env, seeds=spell_seeds(tuning_seeds(seeds)), profile=profile, dataset=dataset, set_=set_
    )
    plan = Plan.of(
        request,
        trials=trials,
        at=at,
        metric=metric,
        search=search,
        prune=prune,
        round_=round_,
        sampler=sampler,
        sampler_seed=sampler_seed,
    )
    means = Means(out, Hardware(device, threads, workers))
    raise typer.Exit(searched(plan, means, name, spread, dry_run=dry_run))
