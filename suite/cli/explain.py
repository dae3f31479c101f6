"""`bench explain`."""

from __future__ import annotations

from typing import Annotated

import typer

from suite.cli.options import Preset, Profile, Set
from suite.cli.tables import AsJson, Wide, print_rows

__all__ = ["explain"]


def explain(
    algo: Annotated[str, typer.Argument(help="An algorithm.")],
    env: Annotated[str, typer.Argument(help="A task.")],
    profile: Profile = "quick",
    preset: Preset = "paper",
    set_: Set = [],  # noqa: B006 - typer's way
    as_json: AsJson = False,
    wide: Wide = False,
) -> None:
    """Print every setting of an algorithm on a task: value, allowed values, meaning, where the value comes from."""
    from suite.experiment.explain import explained, limits
    from suite.experiment.request import Request

    request = Request.parse(algo=algo, env=env, seeds="1", profile=profile, preset=preset, set_=set_)
    print_rows(explained(request), as_json, wide)
    if not as_json and (lines := limits(request)):
        typer.echo(f"\nwhat preset {preset} cannot do as its source does:")
        for line in lines:
            typer.echo(f"- {line}")
