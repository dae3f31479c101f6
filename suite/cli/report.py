"""`bench report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from reports.runs.wanted import Suite, Wanted
    from suite.plans.cells import Planned

__all__ = ["report", "suite_of"]


def report(
    runs: Annotated[list[Path] | None, typer.Argument(help="Folders of run folders; default: runs.")] = None,
    out: Annotated[Path, typer.Option(help="Folder to write the report into.")] = Path("report"),
    suite: Annotated[
        str | None, typer.Option(help="Only the runs of a suite, beside the paper's numbers; `bench suite list`.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="With --suite: the profile it was run with; default: quick.")
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(help="Two folders of runs, before and after a change: the difference of each cell."),
    ] = None,
    input_: Annotated[list[Path], typer.Option("--input", help="Results from elsewhere, a tidy CSV. Repeatable.")] = [],  # noqa: B006
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
) -> None:
    """Draw curves, tables and one page from run folders."""
    from algos.settings import SettingError
    from reports import build, build_comparison
    from suite.output import say

    if profile is not None and suite is None:
        raise SettingError("--profile says at which sizes a --suite was run: name one, or leave it out")
    if compare is not None:
        if runs or suite or input_ or dip_window is not None or threshold is not None:
            raise SettingError("--compare takes two folders of runs, --metric and --out, nothing else")
        typer.echo(build_comparison(*compare, out, metric, say=say))
        return
    chosen = None
    if suite is not None:
        chosen = suite_of(suite, profile or "quick")
    roots = runs or [Path("runs")]
    typer.echo(build(roots, out, input_, metric, suite=chosen, window=dip_window, threshold=threshold, say=say))


def suite_of(name: str, profile: str) -> Suite:
    """The cells of a named suite at the sizes of a profile, for a report to look for; seeds do not matter."""
    from reports.runs.wanted import Suite
    from suite.plans import read as plans
    from suite.plans.cells import planned

    plan = plans.load(name)
    notes = [*plan.why, f"Planned with {plan.seeds} seeds; source of that: {plan.seeds_source}."]
    cells = [_wanted(cell) for cell in planned(plan, profile, (0,))]
    return Suite(plan.name, plan.title, plan.place, plan.about.strip(), plan.metric, notes, cells)


def _wanted(cell: Planned) -> Wanted:
    from reports.runs.wanted import Wanted

    e, entry = cell.experiment, cell.entry
    if e is None:
        return Wanted(entry.algo, _task_id(entry.env), entry.dataset, entry.name, "", None, cell.why_not)
    values = {name: s["value"] for name, s in e.settings.items()}
    return Wanted(e.algo, e.task.id, e.dataset, entry.name, e.name, values)


def _task_id(env: str) -> str:
    from envs import tasks
    from envs.plugins import OutsideTaskError

    try:
        return tasks.get(env).id
    except (tasks.UnknownTaskError, OutsideTaskError):
        return env
