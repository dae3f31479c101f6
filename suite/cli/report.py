"""`bench report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["report"]


def report(
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Folders of run folders; default: runs, or none with --input.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to write the report into.")] = Path("report"),
    suite: Annotated[
        str | None, typer.Option(help="Only the runs of a suite, beside the paper's numbers; `bench suite list`.")
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(help="With --suite: the profile it was run with; default: that of most of its runs."),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="With --suite: the preset file it was run with; default: none.")
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(help="Two folders of runs, before and after a change: the difference of each cell."),
    ] = None,
    input_: Annotated[
        list[Path],
        typer.Option(
            "--input",
            help="Results from elsewhere, a CSV with a row for each value: algo, env, seed, env_step, metric, value; "
            "phase, update, unit (share, percent, reward) and direction may be there. Repeatable.",
        ),
    ] = [],  # noqa: B006
    only: Annotated[
        list[str], typer.Option(help="Leave out the rest: algo=awac,sac or env=pen-binary,door-binary or both.")
    ] = [],  # noqa: B006
    beside: Annotated[
        str | None,
        typer.Option(help="reference, or a folder of reference results: drawn among the runs; alone: the report."),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(help="Headline: success, success_any, return, normalized_score; default: what all have."),
    ] = None,
    dip_window: Annotated[
        int | None,
        typer.Option(help="Steps after the switch in which the dip is looked for; default: a quarter of the phase."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Score whose first reaching is timed; default: half of solved.")
    ] = None,
    interpolate: Annotated[
        bool,
        typer.Option("--interpolate", help="Compare unequal calendars between evaluations, not at shared ones only."),
    ] = False,
) -> None:
    """Draw curves, tables and one page from run folders, or score against trials from a folder of `bench tune`."""
    from algos.settings import SettingError
    from reports import build, build_comparison, build_tuning
    from suite.cli.report_inputs import looks, picked, profile_of, roots_of, suite_of
    from suite.output import say
    from suite.record.trials import SEARCH

    if (profile is not None or preset is not None) and suite is None:
        raise SettingError("--profile says at which sizes a --suite was run, --preset by which file: name a suite")
    if compare is not None:
        if runs or suite or input_ or dip_window is not None or threshold is not None or interpolate or only or beside:
            raise SettingError("--compare takes two folders of runs, --metric and --out, nothing else")
        typer.echo(build_comparison(*compare, out, metric, say=say))
        return
    searches = [root for root in runs or [] if (root / SEARCH).is_file()]
    if searches:
        more = (suite, input_, beside, metric, only, interpolate, dip_window is not None, threshold is not None)
        if len(runs or []) > 1 or any(more):
            raise SettingError(f"{searches[0]} is a search of `bench tune`: give it alone, with --out")
        typer.echo(build_tuning(searches[0], out, looks()))
        return
    algos, tasks = picked(only)
    places = runs or roots_of(input_, beside)
    chosen = None if suite is None else suite_of(suite, profile or profile_of(suite, places, preset, say), preset)
    page = build(
        places,
        out,
        input_,
        metric,
        suite=chosen,
        window=dip_window,
        threshold=threshold,
        looks=looks(),
        interpolate=interpolate,
        algos=algos,
        tasks=tasks,
        beside=beside,
        say=say,
    )
    typer.echo(page)
