"""`bench report`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import typer

from suite.cli import report_options as options

__all__ = ["report"]


def report(
    runs: options.Runs = None,
    out: options.Out = Path("report"),
    suite: options.SuiteName = None,
    profile: options.Profile = None,
    preset: options.Preset = None,
    compare: options.Compare = None,
    input_: options.Inputs = [],  # noqa: B006
    only: options.Only = [],  # noqa: B006
    beside: options.Beside = None,
    metric: options.Metric = None,
    dip_window: options.DipWindow = None,
    threshold: options.Threshold = None,
    interpolate: options.Interpolate = False,
    watch: options.Watch = False,
    every: options.Every = None,
) -> None:
    """Draw curves, tables and one page from run folders, or score against trials from a folder of `bench tune`."""
    from reports import build, build_comparison, build_tuning
    from suite.cli.report_inputs import looks, picked, profile_of, roots_of, suite_of
    from suite.cli.report_watch import EVERY, watched
    from suite.output import say
    from suite.record.trials import SEARCH

    of_suite = {"--profile": profile, "--preset": preset}
    of_scores: dict[str, Any] = {"--suite": suite, "--input": input_, "--only": only, "--beside": beside}
    of_scores |= {"--dip-window": dip_window, "--threshold": threshold, "--interpolate": interpolate, "--watch": watch}
    if suite is None:
        options.refuse_beside(of_suite, "--profile says at which sizes a --suite was run, --preset by which file")
    if not watch:
        options.refuse_beside({"--every": every}, "--every says how often --watch looks")
    if compare is not None:
        why = "--compare takes two folders of runs, --metric and --out, nothing else"
        options.refuse_beside({"RUNS": runs, **of_scores}, why)
        typer.echo(build_comparison(*compare, out, metric, say=say))
        return
    if searches := [root for root in runs or [] if (root / SEARCH).is_file()]:
        more = {"other folders": (runs or [])[1:], "--metric": metric, **of_scores}
        options.refuse_beside(more, f"{searches[0]} is a search of `bench tune`: give it alone, with --out")
        typer.echo(build_tuning(searches[0], out, looks()))
        return
    algos, tasks = picked(only)
    roots = runs or roots_of(input_, beside)
    chosen = None if suite is None else suite_of(suite, profile or profile_of(suite, roots, preset, say), preset)
    of_page: dict[str, Any] = {"suite": chosen, "window": dip_window, "threshold": threshold, "looks": looks()}
    of_page |= {"interpolate": interpolate, "algos": algos, "tasks": tasks, "beside": beside, "say": say}
    again = partial(build, roots, out, input_, metric, **of_page)
    typer.echo(watched(again, roots, every or EVERY, say) if watch else again())
