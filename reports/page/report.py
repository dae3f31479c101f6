"""A report that is being built, and how its figures, tables and charts come into its folder and its page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from reports.numbers.cost import Cost, costs_of
from reports.numbers.grid import Gap
from reports.numbers.results import Results
from reports.page.runs import Runs, shown_runs
from reports.pictures.embed import Shown, shown
from reports.pictures.styles import Style, styles
from reports.runs.cells import Cell
from reports.runs.reference import Apart
from reports.runs.wanted import Suite
from reports.tables.cells import gaps_table
from reports.tables.table import Table

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """A report that is being built: its folder, its results, and what was asked for."""

    folder: Path
    results: Results
    missing: Sequence[Gap]  # cells that were never run
    quarantined: Sequence[Gap]  # run folders that could not be read
    reference: Sequence[Cell]  # all reference results that were asked for
    apart: Sequence[Apart]  # those that cannot be compared with the runs
    suite: Suite | None
    looks: Mapping[str, str]  # method -> its colour and dashes in words, as `styles` takes them
    interpolated: bool  # whether scores were brought to the same steps by straight lines
    tiles: Iterable[dict[str, Any]] = ()  # what the page says of each task, as other processes draw it
    charts: list[Mapping[str, Any]] = field(default_factory=list)  # that the page's script draws, in their order

    @cached_property
    def styles(self) -> dict[str, Style]:
        """The look of every entry."""
        return styles([cell.label for cell in self.results.cells], self.looks)

    @cached_property
    def runs(self) -> Runs:
        """What the page lists of runs, and where a cell leads to."""
        return shown_runs(self.results.cells)

    @cached_property
    def costs(self) -> dict[tuple[str, str], Cost]:
        """What each cell cost, by task and label; of several cells of one name that of the first."""
        found: dict[tuple[str, str], Cost] = {}
        for one in costs_of(self.results.cells):
            found.setdefault((one.cell.task, one.cell.label), one)
        return found

    def figure(self, name: str, title: str, says: str, figure: Figure) -> Shown:
        """Write a figure; returns what the page needs of it."""
        return shown(self.folder, name, title, says, figure)

    def chart(self, chart: Mapping[str, Any]) -> int:
        """Give the page's script a chart to draw; returns its number."""
        self.charts.append(chart)
        return len(self.charts) - 1

    def table(self, table: Table) -> Table:
        """Write a table and return it."""
        table.write(self.folder / "tables")
        return table

    def some(self, table: Table) -> Table | None:
        """Write a table and return it, if there is a row in it."""
        return self.table(table) if table.rows else None

    def gaps(self, name: str, title: str, gaps: Sequence[Gap]) -> Table | None:
        """Write the table of what was left out, if something was."""
        return self.some(gaps_table(name, title, gaps))
