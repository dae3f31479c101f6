"""Numbers printed in the papers, each with its place: the table lies beside this module as papers.csv."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib import resources

__all__ = ["Printed", "printed"]


@dataclass(frozen=True)
class Printed:
    """One printed number."""

    paper: str
    place: str  # table or figure
    task: str  # our id of the task
    what: str  # an algorithm, or "expert"
    metric: str
    value: float
    note: str  # what differs from our task, or is unsure


def printed(place: str | None = None, task: str | None = None) -> list[Printed]:
    """All printed numbers, or those of a table or figure ("AWAC Table 3") and of a task."""
    text = (resources.files("suite") / "papers.csv").read_text()
    rows = [Printed(**{**row, "value": float(row["value"])}) for row in csv.DictReader(text.splitlines())]  # type: ignore[arg-type]
    return [r for r in rows if place in (None, f"{r.paper} {r.place}") and task in (None, r.task)]
