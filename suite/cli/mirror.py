"""`bench mirror`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from suite.cli.tables import AsJson, Wide, print_rows

__all__ = ["mirror"]


def mirror(
    runs: Annotated[list[Path] | None, typer.Argument(help="Folders of run folders; default: runs.")] = None,
    to: Annotated[str, typer.Option(help="tensorboard or wandb (the extras of these names).")] = "tensorboard",
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("mirror"),
    project: Annotated[str, typer.Option(help="Project at Weights & Biases.")] = "awac-bench",
    every: Annotated[
        float | None, typer.Option(min=1.0, help="Look again every so many seconds, until all runs have finished.")
    ] = None,
    as_json: AsJson = False,
    wide: Wide = False,
) -> None:
    """Copy run records to TensorBoard or Weights & Biases; a second call copies only what is new."""
    from suite.output import say
    from suite.record.mirror import mirror as pass_on

    print_rows(pass_on(runs or [Path("runs")], to, out, project, every, say), as_json, wide)
