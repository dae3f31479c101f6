"""Options that several commands share, and how rows are printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from algos.settings import SettingError

__all__ = [
    "Algo",
    "AsJson",
    "DatasetName",
    "Device",
    "DryRun",
    "Env",
    "Jobs",
    "Out",
    "Preset",
    "Profile",
    "Seeds",
    "Set",
    "Slurm",
    "Threads",
    "Workers",
    "at_least",
    "given",
    "print_rows",
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
    str | None, typer.Option(help="A Minari dataset, d4rl/NAME, or human, cloned, expert; default: the task's own.")
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
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the resolved settings and an estimate; train nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def given(context: typer.Context) -> set[str]:
    """Names of the options that were written out on the command line."""
    return {name for name in context.params if (s := context.get_parameter_source(name)) and s.name == "COMMANDLINE"}


def print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    """Print rows as JSON, as a table, or one row as lines."""
    if as_json:
        typer.echo(json.dumps(rows, indent=1, default=str))
        return
    if len(rows) == 1:
        width = max(map(len, rows[0]))
        for key, value in rows[0].items():
            typer.echo(f"{key:<{width}}  {value}")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*(rows[0] if rows else ()), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(str(v) for v in row.values()))
    columns = None if sys.stdout.isatty() else 1000  # one line per row for grep
    console = Console(markup=False, width=columns)  # markup would eat "[hub]"
    console.print(table if rows else "nothing")
