"""`bench list`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from suite.cli.options import Out
from suite.cli.tables import AsJson, Wide, print_rows

__all__ = ["list_"]


def list_(
    what: Annotated[str, typer.Argument(help="algos, envs, datasets, presets, profiles, runs or suites.")] = "",
    out: Out = Path("runs"),
    as_json: AsJson = False,
    wide: Wide = False,
) -> None:
    """List what there is."""
    from suite.cli.inventory import listing

    print_rows(listing(what, out), as_json, wide)
