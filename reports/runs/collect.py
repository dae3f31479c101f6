"""From run folders and imported files to cells: one algorithm on one task, with the seeds that were run.

Run folders are pooled into one cell only if they are equal in everything that can move a score (settings,
profile, data, success rule) and share no seed; what differs becomes an entry of its own with a tag:
`awac [quick-1a2b3c4d]`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from reports.runs.curves import SCORES, Curve, Metrics, metrics_of
from reports.runs.parallel import spreading
from suite.record.folders import Columns, RecordError, Run, find_runs, read_columns, read_facts
from suite.record.tidy import read_tidy

__all__ = ["SCORES", "Cell", "Collection", "Curve", "Quarantined", "Source", "collect", "dataset_name", "task_name"]

NAMED = 3  # run folders that a terminal is told of, one by one
NEEDED = ("name", "hash", "profile", "settings")


@dataclass(frozen=True)
class Source:
    """One run folder, or one (algo, env) of an imported file; `run` and `status` are empty for the latter."""

    where: str  # below the root of the runs, or the file's name
    algo: str
    task: str
    seeds: tuple[int, ...]
    finished: bool
    run: Mapping[str, Any]
    status: Mapping[str, Any]
    curves: Mapping[str, Curve] = field(repr=False)
    diverged: Mapping[int, int]  # seed -> env_step of its first row that says so
    lines: Sequence[str] = field(repr=False)  # rows of scores as written in metrics.csv

    @property
    def external(self) -> bool:
        """Imported from a file, settings unknown."""
        return not self.run

    @property
    def profile(self) -> str:
        """paper, quick or smoke; 'external' for what was imported."""
        return str(self.run.get("profile", "external"))


@dataclass(frozen=True)
class Cell:
    """What a comparison is made of: finished sources that differ only in their seeds, or one unfinished."""

    task: str
    label: str
    sources: tuple[Source, ...]

    @property
    def first(self) -> Source:
        """Speaks for all sources in everything but seeds."""
        return self.sources[0]

    @property
    def finished(self) -> bool:
        """Trained to the end; imported results count as such."""
        return self.first.finished

    @property
    def offline_only(self) -> bool:
        """Judged by its score at the switch, as it has no online phase: the method has none, or was given none."""
        steps = dict(self.first.run.get("settings", {}).get("online_steps") or {}).get("value")
        return bool(self.first.run.get("offline_only", False)) or steps == 0

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds, diverged ones included."""
        return tuple(sorted(s for source in self.sources for s in source.seeds))

    @property
    def diverged(self) -> dict[int, int]:
        """Seeds whose parameters stopped being finite -> env_step of the first row that says so."""
        return {seed: step for source in self.sources for seed, step in sorted(source.diverged.items())}

    def curve(self, metric: str) -> Curve | None:
        """The metric of all seeds, or None if no seed has it."""
        return merge([s.curves[metric] for s in self.sources if metric in s.curves])

    def usable(self, metric: str) -> tuple[Curve | None, list[str]]:
        """The metric of the seeds that count, at the steps they share; and who was left out and why.

        A seed counts if it did not diverge and was evaluated at the cell's last step.
        """
        curve = self.curve(metric)
        if curve is None:
            return None, [f"no {metric!r} recorded"]
        why = [f"seed {s} diverged at step {step:,}" for s, step in self.diverged.items()]
        keep = np.array([s not in self.diverged for s in curve.seeds])
        absent = sorted(set(self.seeds) - set(curve.seeds))
        short = np.isnan(curve.values[:, -1]) & keep
        last = int(curve.steps[-1])
        for s in [*absent, *np.array(curve.seeds)[short].tolist()]:
            why.append(f"seed {s} has no {metric!r} at the last step, {last:,}")
        keep &= ~short
        if not keep.any():
            return None, why
        values = curve.values[keep]
        shared = ~np.isnan(values).any(axis=0)
        seeds = tuple(s for s, kept in zip(curve.seeds, keep, strict=True) if kept)
        return Curve(seeds, curve.steps[shared], values[:, shared]), why


@dataclass(frozen=True)
class Quarantined:
    """A run folder that cannot be read, and why: it is in no figure and no table but the one that names it."""

    where: str
    reason: str


@dataclass(frozen=True)
class Collection:
    """All that was found: cells in the order of task and label, and what could not be read."""

    cells: Sequence[Cell]
    quarantined: Sequence[Quarantined] = ()
    folders: int = 0  # of runs, the quarantined among them

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
) -> Collection:
    """Read every run folder below `roots` and the tidy CSVs `inputs`; of the runs those that are picked.

    Raises `RecordError` if nothing was found or nothing could be read, or if an input is not what it should be.
    """
    folders = {path.resolve(): (path, root) for root in roots for path in _runs_below(root, inputs)}
    with spreading(partial(_read, apart=len(roots) > 1), list(folders.values())) as results:
        found = list(results)
    quarantined = [one for one in found if isinstance(one, Quarantined)]
    sources = pick([one for one in found if isinstance(one, Source)])
    imported = [source for path in inputs for source in _tidy_sources(path)]
    if not sources and not imported:
        where = ", ".join(map(str, roots))
        if quarantined:
            raise RecordError(quarantined[0].reason)
        if found:
            raise RecordError(f"none of the {len(found)} run folders below {where} belongs to this suite")
        raise RecordError(
            f"no run folders below {where}; `bench run --out {where}` writes them, `--input FILE` adds a tidy CSV"
        )
    cells = [*_own_cells(sources), *_external_cells(imported)]
    cells.sort(key=lambda c: (c.task, c.label, not c.finished, c.first.where))
    return Collection(cells, quarantined, len(found))


