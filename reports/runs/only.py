"""A part of what was run: some algorithms on some tasks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from reports.runs.cells import Cell
from reports.runs.collect import Collection
from suite.record.folders import RecordError

__all__ = ["Only"]


@dataclass(frozen=True)
class Only:
    """The algorithms and tasks that a report shows; empty: all of them."""

    algos: frozenset[str] = frozenset()
    tasks: frozenset[str] = frozenset()  # with or without version and data: pen-binary is pen-binary-v0, too

    def keeps(self, task: str, algo: str) -> bool:
        """Whether an algorithm, by its name or the label of an entry, on a task is part of it."""
        named = {algo, algo.partition(" [")[0], algo.partition(" (external")[0]}
        return (not self.algos or bool(named & self.algos)) and (
            not self.tasks or any(_is(task, t) for t in self.tasks)
        )

    def of(self, found: Collection) -> Collection:
        """The cells that are part of it; raises `RecordError` where a name is that of none."""
        self._check(found.cells)
        kept = [cell for cell in found.cells if self.keeps(cell.task, cell.label)]
        if not kept:
            raise RecordError("--only leaves nothing: none of those algorithms was run on those tasks")
        return replace(found, cells=kept)

    def _check(self, cells: Sequence[Cell]) -> None:
        for algo in sorted(self.algos):
            if not any(
                replace(self, algos=frozenset({algo}), tasks=frozenset()).keeps("", cell.label) for cell in cells
            ):
                there = ", ".join(sorted({cell.first.algo.removesuffix(" (external)") for cell in cells}))
                raise RecordError(f"--only algo={algo}: no run of it; there are {there}")
        for task in sorted(self.tasks):
            if not any(_is(cell.task, task) for cell in cells):
                there = ", ".join(sorted({cell.task for cell in cells}))
                raise RecordError(f"--only env={task}: no run on it; there are {there}")


def _is(task: str, name: str) -> bool:
    """Whether `name` is the task, its name without the version, or either without the data."""
    return re.fullmatch(rf"{re.escape(name)}(-v\d+)?( \(.*\))?", task) is not None
