"""The options of `bench tune` alone; those that it shares with other commands are in `suite.cli.options`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from suite.cli.options import at_least

__all__ = [
    "At", "DryRun", "Metric", "Name", "Out", "Prune", "Round", "Sampler", "SamplerSeed", "Search", "Seeds", "Trials"
]  # fmt: skip

Trials = Annotated[int, typer.Option(callback=at_least(1), help="Trials of each algorithm.")]
Seeds = Annotated[str, typer.Option(help="A count (3: 1000 to 1002), a list or a range; none to report.")]
Search = Annotated[
    list[str],
    typer.Option(help="Search only: temperature, awac.temperature, tau=0.001..0.1:log, batch_size=64,128. Repeatable."),
]
At = Annotated[str, typer.Option(help="Judge by the last evaluations (end) or by the one at the switch.")]
Metric = Annotated[
    str | None, typer.Option(help="Score to judge by; default: success, or the normalised score or return.")
]
Prune = Annotated[
    bool, typer.Option("--prune/--no-prune", help="Give up trials below the median of those before, or none.")
]
Sampler = Annotated[str, typer.Option(help="tpe, which learns from earlier trials, or random.")]
SamplerSeed = Annotated[int, typer.Option(callback=at_least(0), help="Seed of what is tried.")]
Round = Annotated[
    int, typer.Option("--round", callback=at_least(1), help="Trials of an algorithm that are chosen together.")
]
Out = Annotated[Path, typer.Option(help="Folder of searches, each in a folder of its own.")]
Name = Annotated[str | None, typer.Option(help="Name of the search; default: its tasks and profile.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print what is searched, how many runs that takes and how long.")
]
