"""Seeds that diverged, wherever scores are compared: each is a failure of its method, never a seed that was not run.

On a scale with a lower bound they count with it from then on (`reports.numbers.grid.usable`). Where there is none no
number can be made up for them: they are lost, and then a test may speak against their side and never in its favour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.runs.cells import Cell
from reports.runs.curves import Curve

__all__ = ["NOTHING", "Lost", "failed", "lost", "names", "together", "withheld"]


@dataclass(frozen=True)
class Lost:
    """How many seeds of those that were run."""

    seeds: int
    run: int

    def __bool__(self) -> bool:
        return self.seeds > 0

    @property
    def words(self) -> str:
        """`3 of 5 seeds diverged`; empty if none did."""
        return f"{self.seeds} of {self.run} seeds diverged" if self else ""


NOTHING = Lost(0, 0)


def lost(found: Sequence[tuple[Cell, Curve | None]]) -> Lost:
    """Seeds of the cells that diverged and are not in the curves that count."""
    return _count(found, counted=False)


def failed(found: Sequence[tuple[Cell, Curve | None]]) -> Lost:
    """Seeds of the cells that diverged and count with the lowest score that there is."""
    return _count(found, counted=True)


def _count(found: Sequence[tuple[Cell, Curve | None]], counted: bool) -> Lost:
    seeds = sum((seed in (curve.seeds if curve else ())) == counted for cell, curve in found for seed in cell.diverged)
    return Lost(seeds, sum(len(cell.seeds) for cell, _ in found))


def together(found: Sequence[Lost]) -> Lost:
    """Their sum."""
    return Lost(sum(one.seeds for one in found), sum(one.run for one in found))


def names(cell: Cell) -> str:
    """The seeds that diverged, by number: `seeds 3 and 4`."""
    *most, last = map(str, sorted(cell.diverged))
    return f"seeds {', '.join(most)} and {last}" if most else f"seed {last}"


def withheld(sides: Sequence[tuple[str, Lost]]) -> str:
    """Why there is no verdict, by the names of the sides; empty if neither lost a seed."""
    parts = [(f"{one.words} ({name})" if name else one.words) for name, one in sides if one]
    return f"no verdict: {', '.join(parts)}" if parts else ""
