"""`bench new`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["new_app"]

new_app = typer.Typer(help="Packages of your own: algorithms, tasks.", no_args_is_help=True, rich_markup_mode=None)


@new_app.command()
def algorithm(
    name: Annotated[str, typer.Argument(help="Of the algorithm and of the folder that is written, e.g. my-method.")],
) -> None:
    """Write a package that adds an algorithm, with a working objective and its tests, into ./NAME."""
    from suite.new import write

    for path in write.algorithm(name, Path()):
        typer.echo(path)
    typer.echo(f"next: pip install -e '{name}[test]', then bench run --algo {name},awac --env point-reach", err=True)


@new_app.command()
def task(
    name: Annotated[str, typer.Argument(help="Of the task and of the folder that is written, e.g. my-task.")],
) -> None:
    """Write a package that adds a task, with a working environment and its tests, into ./NAME."""
    from suite.new import write

    for path in write.task(name, Path()):
        typer.echo(path)
    typer.echo(f"next: pip install -e {name}, then bench run --algo bc --env {name} --profile smoke", err=True)
