"""Reference results among own ones: which can be compared with them, and what keeps the others apart.

They are never pooled with own runs: an algorithm that is among both has a second entry, `awac (reference)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reports.runs.cells import Cell, Source, dataset_name
from reports.runs.pool import own_cells
from suite.record.shapes import by_hand

__all__ = ["MARK", "Apart", "beside_them"]

MARK = " (reference)"
# of settings: what every method of a comparison is given alike, and how it is scored
_ALIKE = ("online_steps", "eval_episodes", "demonstrations", "rollouts", "dataset_steps", "prior_data")


@dataclass(frozen=True)
class Apart:
    """A reference result on a task of the report that cannot be compared there, and what differs."""

    cell: Cell
    differs: str


def beside_them(own: Sequence[Cell], sources: Sequence[Source]) -> tuple[list[Cell], list[Apart]]:
    """The reference results on the tasks of own cells that are comparable with one of them, and those that are not.

    Without own cells all are comparable.

    Of several of one algorithm on a task those without settings that were set by hand are taken, where there are such.
    """
    tasks = {cell.task for cell in own} or {source.task for source in sources}
    labels = {cell.label for cell in own}
    comparable, apart = [], []
    for cell in own_cells(_plainest([source for source in sources if source.task in tasks])):
        cell = replace(cell, label=cell.label + MARK * (cell.label in labels))
        differences = [_differences(mine.first, cell.first) for mine in own if mine.task == cell.task]
        if not own or "" in differences:
            comparable.append(cell)
        else:
            apart.append(Apart(cell, differences[0]))
    return comparable, apart


def _plainest(sources: Sequence[Source]) -> list[Source]:
    """Of every algorithm on every task the runs with the fewest settings set by hand, of the comparison's preset."""
    groups: dict[tuple[str, str, str], list[Source]] = {}
    for source in sources:
        groups.setdefault((source.algo, source.task, source.profile), []).append(source)
    return [source for group in groups.values() for source in group if _rank(source) == min(map(_rank, group))]


def _rank(source: Source) -> tuple[bool, int]:
    return source.run["preset"] != "paper", len(by_hand(source.run["settings"]))


def _differences(mine: Source, other: Source) -> str:
    """What keeps two runs on one task from being compared; empty if nothing is known to."""
    if mine.external:
        return ""
    pairs = {
        "profile": (mine.profile, other.profile),
        "success rule": (mine.run.get("success_rule"), other.run.get("success_rule")),
        "data": (dataset_name(mine.run), dataset_name(other.run)),
    }
    both = [name for name in _ALIKE if name in mine.run["settings"] and name in other.run["settings"]]
    pairs |= {name: tuple(s.run["settings"][name]["value"] for s in (other, mine))[::-1] for name in both}
    # a method without data, or without an online phase, is compared as it is
    differing = {name: (one, two) for name, (one, two) in pairs.items() if one != two and "" not in (one, two)}
    return "; ".join(f"{name} {two} against {one}" for name, (one, two) in differing.items())
