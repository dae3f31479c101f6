"""`bench data` commands about files that people bring or take away: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from suite.cli.data import data_app
from suite.cli.options import AsJson, print_rows

Task = Annotated[str, typer.Option(help="The task that the data are of, e.g. door-binary.")]
Format = Annotated[str | None, typer.Option(help="d4rl, npz, awac-npy or dapg; default: what the content says.")]
Demos = Annotated[
    str | None,
    typer.Option(help="Which episodes are demonstrations: all, none, or the first so many; default: as the file says."),
]
Limit = Annotated[
    int | None,
    typer.Option(min=1, help="Steps after which episodes were cut off, where the file does not mark it."),
]


@data_app.command("import")
def import_(
    source: Annotated[str, typer.Argument(metavar="FILE_OR_NAME", help="A file, or e.g. d4rl/door-human-v1.")],
    env: Task,
    as_: Annotated[str | None, typer.Option("--as", help="Id of the dataset; default: imported/TASK/FILE-v0.")] = None,
    format: Format = None, demos: Demos = None, limit: Limit = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never touch the network; also BENCH_OFFLINE=1.")] = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Bring a file into the Minari store: D4RL's HDF5, npz, AWAC's npy, DAPG's pickle; nothing in it is executed."""
    from suite.cli import data_files_rows as data_files

    print_rows(data_files.import_(source, env, as_, format, demos, limit, offline), as_json)


@data_app.command()
def convert(
    source: Annotated[str, typer.Argument(metavar="SRC", help="A dataset in the store, or a file with --env.")],
    target: Annotated[Path, typer.Argument(metavar="DST", help="A new .hdf5 (D4RL's layout) or .npz.")],
    env: Annotated[str | None, typer.Option(help="The task that the data are of.")] = None,
    format: Format = None, demos: Demos = None, limit: Limit = None,
) -> None:  # fmt: skip
    """Write a dataset as a file for other programs."""
    from suite.cli import data_files_rows as data_files

    data_files.convert(source, target, env, format, demos, limit)


@data_app.command()
def bundle(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Datasets in the store.")],
    out: Annotated[Path, typer.Option(help="Zip to write.")],
) -> None:
    """Put datasets into one zip with checksums, to carry to a machine without a network."""
    from suite.cli import data_files_rows as data_files

    data_files.pack(ids, out)


@data_app.command()
def add(path: Annotated[Path, typer.Argument(metavar="FILE.zip", help="What `bench data bundle` wrote.")]) -> None:
    """Store the datasets of a bundle, once everything in it has been checked."""
    from suite.cli import data_files_rows as data_files

    data_files.add(path)
