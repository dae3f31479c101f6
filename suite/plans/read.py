"""Plans: which cells a figure or table of a paper is made of. One TOML file each, in suite/plans/ or of your own.

    title = "Data efficiency"
    place = "AWAC Figure 2, first panel"        # of the paper; printed numbers are found by it
    about = "What the figure asks."
    metric = "return"                           # headline of its report; left out: what all runs have
    seeds = { value = 5, source = "ours" }

    [set]                                       # departures from the defaults, for every cell
    offline_updates = { value = 25000, source = "AWAC Table 2" }

    [[grid]]                                    # every algorithm on every task with every dataset
    algos = ["awac", "dapg"]
    envs = ["halfcheetah"]
    datasets = ["medium"]                       # left out: the task's default
    preset = "official"                         # left out: AWAC's comparison
    name = "long"                               # of the run folder and in the report; left out: the profile's
    why = "what is not in the paper's text"
    [grid.set]                                  # for these cells alone
    online_steps = { value = 0, source = "offline only", always = true }

A profile's sizes override a plan's, unless the plan says `always`: for what a figure asks, not for how long it takes.
A cell whose algorithm or task is unknown here is left out, with a line that names it; the rest runs.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from algos.settings import SettingError, nearest, spell
from disk.shapes import Shape, anything, listing, mapping, plain, table, text, truth, whole
from envs.errors import first_line
from suite.experiment.request import Override

__all__ = ["Departure", "Entry", "Plan", "load", "names"]

_TABLE = mapping(anything)
_NAMES = listing(text, least=1)
_PLAN: dict[str, Shape] = {
    "title": text,
    "place": text,
    "about": text,
    "metric": text,
    "seeds": _TABLE,
    "set": _TABLE,
    "grid": listing(_TABLE, least=1),
}
_SEEDS: dict[str, Shape] = {"value": whole(1), "source": text}
_GRID: dict[str, Shape] = {
    "algos": _NAMES,
    "envs": _NAMES,
    "datasets": _NAMES,
    "preset": text,
    "name": text,
    "why": text,
    "set": _TABLE,
}
_DEPARTURE: dict[str, Shape] = {"value": plain, "source": text, "always": truth}


@dataclass(frozen=True)
class Departure:
    """One setting that a plan changes; the reason of its override is the source."""

    override: Override
    always: bool  # overrides the profile's sizes too


@dataclass(frozen=True)
class Entry:
    """One cell as planned, before anything is resolved."""

    algo: str
    env: str
    dataset: str | None
    preset: str
    name: str | None
    departures: tuple[Departure, ...]

    @property
    def cell(self) -> str:
        """Name of the cell in messages: awac on halfcheetah, medium, long."""
        more = [part for part in (self.dataset, self.name) if part]
        return ", ".join([f"{self.algo} on {self.env}", *more])


@dataclass(frozen=True)
class Plan:
    """The cells of a figure or table, with what it asks and its place in the paper."""

    name: str
    title: str
    place: str
    about: str
    metric: str | None
    seeds: int
    seeds_source: str
    why: tuple[str, ...]  # what is ours rather than the paper's
    entries: tuple[Entry, ...]


def names() -> list[str]:
    """Names of the plans that come with the package."""
    return sorted(Path(str(p)).stem for p in _folder().iterdir() if str(p).endswith(".toml"))


def load(name: str) -> Plan:
    """The plan of that name, or of a TOML file of yours.

    Raises `SettingError` naming the nearest plan, or the key of the file that is wrong.
    """
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise SettingError(f"no file {path}; `bench suite list` names the suites that are here already")
    elif name in names():
        path = Path(str(_folder())) / f"{name}.toml"
    else:
        raise SettingError(f"unknown suite {name!r}; {nearest(name, names())}")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(f"{path}: cannot be read ({error.strerror or error})") from None
    except RecursionError:
        raise SettingError(f"{path}: not readable as TOML (nested too deeply)") from None
    except ValueError as error:  # of bytes that are no text, and of numbers with thousands of digits, too
        raise SettingError(f"{path}: not readable as TOML ({first_line(error)})") from None
    return _plan(path, content)


def _folder() -> Any:
    return resources.files("suite") / "plans"


def _plan(path: Path, content: Mapping[str, Any]) -> Plan:
    _check(path, "the file", content, _PLAN, ("title", "grid"))
    seeds = content.get("seeds", {"value": 5, "source": "ours"})
    _check(path, "seeds", seeds, _SEEDS, ("value",))
    shared = _departures(path, content.get("set", {}))
    entries: list[Entry] = []
    for grid in content["grid"]:
        entries += _entries(path, grid, shared)
    doubled = [e.cell for i, e in enumerate(entries) if e in entries[:i]]
    if doubled:
        raise SettingError(f"{path}: {doubled[0]} is there twice")
    return Plan(
        path.stem,
        content["title"],
        content.get("place", ""),
        content.get("about", ""),
        content.get("metric"),
        seeds["value"],
        seeds.get("source", ""),
        tuple(g["why"] for g in content["grid"] if "why" in g),
        tuple(entries),
    )


def _entries(path: Path, grid: Mapping[str, Any], shared: Mapping[str, Departure]) -> list[Entry]:
    _check(path, "[[grid]]", grid, _GRID, ("algos", "envs"))
    departures = tuple({**shared, **_departures(path, grid.get("set", {}))}.values())
    preset, name = grid.get("preset", "paper"), grid.get("name")
    return [
        Entry(algo, env, dataset, preset, name, departures)
        for env in grid["envs"]
        for dataset in grid.get("datasets", [None])
        for algo in grid["algos"]
    ]


def _departures(path: Path, content: Mapping[str, Any]) -> dict[str, Departure]:
    out = {}
    for name, given in content.items():
        if not isinstance(given, dict):
            raise SettingError(f"{path}: set.{name}: give {{ value = ..., source = ... }}")
        _check(path, f"set.{name}", given, _DEPARTURE, ("value", "source"))
        owner, _, short = name.rpartition(".")
        override = Override(short, spell(given["value"]), owner, given["source"].strip() or path.stem)
        out[name] = Departure(override, given.get("always", False))
    return out


def _check(path: Path, where: str, content: Any, known: Mapping[str, Shape], needed: Sequence[str]) -> None:
    """Refuse a table with a key that is unknown or missing, or with a value of another shape."""
    for key in content if isinstance(content, dict) else ():
        if key not in known:
            raise SettingError(f"{path}: {where} has an unknown key {key!r}; {nearest(key, known)}")
    if wrong := table({key: known[key] for key in needed}, known)(content):
        raise SettingError(f"{path}: {where}: {wrong}")
