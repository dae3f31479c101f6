"""Cells: one algorithm on one task with all its seeds, and the sources that they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reports.runs.curves import Curve

__all__ = ["Cell", "Source", "dataset_name", "merge", "task_name"]


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
        """Whether it was imported from a file, its settings unknown."""
        return not self.run

    @property
    def profile(self) -> str:
        """Name of the profile that was run; 'external' for what was imported."""
        return str(self.run.get("profile", "external"))


@dataclass(frozen=True)
class Cell:
    """What a comparison is made of: finished sources that differ only in their seeds, or one unfinished."""

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

    def curve(self, metric: str) -> Curve | None:
        """The curve of a metric over all seeds, or None if no seed has it."""
        return merge([s.curves[metric] for s in self.sources if metric in s.curves])

    def usable(self, metric: str) -> tuple[Curve | None, list[str]]:
        """The curve of a metric over the seeds that count, at the steps they share; and who was left out and why.

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
