"""Reference scores of every entry, as the tables of a report have them, profile by profile."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import reports
from suite.record.metrics import digits
from suite.record.reference import SHIPPED

__all__ = ["Score", "leaders", "scores"]

HEADLINES = ("success", "normalized_score", "return")  # the first that a task's runs have


@dataclass(frozen=True)
class Score:
    """One entry of a report on one task: at the switch and at the end, means with 95 % intervals in words."""

    algo: str  # name in the registry
    label: str  # in reports, where settings set by hand are part of it
    profile: str
    task: str
    metric: str
    seeds: int
    switch: str
    final: str
    trains_online: bool


@cache
def scores(folder: Path = SHIPPED) -> list[Score]:
    """All of them, by profile, task and label; none where the package brings no results."""
    return [
        _score(row, profile, metric, online)
        for profile, own in _profiles(folder)
        for task, metric, online in _tasks(own)
        for row in reports.table("before_after", (), metric=metric, tasks=[task], beside=own).to_dict("records")
    ]


@cache
def leaders(folder: Path = SHIPPED) -> list[dict[str, Any]]:
    """The table `leaders` of a report on them, a row for each profile and task."""
    return [
        {"profile": profile, **row}
        for profile, own in _profiles(folder)
        for task, metric, _ in _tasks(own)
        for row in reports.table("leaders", (), metric=metric, tasks=[task], beside=own).to_dict("records")
    ]


def _profiles(folder: Path) -> Iterator[tuple[str, Path]]:
    """Each profile with a folder that holds its results alone: runs of different sizes are not compared."""
    for facts in sorted(folder.glob("*.json.gz")):
        profile = facts.name.removesuffix(".json.gz")
        with tempfile.TemporaryDirectory() as alone:
            for file in (facts, folder / f"{profile}.csv.gz"):
                shutil.copy(file, alone)
            yield profile, Path(alone)


def _tasks(folder: Path) -> Iterator[tuple[str, str, set[str]]]:
    """Each task with its headline and the labels of what trains online."""
    frame = reports.load((), beside=folder)
    for task, own in frame.groupby("task"):
        recorded = set(own["metric"])
        metric = next(name for name in HEADLINES if name in recorded)
        yield str(task), metric, set(own[own["phase"] == "online"]["algorithm"])


def _score(row: dict[str, Any], profile: str, metric: str, online: set[str]) -> Score:
    label = str(row["algorithm"])
    return Score(
        algo=label.split(" ")[0],
        label=label,
        profile=profile,
        task=str(row["task"]),
        metric=metric,
        seeds=int(row["seeds"]),
        switch=_in_words(row, "switch", metric),
        final=_in_words(row, "final", metric),
        trains_online=label in online,
    )


def _in_words(row: dict[str, Any], which: str, metric: str) -> str:
    after = digits(metric)
    mean, low, high = (float(row[f"{which}_{part}"]) for part in ("mean", "t_low", "t_high"))
    return f"{mean:.{after}f} [{low:.{after}f}, {high:.{after}f}]" if mean == mean else ""
