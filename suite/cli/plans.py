"""`bench suite`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from suite.cli.options import (
    CellsPerJob,
    Device,
    DryRun,
    Jobs,
    Out,
    Profile,
    Ray,
    Retries,
    Slurm,
    Threads,
    Workers,
)
from suite.cli.tables import AsJson, Wide, print_rows

__all__ = ["suite_app"]

suite_app = typer.Typer(
    help="The papers' figures and tables as one command each.", no_args_is_help=True, rich_markup_mode=None
)

Suite = Annotated[str, typer.Argument(help="A suite of `bench suite list`, or a TOML file of your own.")]
SuiteSeeds = Annotated[str | None, typer.Option("--seeds", help="As in `bench run`; default: the suite's.")]
Only = Annotated[
    list[str],
    typer.Option(help="Some cells: algo=awac,sac,env=pen-binary; keys are algo, env, data, name. Repeatable."),
]
RanProfile = Annotated[
    str | None, typer.Option("--profile", help="As in `bench suite run`; default: the one of which most was run.")
]
PresetFile = Annotated[
    str | None, typer.Option("--preset", help="A preset file of `bench tune`, in place of the suite's own settings.")
]


@suite_app.command("list")
def list_(as_json: AsJson = False, wide: Wide = False) -> None:
    """List the suites, each with its place in the papers."""
    from suite.cli.inventory import suites

    print_rows(suites(), as_json, wide)


@suite_app.command()
def show(name: Suite, as_json: AsJson = False, wide: Wide = False) -> None:
    """Show a suite's cells, with the settings they change and each one's source."""
    from suite.plans import run as plans

    print_rows(plans.show_plan(name), as_json, wide)


@suite_app.command()
def run(
    name: Suite,
    profile: Profile = "quick",
    seeds: SuiteSeeds = None,
    only: Only = [],  # noqa: B006 - typer's way
    preset: PresetFile = None,
    out: Out = Path("runs"),
    device: Device = "auto",
    threads: Threads = None,
    workers: Workers = None,
    jobs: Jobs = None,
    retries: Retries = 0,
    dry_run: DryRun = False,
    slurm: Slurm = [],  # noqa: B006
    ray: Ray = None,
    cells_per_job: CellsPerJob = None,
) -> None:
    """Run a suite's cells; finished ones are left alone, failed and stopped ones go on."""
    from suite.launch.spread import Spread
    from suite.plans import run as plans
    from suite.train.hardware import Hardware
    from suite.train.means import Means

    spread = Spread.parse(jobs=jobs, retries=retries, cells_per_job=cells_per_job, slurm_options=slurm, ray=ray)
    means = Means(out, Hardware(device, threads, workers))
    code = plans.run(name, profile, seeds, only, means, spread, dry_run=dry_run, preset=preset)
    raise typer.Exit(code)


@suite_app.command()
def status(
    name: Suite,
    profile: RanProfile = None,
    seeds: SuiteSeeds = None,
    only: Only = [],  # noqa: B006
    preset: PresetFile = None,
    out: Out = Path("runs"),
    as_json: AsJson = False,
    wide: Wide = False,
) -> None:
    """Show how far each cell of a suite is."""
    from suite.plans import run as plans

    print_rows(plans.status(name, profile, seeds, only, out, preset), as_json, wide)
