"""Cells: one algorithm on one task with all its seeds, and the sources that they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.runs.curves import Curve

__all__ = ["ENOUGH", "Cell", "Source", "counted", "dataset_name", "merge", "task_name"]

ENOUGH = 0.5  # share of the shortest calendar that has to be shared for a comparison at shared steps
EARLY = 0.9  # of the way to the usual end: a seed that stops before has not been trained as the others
NAMED = 3  # steps of unused evaluations that are named one by one


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
    replaced: Mapping[str, int] = field(
        default_factory=dict
    )  # score -> values that a later one of the same step replaced
    reference: bool = False  # whether it is one of the packed reference results

    @property
    def all_diverged(self) -> bool:
        """Whether no seed of it is left."""
        return set(self.seeds) == set(self.diverged)

    @property
    def external(self) -> bool:
        """Whether it was imported from a file, its settings unknown."""
        return not self.run

    @property
    def profile(self) -> str:
        """Name of the profile that was run; 'external' for what was imported."""
        return str(self.run.get("profile", "external"))


@dataclass(frozen=True)
class Cell:
    """What a comparison is made of: finished sources that differ only in their seeds, or one unfinished.

    Beside finished ones stand those that ended as all their seeds diverged.
    """

    task: str
    label: str
    sources: tuple[Source, ...]

    @property
    def first(self) -> Source:
        """The first source, which speaks for all in everything but seeds."""
        return self.sources[0]

    @property
    def finished(self) -> bool:
        """Whether it was trained to the end; imported results count as such."""
        return self.first.finished

    @property
    def offline_only(self) -> bool:
        """Whether it is judged by its score at the switch: the method has no online phase, or was given none."""
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

    @property
    def all_diverged(self) -> bool:
        """Whether no seed of it is left."""
        return all(source.all_diverged for source in self.sources)

    def curve(self, metric: str) -> Curve | None:
        """The curve of a metric over all seeds, or None if no seed has it."""
        return merge([s.curves[metric] for s in self.sources if metric in s.curves])

    def usable(self, metric: str, floor: float | None = None) -> tuple[Curve | None, list[str]]:
        """The curve of a metric over the seeds that count, at the steps they share; and what was left out and why.

        A seed that diverged counts with `floor` from then on or, where there is none, nowhere. There is no curve if the
        seeds share fewer than half of the evaluations of the seed with the fewest.
        """
        curve = self.curve(metric)
        if curve is None:
            return None, [f"no {metric!r} recorded"]
        keep, why = counted(curve, self.diverged)
        if floor is not None and self.diverged:
            gone = [s in self.diverged for s in curve.seeds]
            why, keep = why[len(self.diverged) :], keep | np.array(gone)
            for seed in sorted(set(self.diverged) - set(curve.seeds)):  # no evaluation came before
                curve, keep = _with_seed(curve, keep, seed)
            curve = _failed(curve, self.diverged, floor)
        absent = sorted(set(self.seeds) - set(curve.seeds) - set(self.diverged))
        why += [f"seed {seed} has no {metric!r}" for seed in absent]
        if not keep.any():
            return None, why
        values = curve.values[keep]
        there = ~np.isnan(values)
        shared = there.all(axis=0)
        fewest = int(there.sum(axis=1).min())
        if shared.sum() < ENOUGH * fewest:
            few = f"its {len(values)} seeds share {int(shared.sum())} of {fewest} evaluations or more"
            return None, [*why, f"{few}: not compared unless `--interpolate` brings them to the same steps"]
        unused = curve.steps[there.any(axis=0) & ~shared]
        if len(unused):
            steps = ", ".join(f"{step:,}" for step in unused[:NAMED]) + (", ..." if len(unused) > NAMED else "")
            of = f"{len(unused)} of {len(unused) + int(shared.sum())} evaluations not used"
            why.append(f"{of} (step {steps}): not every seed has them")
        seeds = tuple(s for s, kept in zip(curve.seeds, keep, strict=True) if kept)
        return Curve(seeds, curve.steps[shared], values[:, shared]), why


def _with_seed(curve: Curve, keep: NDArray[np.bool_], seed: int) -> tuple[Curve, NDArray[np.bool_]]:
    """The curve and who counts in it with one more seed, which has no value."""
    at = int(np.searchsorted(curve.seeds, seed))
    seeds = (*curve.seeds[:at], seed, *curve.seeds[at:])
    return Curve(seeds, curve.steps, np.insert(curve.values, at, np.nan, axis=0)), np.insert(keep, at, True)


def _failed(curve: Curve, diverged: Mapping[int, int], floor: float) -> Curve:
    """The curve with `floor` wherever a seed had diverged: after its last value before that was noticed."""
    last = max(diverged.values())
    if diverged.keys() >= set(curve.seeds) and last > curve.steps[-1]:  # nobody was left to be evaluated then
        values = np.insert(curve.values, len(curve.steps), np.nan, axis=1)
        curve = Curve(curve.seeds, np.append(curve.steps, last), values)
    values = curve.values.copy()
    for row, seed in zip(values, curve.seeds, strict=True):
        if seed in diverged:
            there = np.flatnonzero(~np.isnan(row) & (curve.steps < diverged[seed]))
            row[there[-1] + 1 if len(there) else 0 :] = floor
    return Curve(curve.seeds, curve.steps, values)


def counted(curve: Curve, diverged: Mapping[int, int]) -> tuple[NDArray[np.bool_], list[str]]:
    """Which seeds of a curve count, and why others do not: those that diverged, and those that ended early.

    Early is before nine tenths of the way from the first evaluation to where the middle one of the seeds ends.
    """
    why = [f"seed {s} diverged at step {step:,}" for s, step in diverged.items()]
    there = ~np.isnan(curve.values)
    keep = np.array([s not in diverged for s in curve.seeds]) & there.any(axis=1)
    if not keep.any():
        return keep, why
    ends = np.array([curve.steps[row][-1] if row.any() else curve.steps[0] for row in there])
    middle, first = int(np.sort(ends[keep])[keep.sum() // 2]), int(curve.steps[0])
    early = keep & (ends < first + EARLY * (middle - first))
    why += [
        f"seed {s} ends at step {end:,}, others at {middle:,}"
        for s, end, short in zip(curve.seeds, ends.tolist(), early, strict=True)
        if short
    ]
    return keep & ~early, why


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


def task_name(task: str, dataset: str | None) -> str:
    """Name of a task with its data: the same environment with other data is another task.

    `dataset` is what was asked for: None, "" and "default" are the data that the task has anyway.
    """
    return task if dataset in (None, "", "default") else f"{task} ({dataset})"


def dataset_name(run: Mapping[str, Any]) -> str:
    """Id and fingerprint of a run's data; empty where none are recorded."""
    data: dict[str, Any] = dict(run.get("dataset") or {})
    return f"{data.get('id')} ({data.get('fingerprint')})" if data else ""