def task_name(task: str, dataset: str | None) -> str:
    """The same environment with other data is another task: what there is to learn from is part of it.

    `dataset` is what was asked for: None, "" and "default" are the data that the task has anyway.
    """
    return task if dataset in (None, "", "default") else f"{task} ({dataset})"


def dataset_name(run: Mapping[str, Any]) -> str:
    """What a run's data were, to the byte; empty where none are recorded."""
    data: dict[str, Any] = dict(run.get("dataset") or {})
    return f"{data.get('id')} ({data.get('fingerprint')})" if data else ""


def _runs_below(root: Path, inputs: Sequence[Path]) -> list[Path]:
    return find_runs(root) if root.is_dir() or not inputs else []


def _read(found: tuple[Path, Path], apart: bool) -> Source | Quarantined:
    folder, root = found
    where = folder.relative_to(root).as_posix()
    try:
        return _run_source(folder, f"{root.name}/{where}" if apart else where)
    except RecordError as error:
        return Quarantined(where, str(error))


def merge(curves: Sequence[Curve]) -> Curve | None:
    """Stack the seeds of several curves over the union of their steps."""
    if len(curves) < 2:
        return curves[0] if curves else None
    steps = np.unique(np.concatenate([c.steps for c in curves]))
    values = np.full((sum(len(c.seeds) for c in curves), len(steps)), np.nan)
    row = 0
    for c in curves:
        values[row : row + len(c.seeds), np.searchsorted(steps, c.steps)] = c.values
        row += len(c.seeds)
    seeds = [s for c in curves for s in c.seeds]
    order = np.argsort(seeds, kind="stable")
    return Curve(tuple(sorted(seeds)), steps, values[order])


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
    metrics = metrics_of(read_columns(folder, run.finished), folder / "metrics.csv")
    evaluated = {s for name in SCORES if name in metrics.curves for s in metrics.curves[name].seeds}
    unlisted = sorted(evaluated - set(run.seeds))
    silent = sorted(set(run.seeds) - evaluated)
    if unlisted:
        raise RecordError(f"{folder}: metrics.csv has rows of seed {unlisted[0]}, which run.json does not list")
    if run.finished and silent:
        raise RecordError(f"{folder}: the run is marked finished but seed {silent[0]} has no evaluation in metrics.csv")
    if run.finished:
        _check_whole(run, metrics)
    task = task_name(run.task, dict(run.run.get("dataset") or {}).get("asked"))
    return Source(
        where, run.algo, task, tuple(sorted(run.seeds)), run.finished, run.run, run.status, metrics.curves,
        metrics.diverged, metrics.lines,
    )  # fmt: skip


def _check_whole(run: Run, metrics: Metrics) -> None:
    """Raises `RecordError` where a seed of a finished run has not diverged and lacks a score of the last evaluation."""
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
        metrics = metrics_of(Columns.of(rows), path)
        seeds = tuple(sorted({row.seed for row in rows}))
        out.append(
            Source(path.name, algo, env, seeds, True, {}, {}, metrics.curves, metrics.diverged, metrics.lines)
        )  # fmt: skip
    return out


def _condition(source: Source) -> str:
    """Everything that can move a score, except the seeds, as text to compare."""
    run = source.run
    values = {k: v["value"] for k, v in run["settings"].items()}
    data = dict(run.get("dataset") or {}).get("fingerprint")
    return json.dumps([values, run["profile"], data, run.get("success_rule"), run.get("offline_only")], sort_keys=True)


def _own_cells(sources: Sequence[Source]) -> list[Cell]:
    groups: dict[tuple[str, str, str], list[Source]] = {}
    for source in sources:
        groups.setdefault((source.algo, source.task, _condition(source)), []).append(source)
    apart: list[list[Source]] = []
    for group in groups.values():
        seeds = [s for source in group for s in source.seeds]
        # a seed that was run twice is not two seeds
        apart += [group] if len(set(seeds)) == len(seeds) else [[source] for source in group]
    mixed = len({source.profile for source in sources}) > 1
    cells = []
    for algo in sorted({source.algo for source in sources}):
        own = [group for group in apart if group[0].algo == algo]
        for group, tag in zip(own, _tags(own, mixed), strict=True):
            label = f"{algo} [{tag}]" if tag else algo
            done = tuple(s for s in group if s.finished)
            # unfinished runs have come differently far: each stays by itself
            parts = [done, *((s,) for s in group if not s.finished)]
            cells += [Cell(part[0].task, label, part) for part in parts if part]
    return cells


def _tags(groups: Sequence[Sequence[Source]], mixed: bool) -> list[str]:
    """The shortest kind of tag that tells an algorithm's groups apart on every task."""

    def with_profile(source: Source, text: str) -> str:
        return text if not mixed or source.profile in text else f"{source.profile} {text}".strip()

    firsts = [group[0] for group in groups]
    for kind in ("", "{name}", "{name}-{hash}"):
        tags = [with_profile(s, kind.format(name=s.run["name"], hash=s.run["hash"])) for s in firsts]
        if len({(s.task, tag) for s, tag in zip(firsts, tags, strict=True)}) == len(firsts):
            return tags
    return [with_profile(s, s.where) for s in firsts]


def _external_cells(sources: Sequence[Source]) -> list[Cell]:
    cells = []
    for source in sources:
        name = source.algo.removesuffix(" (external)")
        twins = [s for s in sources if (s.algo.removesuffix(" (external)"), s.task) == (name, source.task)]
        suffix = "external" if len(twins) == 1 else f"external: {source.where}"
        cells.append(Cell(source.task, f"{name} ({suffix})", (source,)))
    doubled = [c for c in cells if sum((o.task, o.label) == (c.task, c.label) for o in cells) > 1]
    if doubled:
        raise RecordError(f"{doubled[0].label} on {doubled[0].task} was given twice by --input; leave one out")
    return cells
