"""Algorithms: what happens inside one gradient step.

The registry maps a name to an objective module and the settings by which the entry departs from the module's
defaults. Packages elsewhere join through the entry point group "bench.algos". Nothing here imports torch until an
algorithm is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from algos.settings import SettingError, nearest

if TYPE_CHECKING:
    from algos.core import Objective

__all__ = ["ALGOS", "Entry", "get", "load", "names"]

GROUP = "bench.algos"


@dataclass(frozen=True)
class Entry:
    """One name of the registry."""

    module: str  # import path of the objective module
    summary: str
    settings: Mapping[str, Any] = field(default_factory=dict)  # departures from the module's Config


ALGOS: dict[str, Entry] = {
    "awac": Entry("algos.awac", "AWAC: data actions imitated by the exponential of their advantage"),
    "bc": Entry("algos.bc", "behaviour cloning of all offline data; offline only"),
    "bc-demos": Entry("algos.bc", "behaviour cloning of the demonstrations; offline only", {"source": "demos"}),
    "sac": Entry("algos.sac", "SAC with prior data in the buffer and a policy pretrained by cloning"),
    "sac-prior": Entry("algos.sac", "SAC with prior data in the buffer, trained on it offline", {"start": "prior"}),
    "sac-scratch": Entry("algos.sac", "SAC that never sees prior data", {"start": "scratch"}),
    "sac-bc": Entry("algos.sac_bc", "SAC with a cloning term on demonstrations in the policy loss"),
}


def names() -> dict[str, Entry]:
    """Every known algorithm, ours and those that installed packages add."""
    outside = {
        e.name: Entry(e.value, f"from {e.dist.name if e.dist else 'elsewhere'}") for e in entry_points(group=GROUP)
    }
    return {**outside, **ALGOS}


def get(name: str) -> Entry:
    """The entry called `name`; raises `SettingError` with the nearest name."""
    known = names()
    if name not in known:
        raise SettingError(f"unknown algorithm {name!r}; {nearest(name, known)}")
    return known[name]


def load(name: str) -> Objective:
    """Import the objective module behind `name`."""
    from algos.core import Objective

    return Objective.from_module(name, get(name))
