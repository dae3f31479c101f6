"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from algos.settings import SettingError

__all__ = [
    "Algo",
    "CellsPerJob",
    "DatasetName",
    "Device",
    "DryRun",
    "Env",
    "Jobs",
    "Out",
    "Preset",
    "Profile",
    "Ray",
    "Retries",
    "Seeds",
    "Set",
    "Slurm",
    "Threads",
    "Workers",
    "at_least",
    "given",
]


def at_least(least: int) -> Callable[[typer.CallbackParam, int | None], int | None]:
    """Make a check whose error is one line, as others are; that of typer's `min` comes with the command's usage."""

    def check(option: typer.CallbackParam, value: int | None) -> int | None:
        if value is not None and value < least:
            raise SettingError(f"{option.opts[0]} {value}: give {least} or more")
        return value

    return check


Algo = Annotated[str, typer.Option(help="Algorithms, e.g. awac or awac,sac,bc; `bench list algos` names them.")]
Env = Annotated[str, typer.Option(help="Tasks, e.g. relocate-binary or pen-binary,door-binary.")]
Seeds = Annotated[
    str, typer.Option(help="A count (5: seeds 0 to 4), a list (3,7,9) or a range (4-6); all train at once.")
]
Profile = Annotated[
    str, typer.Option(help="Sizes: paper, standard (an hour on a CPU), quick (minutes) or smoke (seconds).")
]
Preset = Annotated[
    str,
    typer.Option(help="Whose settings: paper, one of `bench list presets`, or a file that `bench tune` wrote."),
]
Set = Annotated[
    list[str],
    typer.Option("--set", help="Override one setting: name=value or algo.name=value, and why after ' # '. Repeatable."),
]
Out = Annotated[Path, typer.Option(help="Folder of the run folders.")]
DatasetName = Annotated[
    str | None,
    typer.Option(help="A Minari dataset, d4rl/NAME, ogbench/NAME, or human, cloned, expert; default: the task's own."),
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Threads = Annotated[
    int | None,
    typer.Option(
        callback=at_least(1), help="Threads of torch; default: OMP_NUM_THREADS, or all cores, shared by the jobs."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(callback=at_least(0), help="Environment processes; default: one per core. 0: none."),
]
Jobs = Annotated[
    int | None,
    typer.Option(callback=at_least(1), help="Cells trained side by side; default: 1, on a cluster all."),
]
Slurm = Annotated[
    list[str],
    typer.Option(help="Submit to SLURM with this option of sbatch: time=8:00:00, partition=gpu, ... Repeatable."),
]
Retries = Annotated[
    int,
    typer.Option(callback=at_least(0), help="How often a cell that fails is tried again, from a checkpoint."),
]
CellsPerJob = Annotated[
    int | None,
    typer.Option(callback=at_least(1), help="Cells that share a job of SLURM's, or with --ray a GPU; default: 1."),
]
Ray = Annotated[
    str | None,
    typer.Option(
        metavar="[ADDRESS]",
        help="Train on a Ray cluster: its address, auto for the one that runs here, local (default) for a new one.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the resolved settings and an estimate; train nothing.")]


def given(context: typer.Context) -> set[str]:
    """Names of the options that were written out on the command line."""
    return {name for name in context.params if (s := context.get_parameter_source(name)) and s.name == "COMMANDLINE"}
