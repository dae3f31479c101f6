"""Numbers printed in the papers, each with its place; papers.csv beside this module holds them.

Of the comparison itself: AWAC and AWR. Of others, matched by the name of their data:

- CORL: scores and regrets of fine-tuning in its README.
- XQL (Garg et al. 2023), Table 2: CQL, IQL and XQL on AntMaze; CQL and IQL as in IQL's paper, whose totals are those of
  the numbers here, but for CQL's at the switch, 151.5, which is 2.3 more.
- IQL (Kostrikov et al. 2021), Table 2: AWAC on AntMaze's umaze.
- ReBRAC (Tarasov et al. 2023), Tables 6 and 7: TD3+BC and ReBRAC. The other columns are CORL's.
- FQL (Park et al. 2025), Table 3, offline, and Table 4, offline to online: what its authors ran of the methods here, on
  OGBench's tasks, whose successes in percent are shares here, and on D4RL's. The steps are those of its README.

ReBRAC's and FQL's were read from texts that a machine made of the papers. The averages which the papers print are those
of the numbers here, and later papers quote the same values of FQL's Table 4; the one spread that is quoted otherwise is
left out. IQL's are from notes that quote the beginning of its table, TRPO and PPO on LunarLander from slides on AWR,
whose other 37 numbers of that Table 1 are those here.

Not in it: curves, which are printed as pictures only, and, for want of a readable copy, the rest of IQL's Table 2,
AWR's Table 2, and the tables of Cal-QL's and RLPD's own papers.
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
    at: str  # "switch", "final", "best" of all evaluations, or "regret": solved minus the mean score online
    steps: int | None  # environment steps after the switch; None: none, or not printed
    value: float
    note: str  # what differs from our task, or is unsure
    share_of: str = ""  # of a score in percent that is a share of episodes: the metric that counts them
    spread: float | None = None  # standard deviation over seeds; None: not printed
    seeds: int | None = None  # None: not printed


def printed(place: str | None = None, task: str | None = None) -> list[Printed]:
    """All printed numbers, or those of a table or figure ("AWAC Table 3") and of a task."""
    text = (resources.files("suite") / "record" / "papers.csv").read_text(encoding="utf-8")
    rows = [_read(row) for row in csv.DictReader(text.splitlines())]
    return [r for r in rows if place in (None, f"{r.paper} {r.place}") and task in (None, r.task)]


def _read(row: dict[str, Any]) -> Printed:
    kinds = {"steps": int, "spread": float, "seeds": int}
    numbers = {name: kind(row[name]) if row[name] else None for name, kind in kinds.items()}
    return Printed(**{**row, **numbers, "value": float(row["value"])})
