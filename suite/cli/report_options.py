"""The options of `bench report`, and which of them go together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from algos.settings import SettingError

__all__ = [
    "Beside",
    "Compare",
    "DipWindow",
    "Every",
    "Inputs",
    "Interpolate",
    "Metric",
    "Only",
    "Out",
    "Preset",
    "Profile",
    "Runs",
    "SuiteName",
    "Threshold",
    "Watch",
    "refuse_beside",
]

Runs = Annotated[list[Path] | None, typer.Argument(help="Folders of run folders; default: runs, or none with --input.")]
Out = Annotated[Path, typer.Option(help="Folder to write the report into.")]
SuiteName = Annotated[
    str | None, typer.Option(help="Only the runs of a suite, beside the paper's numbers; `bench suite list`.")
]
Profile = Annotated[
    str | None, typer.Option(help="With --suite: the profile it was run with; default: that of most of its runs.")
]
Preset = Annotated[str | None, typer.Option(help="With --suite: the preset file it was run with; default: none.")]
Compare = Annotated[
    tuple[Path, Path] | None,
    typer.Option(help="Two folders of runs, before and after a change: the difference of each cell."),
]
Inputs = Annotated[
    list[Path],
    typer.Option(
        "--input",
        help="Results from elsewhere, a CSV with a row for each value: algo, env, seed, env_step, metric, value; "
        "phase, update, unit (share, percent, reward) and direction may be there. Repeatable.",
    ),
]
Only = Annotated[
    list[str], typer.Option(help="Leave out the rest: algo=awac,sac or env=pen-binary,door-binary or both.")
]
Beside = Annotated[
    str | None,
    typer.Option(help="reference, or a folder of reference results: drawn among the runs; alone: the report."),
]
Metric = Annotated[
    str | None,
    typer.Option(help="Headline: success, success_any, return, normalized_score; default: what all have."),
]
DipWindow = Annotated[
    int | None,
    typer.Option(help="Steps after the switch in which the dip is looked for; default: a quarter of the phase."),
]
Threshold = Annotated[float | None, typer.Option(help="Score whose first reaching is timed; default: half of solved.")]
Interpolate = Annotated[
    bool,
    typer.Option("--interpolate", help="Compare unequal calendars between evaluations, not at shared ones only."),
]
Watch = Annotated[
    bool, typer.Option("--watch", help="Build the report again while runs go on, and once more when all have ended.")
]
Every = Annotated[float | None, typer.Option(min=1.0, help="With --watch: seconds between looks; default: 30.")]


def refuse_beside(others: dict[str, Any], why: str) -> None:
    """Refuse options that something else on the command line rules out; raises `SettingError` that names them."""
    given = [name for name, value in others.items() if not (value is None or value is False or value == [])]
    if given:
        raise SettingError(f"{why}; without {', '.join(given)}")
