"""What the papers say that can be checked: each claim as a score, a comparison and what would refute it.

`claims.toml` beside this module holds them, in our words:

    [[claim]]
    name = "awac-leads-on-pen"
    place = "AWAC Figure 3"
    says = "After fine-tuning on pen, AWAC scores above every method that it is compared with."
    suite = "awac-fig3-dexterous"          # trains the cells that decide it
    tasks = ["pen-binary-v0"]              # as a report names them: "ant-v5 (expert)" has other data
    metric = "success"
    score = "final"                        # of each seed, one of SCORES
    of = ["awac"]
    over = ["sac", "bc"]                   # minus the same of each of these; left out: the score itself
    above = 0.0                            # or `below`: where the mean has to lie
    refuted_by = "a method whose mean is higher"
    [claim.cells.awac]                     # where a run is not the method's by the comparison's defaults:
    algo = "awac"                          # the method, if the name is another
    preset = "official"
    set = { temperature = 0.3 }            # settings that were set by hand

A claim has a part for each task and each pair of methods. It holds if every part does.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from disk.shapes import Shape, listing, mapping, number, one_of, plain, table, text

__all__ = ["SCORES", "Asked", "Claim", "claims", "parse"]

SCORES = {
    "switch": "the score at the switch, after offline training",
    "final": "the score at the end",
    "gain": "the score at the end minus that at the switch",
    "fall": "the mean score in the first quarter of the online phase minus that at the switch",
    "online": "the mean score over the online phase",
    "trend": "the last online value minus the first one",
}
_NAMES = listing(text, least=1)
_CELL: dict[str, Shape] = {"algo": text, "preset": text, "set": mapping(plain)}
_NEEDED: dict[str, Shape] = {
    "name": text,
    "place": text,
    "says": text,
    "suite": text,
    "tasks": _NAMES,
    "metric": text,
    "score": one_of(*SCORES),
    "of": _NAMES,
    "refuted_by": text,
}
_OPTIONAL: dict[str, Shape] = {"over": _NAMES, "above": number(), "below": number(), "cells": mapping(table({}, _CELL))}
_FILE = table({"claim": listing(table(_NEEDED, _OPTIONAL), least=1)})


@dataclass(frozen=True)
class Asked:
    """The runs that a claim is about: of a method, with a preset and these settings set by hand, no others."""

    algo: str
    preset: str = "paper"
    by_hand: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """One claim."""

    name: str
    place: str
    says: str
    suite: str
    tasks: tuple[str, ...]
    metric: str
    score: str
    of: tuple[str, ...]
    over: tuple[str, ...]  # empty: the score itself
    bound: float
    above: bool  # whether the mean has to lie above the bound, or below it
    refuted_by: str
    cells: Mapping[str, Asked] = field(default_factory=dict)  # of names in `of` and `over` that are no mere method

    def runs(self, name: str) -> Asked:
        """The runs that a name in `of` or `over` means."""
        return self.cells.get(name, Asked(name))

    @property
    def asks(self) -> str:
        """What is measured and where it has to lie, in words."""
        minus = f" minus that of {', '.join(self.over)}" if self.over else ""
        return f"{SCORES[self.score]} ({self.metric}) of {', '.join(self.of)}{minus} is {self.side}"

    @property
    def side(self) -> str:
        """Where the mean has to lie, in words."""
        return f"{'above' if self.above else 'below'} {self.bound:g}"


def claims(suite: str | None = None) -> list[Claim]:
    """The claims that come with the package, in the order of the papers: all, or those that a suite decides."""
    found = parse((resources.files("suite") / "record" / "claims.toml").read_text(encoding="utf-8"))
    return [claim for claim in found if suite in (None, claim.suite)]


def parse(content: str) -> list[Claim]:
    """The claims of a TOML text; raises `ValueError` for one that is not as this module says."""
    found = tomllib.loads(content)
    if wrong := _FILE(found):
        raise ValueError(wrong)
    out = [_claim(entry) for entry in found["claim"]]
    if len({claim.name for claim in out}) < len(out):
        raise ValueError("two claims have one name")
    return out


def _claim(entry: Mapping[str, Any]) -> Claim:
    if unknown := set(entry) - {*_NEEDED, *_OPTIONAL}:
        raise ValueError(f"claim {entry['name']}: unknown {', '.join(sorted(unknown))}")
    if ("above" in entry) == ("below" in entry):
        raise ValueError(f"claim {entry['name']}: one of above and below is needed")
    return Claim(
        name=entry["name"],
        place=entry["place"],
        says=entry["says"],
        suite=entry["suite"],
        tasks=tuple(entry["tasks"]),
        metric=entry["metric"],
        score=entry["score"],
        of=tuple(entry["of"]),
        over=tuple(entry.get("over", ())),
        bound=float(entry.get("above", entry.get("below"))),
        above="above" in entry,
        refuted_by=entry["refuted_by"],
        cells={name: _asked(name, cell) for name, cell in entry.get("cells", {}).items()},
    )


def _asked(name: str, cell: Mapping[str, Any]) -> Asked:
    if unknown := set(cell) - set(_CELL):
        raise ValueError(f"cells.{name}: unknown {', '.join(sorted(unknown))}")
    return Asked(cell.get("algo", name), cell.get("preset", "paper"), cell.get("set", {}))
