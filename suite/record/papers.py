"""Numbers printed in the papers, each with its place; papers.csv beside this module holds them.

Of the comparison itself: AWAC and AWR. Of others, matched by the name of their data: CORL's fine-tuning (its README),
and CQL, IQL and XQL on AntMaze as XQL's paper (Garg et al. 2023) prints them.

Not in it: curves, which are printed as pictures only, and, for want of a readable copy, TRPO and PPO on LunarLander in
AWR's Table 1, and the tables of IQL's, Cal-QL's and RLPD's own papers.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib import resources
from typing import Any

__all__ = ["Printed", "printed"]


@dataclass(frozen=True)
class Printed:
    """One printed number."""

    paper: str
    place: str  # table or figure
    task: str  # our id of the task
    dataset: str  # its name with us; empty: the task's default, or none
    what: str  # an algorithm, or "expert"
    metric: str
    at: str  # "switch", "final", or "best" of all evaluations
    steps: int | None  # environment steps after the switch; None: none, or not printed
    value: float
    note: str  # what differs from our task, or is unsure
    share_of: str = ""  # of a score in percent that is a share of episodes: the metric that counts them


def printed(place: str | None = None, task: str | None = None) -> list[Printed]:
    """All printed numbers, or those of a table or figure ("AWAC Table 3") and of a task."""
    text = (resources.files("suite") / "record" / "papers.csv").read_text(encoding="utf-8")
    rows = [_read(row) for row in csv.DictReader(text.splitlines())]
    return [r for r in rows if place in (None, f"{r.paper} {r.place}") and task in (None, r.task)]


def _read(row: dict[str, Any]) -> Printed:
    return Printed(**{**row, "value": float(row["value"]), "steps": int(row["steps"]) if row["steps"] else None})
