"""`bench claims`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from textwrap import fill, indent
from typing import Annotated

import typer

from suite.cli.options import Profile
from suite.cli.tables import AsJson, print_rows

__all__ = ["claims"]

WIDTH = 69  # of a text beside its verdict: 80 columns in all


def claims(
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Folders of run folders; default: the reference results.")
    ] = None,
    beside: Annotated[
        str | None, typer.Option(help="reference, or a folder of reference results: fills what the runs lack.")
    ] = None,
    suite: Annotated[str | None, typer.Option(help="Only the claims that a suite decides.")] = None,
    profile: Profile = "quick",
    as_json: AsJson = False,
) -> None:
    """Judge what the papers say by runs, or by the reference results: holds, refuted, undecided or not run."""
    from reports import REFERENCE, judged
    from suite.output import say

    rows = judged(runs or (), beside or (None if runs else REFERENCE), suite, profile, parts=as_json)
    if as_json:
        print_rows(rows, as_json)
        return
    for row in rows:
        typer.echo(f"{row['verdict']:<10} {row['claim']} ({row['place']})")
        for text in (row["says"], row["by"]):
            typer.echo(indent(fill(text, WIDTH), " " * 11))
    counts = Counter(row["verdict"] for row in rows)
    say(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
