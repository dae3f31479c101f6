"""Averages over the tasks of a domain, as the papers' tables print them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from reports.numbers.grid import SCALES, common
from reports.numbers.pairs import Finals
from reports.numbers.verdict import Verdict, verdict_over_tasks
from reports.runs.cells import Cell

__all__ = ["Average", "averages", "domain_of"]

DOMAINS = {  # words in a task's name, whatever the version or the data; where it has several, the first domain counts
    "imitation": ("imitate",),
    "locomotion": ("ant", "halfcheetah", "hopper", "humanoid", "walker2d"),
    "hand": ("door", "hammer", "pen", "relocate"),
    "maze": ("antmaze", "maze2d", "pointmaze"),
    "kitchen": ("kitchen",),
}


@dataclass(frozen=True)
class Average:
    """The mean over some tasks of each entry that finished all of them."""

    name: str
    means: dict[str, float]  # label -> mean final score, in units of the metric
    verdict: Verdict | None  # over those tasks; None without two entries that finished all


def domain_of(task: str) -> str:
    """The domain of a task by the words of its name; its first word where none says it."""
    words = re.findall("[a-z0-9]+", task.lower()) or [task]
    return next((name for name, own in DOMAINS.items() if not set(own).isdisjoint(words)), words[0])


def averages(cells: Sequence[Cell], by_key: Finals, metric: str, seed: int) -> list[Average]:
    """The average of each domain with several tasks, and of all tasks; none for a metric that tasks do not share."""
    tasks = sorted({task for task, _ in by_key})
    if metric not in SCALES or len(tasks) < 2:
        return []
    domains = {name: [t for t in tasks if domain_of(t) == name] for name in sorted(set(map(domain_of, tasks)))}
    groups = {f"average, {name}": own for name, own in domains.items() if 1 < len(own) < len(tasks)}
    return [_average(name, own, cells, by_key, metric, seed) for name, own in (groups | {"average": tasks}).items()]


def _average(name: str, tasks: Sequence[str], cells: Sequence[Cell], by_key: Finals, metric: str, seed: int) -> Average:
    labels = sorted({label for _, label in by_key})
    whole = [label for label in labels if all((task, label) in by_key for task in tasks)]
    means = {x: sum(float(by_key[t, x][1].values[:, -1].mean()) for t in tasks) / len(tasks) for x in whole}
    grid = common([cell for cell in cells if cell.task in tasks and cell.label in whole], metric)
    verdict = verdict_over_tasks(grid, by_key, metric, seed) if len(grid.tasks) == len(tasks) else None
    return Average(name, means, verdict)
