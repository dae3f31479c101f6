"""`bench speed`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from suite.cli.options import Algo, Device, Env, Profile, Set, Threads, Workers
from suite.cli.tables import AsJson, Wide, print_rows

__all__ = ["speed"]


def speed(
    algo: Algo = "awac",
    env: Env = "relocate-binary",
    profile: Profile = "paper",
    packs: Annotated[str, typer.Option(help="Numbers of seeds trained at once, e.g. 1,3,5.")] = "1,3,5",
    set_: Set = [],  # noqa: B006 - typer's way
    device: Device = "auto",
    threads: Threads = None,
    workers: Workers = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of update and floor; the medians are shown.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.01, help="Length of a turn.")] = 2.0,
    eager: Annotated[bool, typer.Option("--eager", help="On CUDA, launch kernels one by one, no graph.")] = False,
    out: Annotated[Path | None, typer.Option(help="JSON file to write, with device and versions.")] = None,
    as_json: AsJson = False,
    wide: Wide = False,
) -> None:
    """Measure updates, environment steps and the whole protocol per second, beside the arithmetic floor."""
    from suite.experiment.request import Request
    from suite.measure.speed import speed as measured
    from suite.measure.speed import table
    from suite.train.hardware import Hardware

    request = Request.parse(algo=algo, env=env, seeds="1", profile=profile, set_=set_)
    hardware = Hardware(device, threads, workers)
    rows = measured(request, packs, hardware, rounds=rounds, seconds=seconds, capture=not eager, out=out)
    print_rows(rows if as_json else table(rows), as_json, wide)
