"""Everything that is computed from cells, each part once and only when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from reports.numbers.aggregates import aggregates
from reports.numbers.before_after import BeforeAfter, before_after
from reports.numbers.domains import Average, averages
from reports.numbers.grid import SCALES, Common, Efficiency, Gap, common, efficiency, improvements
from reports.numbers.intervals import Interval
from reports.numbers.lines import Line, lines_of
from reports.numbers.online import Online, online
from reports.numbers.pairs import Finals, finals
from reports.numbers.verdict import Verdict, verdict_over_tasks, verdicts_per_task
from reports.runs.cells import Cell

__all__ = ["Results"]


@dataclass(frozen=True)
class Results:
    """Cells, the metric by which they are compared, and what follows from them; the arguments are those of a report."""

    cells: Sequence[Cell]
    metric: str
    seed: int = 0
    window: int | None = None
    threshold: float | None = None

    @cached_property
    def finals(self) -> Finals:
        """The finished cells with the scores that count."""
        return finals(self.cells, self.metric)

    @cached_property
    def before_after(self) -> tuple[list[BeforeAfter], list[Gap]]:
        """Scores at the switch and afterwards, and what was left out of them."""
        return before_after(self.cells, self.metric, self.seed)

    @cached_property
    def online(self) -> tuple[list[Online], list[Gap]]:
        """The online phases, and who has none that can be compared; raises `RecordError` as `online` does."""
        return online(self.cells, self.metric, self.seed, self.window, self.threshold)

    @cached_property
    def lines(self) -> list[Line]:
        """The learning curves."""
        return lines_of(self.cells, self.metric, self.seed)

    @cached_property
    def grid(self) -> Common | None:
        """The complete grid of entries and tasks; None for a metric that tasks do not share."""
        return common(self.cells, self.metric) if self.metric in SCALES else None

    @cached_property
    def per_task(self) -> list[Verdict]:
        """The verdict on every task with two entries or more."""
        return verdicts_per_task(self.finals, self.metric, self.seed)

    @cached_property
    def over_tasks(self) -> Verdict | None:
        """The verdict over the tasks of the grid."""
        return None if self.grid is None else verdict_over_tasks(self.grid, self.finals, self.metric, self.seed)

    @property
    def main(self) -> Verdict | None:
        """The verdict that a report begins with: over tasks, or else on the only task that has one."""
        return self.over_tasks or (self.per_task[0] if len(self.per_task) == 1 else None)

    @cached_property
    def averages(self) -> list[Average]:
        """The averages of domains and of all tasks."""
        return averages(self.cells, self.finals, self.metric, self.seed)

    @cached_property
    def aggregates(self) -> dict[str, dict[str, Interval]]:
        """rliable's aggregates of every entry of the grid."""
        if self.grid is None:
            return {}
        return {x: aggregates(self.grid.scores[x], self.seed, self.grid.bounds[x]) for x in self.grid.labels}

    @cached_property
    def improvements(self) -> dict[tuple[str, str], Interval]:
        """P(X > Y) of every two entries of the grid."""
        return {} if self.grid is None else improvements(self.grid)

    @cached_property
    def efficiency(self) -> tuple[Mapping[str, Efficiency], str]:
        """Sample efficiency over the grid, and what its steps count."""
        return ({}, "") if self.grid is None else efficiency(self.grid, self.cells, self.metric, self.seed)
