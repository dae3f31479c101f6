"""What a named suite asks for, so that a report can say what of it is there.

Who calls a report hands it in, as reports resolve no settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reports.runs.cells import Cell, Source, task_name

__all__ = ["Suite", "Wanted"]


@dataclass(frozen=True)
class Wanted:
    """One cell of a suite; without `settings` where it is not possible here, and `why_not` says why."""

    algo: str
    task: str
    dataset: str | None
    name: str | None  # of its own, by which the suite tells it from others; None: it has none
    run_name: str  # what its run folder begins with
    settings: Mapping[str, Any] | None = field(repr=False)  # name -> value
    why_not: str = ""

    def matches(self, source: Source) -> bool:
        """Whether a run is this cell, whatever its seeds; a setting that only one of the two knows says nothing."""
        if self.settings is None or (source.algo, source.task) != (self.algo, self.where):
            return False
        ran = {name: entry["value"] for name, entry in source.run["settings"].items()}
        return all(ran[name] == value for name, value in self.settings.items() if name in ran)

    @property
    def where(self) -> str:
        """The task as the report names it."""
        return task_name(self.task, self.dataset)

    @property
    def label(self) -> str:
        """The algorithm, and the cell's own name where it has one."""
        return f"{self.algo} [{self.name}]" if self.name else self.algo


@dataclass(frozen=True)
class Suite:
    """A figure or table of a paper: what it is called and which cells it is made of."""

    name: str
    title: str
    place: str  # of the paper, by which its printed numbers are found; empty for a comparison of nobody's
    about: str
    metric: str | None  # its headline
    notes: Sequence[str]  # what is ours rather than the paper's
    cells: Sequence[Wanted]

    def pick(self, sources: Sequence[Source]) -> list[Source]:
        """The runs that belong to the suite; of several for one cell, those that carry the name this suite gives it."""
        chosen: dict[str, Source] = {}
        for cell in self.cells:
            found = [source for source in sources if cell.matches(source)]
            named = [source for source in found if source.run.get("name") == cell.run_name]
            chosen |= {source.where: source for source in named or found}
        return [source for source in sources if source.where in chosen]

    def missing(self, cells: Sequence[Cell]) -> list[Wanted]:
        """The cells of the suite that were never run."""
        sources = [source for cell in cells for source in cell.sources if not source.external]
        return [wanted for wanted in self.cells if not any(wanted.matches(source) for source in sources)]
