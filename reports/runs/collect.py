"""Reads everything that a report is made of, run folders and imported files, into cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from reports.runs.cells import Cell, Source, task_name
from reports.runs.curves import SCORES, Metrics, metrics_of
from reports.runs.parallel import spreading
from reports.runs.pool import external_cells, own_cells
from reports.runs.reference import Apart, beside_them
from suite.record.folders import Columns, RecordError, Run, find_runs, read_columns, read_facts
from suite.record.reference import Packed
from suite.record.tidy import read_tidy
from suite.record.trials import search_of

__all__ = ["Collection", "Quarantined", "collect", "source_of"]

NAMED = 3  # run folders that a terminal is told of, one by one
NEEDED = ("name", "hash", "profile", "settings")


@dataclass(frozen=True)
class Quarantined:
    """A run folder that cannot be read, and why: it is in no figure and no table but the one that names it."""

    where: str
    reason: str


@dataclass(frozen=True)
class Collection:
    """What a report is made of: cells in the order of task and label, and what could not be read."""

    cells: Sequence[Cell]
    quarantined: Sequence[Quarantined] = ()
    folders: int = 0  # of runs, the quarantined among them
    reference: Sequence[Cell] = ()  # all reference results, in the comparison or not
    apart: Sequence[Apart] = ()  # those that cannot be compared with the runs

    def left_out(self) -> list[str]:
        """Lines for a terminal on what could not be read: the first few, and how many in all."""
        if not self.quarantined:
            return []
        many = len(self.quarantined) > NAMED
        count = f"{len(self.quarantined)} of {self.folders} run folders left out{'; the page names all' * many}"
        return [*(f"left out: {one.reason}" for one in self.quarantined[:NAMED]), count]


def collect(
    roots: Sequence[Path],
    inputs: Sequence[Path] = (),
    pick: Callable[[Sequence[Source]], Sequence[Source]] = lambda sources: sources,
    beside: Sequence[Packed] = (),
) -> Collection:
    """Read every run folder below `roots` and the tidy CSVs `inputs`; of the runs, `pick` says which to keep.

    The packed runs `beside` them join in where they can be compared, see `reports.runs.reference`; where there is
    nothing else, they are the report.

    Raises `RecordError` if nothing was found or nothing could be read, or if an input is not what it should be.
    """
    folders = {path.resolve(): (path, root) for root in roots for path in _runs_below(root, inputs)}
    trials = _trials(folders.values())
    own = [pair for path, pair in folders.items() if search_of(path) is None]
    with spreading(partial(_read, apart=len(roots) > 1), own) as results:
        found = [*trials, *results]
    quarantined = [one for one in found if isinstance(one, Quarantined)]
    sources = pick([one for one in found if isinstance(one, Source)])
    imported = [source for path in inputs for source in _tidy_sources(path)]
    packed = pick([source_of(one.run) for one in beside])
    if not sources and not imported and not (packed and not found):
        raise RecordError(_nothing(roots, inputs, quarantined, found))
    cells = [*own_cells(sources), *external_cells(imported, beside=bool(sources or packed))]
    joined, apart = beside_them(cells, packed)
    cells = sorted([*cells, *joined], key=lambda c: (c.task, c.label, not c.finished, c.first.where))
    return Collection(cells, quarantined, len(folders), own_cells(packed), apart)


def _nothing(
    roots: Sequence[Path], inputs: Sequence[Path], quarantined: Sequence[Quarantined], found: Sequence[Any]
) -> str:
    """Why there is nothing to report."""
    where = ", ".join(map(str, roots))
    if quarantined:
        return quarantined[0].reason
    if found:
        profiles = sorted({one.profile for one in found if isinstance(one, Source)})
        return (
            f"none of the {len(found)} run folders below {where} belongs to this suite as it was asked for; they "
            f"were run with --profile {' or '.join(profiles)}, and perhaps with other settings or a --preset"
        )
    if inputs and not roots:
        return f"{', '.join(map(str, inputs))} holds no results"
    return f"no run folders below {where}; `bench run --out {where}` writes them, `--input FILE` adds a tidy CSV"


def _trials(folders: Iterable[tuple[Path, Path]]) -> list[Quarantined]:
    """Trials of `bench tune`, counted by search: their seeds chose settings, and they are no results."""
    searches = Counter(search for path, _ in folders if (search := search_of(path)))
    return [
        Quarantined(search.name, f"{search}: {count} trials of `bench tune`, which a report on that folder alone shows")
        for search, count in searches.items()
    ]


def _runs_below(root: Path, inputs: Sequence[Path]) -> list[Path]:
    return find_runs(root) if root.is_dir() or not inputs else []


def _read(found: tuple[Path, Path], apart: bool) -> Source | Quarantined:
    folder, root = found
    where = folder.relative_to(root).as_posix()
    try:
        return _run_source(folder, f"{root.name}/{where}" if apart else where)
    except RecordError as error:
        return Quarantined(where, str(error))


def _run_source(folder: Path, where: str) -> Source:
    try:
        run = read_facts(folder)
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{folder}: damaged run folder ({error}); delete it to run this cell again") from None
    for key in NEEDED:
        if key not in run.run:
            raise RecordError(f"{folder / 'run.json'}: no {key!r}: not written by this version of `bench run`")
    if not all(isinstance(v, dict) and "value" in v for v in run.run["settings"].values()):
        raise RecordError(f"{folder / 'run.json'}: a setting without 'value': not written by `bench run`")
    return source_of(replace(run, columns=read_columns(folder, run.finished)), where)


def source_of(run: Run, where: str | None = None) -> Source:
    """A run that was read, with its curves; raises `RecordError` where its metrics are not those of its facts."""
    folder = run.path
    metrics = metrics_of(run.columns, folder / "metrics.csv")
    evaluated = {s for name in SCORES if name in metrics.curves for s in metrics.curves[name].seeds}
    unlisted = sorted(evaluated - set(run.seeds))
    silent = sorted(set(run.seeds) - evaluated - metrics.diverged.keys())
    if unlisted:
        raise RecordError(f"{folder}: metrics.csv has rows of seed {unlisted[0]}, which run.json does not list")
    if run.finished and silent:
        raise RecordError(f"{folder}: the run is marked finished but seed {silent[0]} has no evaluation in metrics.csv")
    if run.finished:
        _check_whole(run, metrics)
    task = task_name(run.task, dict(run.run.get("dataset") or {}).get("asked"))
    return Source(
        where=where or f"reference/{folder.as_posix()}",
        algo=run.algo,
        task=task,
        seeds=tuple(sorted(run.seeds)),
        finished=run.finished,
        run=run.run,
        status=run.status,
        curves=metrics.curves,
        diverged=metrics.diverged,
        lines=metrics.lines,
        reference=where is None,
    )


def _check_whole(run: Run, metrics: Metrics) -> None:
    """Check that every seed of a finished run has a score of the last evaluation, or has diverged."""
    end = run.status.get("env_step")  # 0 where there was no online phase, which is where its last evaluation stands
    for name in SCORES:
        if name not in metrics.curves:
            continue
        curve = metrics.curves[name]
        there = ~np.isnan(curve.values[:, curve.steps == end]).all(axis=1)
        lacking = set(run.seeds) - metrics.diverged.keys() - set(np.array(curve.seeds)[there].tolist())
        if lacking:
            raise RecordError(
                f"{run.path}: the run is marked finished at step {end}, but metrics.csv ends before the {name!r} of "
                f"seed {min(lacking)} there; bring it back from a copy, or delete the folder to run this cell again"
            )


def _tidy_sources(path: Path) -> list[Source]:
    out = []
    for (algo, env), rows in read_tidy(path).items():
        metrics = metrics_of(Columns.of(rows), path, twice=True)
        seeds = tuple(sorted({row.seed for row in rows}))
        out.append(
            Source(
                where=path.name,
                algo=algo,
                task=env,
                seeds=seeds,
                finished=True,
                run={},
                status={},
                curves=metrics.curves,
                diverged=metrics.diverged,
                lines=metrics.lines,
                replaced=metrics.replaced,
            )
        )
    return out
