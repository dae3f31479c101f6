"""From run folders to tables, plots and one page. Of the house it reads `suite.record` alone.

    runs      run folders and imported files -> cells: one algorithm on one task with all its seeds
    numbers   what the scores say: estimates, intervals, differences, and what to know before believing them
    tables    numbers as text, and as CSV, JSON, Markdown and LaTeX
    pictures  the figures, in one style
    notebook  what was recorded as a DataFrame, and tables and figures one by one
    page      everything on one page, in a folder that is replaced as a whole

A room imports only from those above it. Importing this package loads nothing heavy: a report begins with that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from reports.runs.wanted import Suite
    from suite.record.reference import Packed

__all__ = [
    "REFERENCE",
    "agreement",
    "build",
    "build_comparison",
    "build_tuning",
    "curves",
    "figure",
    "judged",
    "load",
    "table",
]

REFERENCE = "reference"  # the results that come with the package
Roots = str | Path | Sequence[str | Path]


def build(
    roots: Path | Sequence[Path],
    out: Path,
    inputs: Sequence[Path] = (),
    headline: str | None = None,
    seed: int = 0,
    suite: Suite | None = None,
    window: int | None = None,
    threshold: float | None = None,
    looks: Mapping[str, str] = MappingProxyType({}),
    interpolate: bool = False,
    algos: Collection[str] = (),
    tasks: Collection[str] = (),
    beside: str | Path | None = None,
    say: Callable[[str], object] = lambda line: None,
) -> Path:
    """Write the report on all runs below `roots` and the tidy CSVs `inputs` into `out`.

    `headline` is the metric that curves and tables show (None: the suite's, or success, or where a run's task has no
    success rule normalised scores or returns), `seed` that of the bootstrap. With a `suite` only its runs count, what
    is missing of it is named, and the paper's printed numbers stand beside ours. A dip is looked for within `window`
    environment steps after the switch (None: the first quarter of the online phase); `threshold` is a score whose
    first reaching is timed (None: half of solved). `looks` names the colour and dashes that a method has in every
    report ("blue dashed"); those not in it get what is free. Seeds and entries that were evaluated at different steps
    are compared at those they share; with `interpolate` they are brought to the same steps by straight lines. `algos`
    and `tasks` leave out what they do not name (empty: nothing). `beside` draws reference results among the runs: those
    that come with the package ("reference") or that lie in a folder; where there are no runs, they are the report.
    `say` is given lines on run folders that are left out.

    The same runs give the same bytes. An earlier report at `out` is replaced as a whole and only once the new one is
    complete. Returns the path of its index.html. Raises `RecordError` if nothing is found, nothing can be read, or
    `out` holds something else or cannot be written.
    """
    from reports.page.build import build as build_page  # late: matplotlib and rliable take seconds to import
    from reports.runs.only import Only

    only = Only(frozenset(algos), frozenset(tasks))
    folders = [Path(roots)] if isinstance(roots, str | Path) else [Path(root) for root in roots]
    files = [Path(file) for file in inputs]
    packed = _packed(beside)
    return build_page(
        folders, Path(out), files, headline, seed, suite, window, threshold, looks, interpolate, only, packed, say
    )


def build_comparison(
    before: Path,
    after: Path,
    out: Path,
    headline: str | None = None,
    seed: int = 0,
    say: Callable[[str], object] = lambda line: None,
) -> Path:
    """Write a page on the difference between two folders of runs into `out`: each cell and over tasks.

    Seeds that both ran are paired. Raises `RecordError` as `build` does, and if the two have no finished
    cell in common.
    """
    from reports.page.change import build as build_page

    return build_page(Path(before), Path(after), Path(out), headline, seed, say)


def agreement(again: Sequence[tuple[Packed, Path]]) -> list[dict[str, Any]]:
    """Compare reference results, each with the folder of the run that made it again: a row for each score.

    Columns: algo, task, seeds, score (switch, final), metric, reference, here, difference (means and 95 % intervals),
    verdict: "equal" to the last digit of everything recorded, "agrees", or "differs", for which the 5 % level is
    shared by all rows (Holm). Raises `RecordError` where a run is missing or cannot be read.
    """
    from reports.numbers.agreement import agreement as compare

    return compare(again)


def judged(
    roots: Sequence[str | Path],
    beside: str | Path | None = None,
    suite: str | None = None,
    profile: str = "quick",
    parts: bool = False,
) -> list[dict[str, Any]]:
    """Judge the papers' claims by the runs below `roots` at the sizes of a profile: a row for each claim.

    Columns: claim, place, says, verdict (holds, refuted, undecided, not run), by (the deciding numbers), seeds_needed
    (that would decide what is undecided) and, with `parts`, all that it rests on. `beside` as in `build`; `suite` takes
    the claims that its runs decide. Raises `RecordError` as `build` does, and for a suite that decides none.
    """
    from reports.notebook.claims import rows_of

    packed = _packed(beside)
    return rows_of([Path(root) for root in roots], packed, suite, profile, parts)


def build_tuning(root: Path, out: Path, looks: Mapping[str, str] = MappingProxyType({})) -> Path:
    """Write a page on a folder of `bench tune` into `out`: score against number of trials, and every trial.

    Raises `RecordError` as `build` does, and if no trial is complete.
    """
    from reports.page.tuning import build as build_page

    return build_page(Path(root), Path(out), looks)


def load(
    roots: Roots = "runs",
    inputs: Sequence[str | Path] = (),
    settings: bool | Sequence[str] = False,
    beside: str | Path | None = None,
) -> pd.DataFrame:
    """Everything that was recorded below `roots` and in the tidy CSVs `inputs`, unfinished runs included.

    One row for each value: task, algorithm (the label it has in a report), seed, phase, step (of the environment, per
    seed; negative: updates left before the switch), metric, value. `settings` adds a column for each setting of the
    run, or for those named; None where a run has none of that name. `beside` adds reference results as in `build`:
    `reports.load((), beside="reference")` is all of them. Warns of run folders that cannot be read. Raises
    `RecordError` as `build` does.
    """
    from reports.notebook.frame import frame_of
    from reports.notebook.read import read

    return frame_of(read(roots, inputs, packed=_packed(beside)).cells, settings)


def table(
    name: str,
    roots: Roots = "runs",
    inputs: Sequence[str | Path] = (),
    metric: str | None = None,
    seed: int = 0,
    interpolate: bool = False,
    algos: Collection[str] = (),
    tasks: Collection[str] = (),
    beside: str | Path | None = None,
) -> pd.DataFrame:
    """One of a report's tables, by the name of its file ("ranking", "paper_means", "differences", ...).

    The other arguments are those of `load` and `build`. Raises `RecordError` for a name that is none, with those that
    are, and as `build` does.
    """
    from reports.notebook.asked import table_of
    from reports.notebook.read import read, results

    return table_of(results(read(roots, inputs, algos, tasks, _packed(beside)), metric, seed, interpolate), name)


def figure(
    name: str,
    roots: Roots = "runs",
    inputs: Sequence[str | Path] = (),
    metric: str | None = None,
    seed: int = 0,
    interpolate: bool = False,
    algos: Collection[str] = (),
    tasks: Collection[str] = (),
    looks: Mapping[str, str] = MappingProxyType({}),
    beside: str | Path | None = None,
) -> Figure:
    """One of a report's figures, by the name of its file ("learning_curves", "profile", "aggregates", ...).

    The other arguments are those of `load` and `build`. A notebook shows the figure that a cell ends with;
    `figure.savefig(...)` writes it. Raises `RecordError` as `table` does, and where there is nothing to draw.
    """
    from reports.notebook.asked import figure_of
    from reports.notebook.read import read, results

    return figure_of(
        results(read(roots, inputs, algos, tasks, _packed(beside)), metric, seed, interpolate), name, looks
    )


def curves(
    frame: pd.DataFrame, metric: str | None = None, seed: int = 0, looks: Mapping[str, str] = MappingProxyType({})
) -> Figure:
    """Learning curves of rows as `load` and a run's `metrics` have them, also of some of them or several joined.

    A panel for each task and a line for each algorithm: the interquartile mean over seeds with its interval, as in a
    report. Without a `metric` it is the one that a report would take. Raises `RecordError` where a column is missing,
    a seed has two values at one step, or nothing is there to draw.
    """
    from reports.notebook.drawn import curves_of

    return curves_of(frame, metric, seed, looks)


def _packed(beside: str | Path | None) -> list[Packed]:
    """The reference results that are meant: those of the package, those in a folder, or none."""
    from suite.record.reference import read

    return [] if beside is None else read() if beside == REFERENCE else read(Path(beside))
