"""A report that is being built, and how its figures and tables come into its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from reports.numbers.grid import Gap
from reports.numbers.results import Results
from reports.pictures.embed import Shown, shown
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
    looks: Mapping[str, str]  # method -> its colour and dashes in words, as `look.styles` takes them
    interpolated: bool  # whether scores were brought to the same steps by straight lines

    def figure(self, name: str, title: str, says: str, figure: Figure) -> Shown:
        """Write a figure; returns what the page needs of it."""
        return shown(self.folder, name, title, says, figure)

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
