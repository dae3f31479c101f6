"""`bench tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from suite.cli import options as shared
from suite.cli import tune_options as options

__all__ = ["tune"]


def tune(
    algo: shared.Algo = "",
    env: shared.Env = "",
    trials: options.Trials = 20,
    seeds: options.Seeds = "3",
    profile: shared.Profile = "quick",
    set_: shared.Set = [],  # noqa: B006 - typer's way
    search: options.Search = [],  # noqa: B006
    at: options.At = "end",
    metric: options.Metric = None,
    prune: options.Prune = True,
    sampler: options.Sampler = "tpe",
    sampler_seed: options.SamplerSeed = 0,
    round_: options.Round = 4,
    out: options.Out = Path("tune"),
    name: options.Name = None,
    dataset: shared.DatasetName = None,
    device: shared.Device = "auto",
    threads: shared.Threads = None,
    workers: shared.Workers = None,
    jobs: shared.Jobs = None,
    retries: shared.Retries = 0,
    ray: shared.Ray = None,
    cells_per_job: shared.CellsPerJob = None,
    dry_run: options.DryRun = False,
) -> None:
    """Choose settings by trials on seeds of their own, the same number for each algorithm. The same command resumes."""
    from suite.experiment.request import Request, spell_seeds
    from suite.launch.spread import Spread
    from suite.train.hardware import Hardware
    from suite.train.means import Means
    from suite.tune.plan import Plan, tuning_seeds
    from suite.tune.search import tune as searched

    spread = Spread.parse(jobs=jobs, retries=retries, cells_per_job=cells_per_job, ray=ray)
    tuned_on = spell_seeds(tuning_seeds(seeds))
    request = Request.parse(algo=algo, env=env, seeds=tuned_on, profile=profile, dataset=dataset, set_=set_)
    how: dict[str, Any] = {"sampler": sampler, "sampler_seed": sampler_seed, "round_": round_, "prune": prune}
    plan = Plan.of(request, trials=trials, at=at, metric=metric, search=search, **how)
    raise typer.Exit(searched(plan, Means(out, Hardware(device, threads, workers)), name, spread, dry_run=dry_run))
