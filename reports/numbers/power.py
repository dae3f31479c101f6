"""How many seeds the tests of a report need to find a difference, from the noncentral t distribution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reports.numbers.before_after import BeforeAfter
from reports.numbers.grid import SCALES
from reports.numbers.intervals import CONFIDENCE
from reports.numbers.pairs import LEVEL
from reports.numbers.verdict import Verdict

__all__ = ["MOST", "POWER", "power", "seeds_needed", "seeds_note"]

POWER = 0.8
MOST = 10_000


def power(n: int, gap: float, spread: float, tests: int, paired: bool) -> float:
    """Probability that the test of n seeds a side finds a true `gap` of means, both sides being normal.

    `spread` is the standard deviation between seeds or, if `paired`, of a seed's difference between the sides. The test
    is Student's at the 5 % level over the number of `tests`, which is Holm's first step: the others can only help.
    """
    from scipy import special

    df = n - 1 if paired else 2 * n - 2
    shift = gap / (spread * np.sqrt((1 if paired else 2) / n))
    critical = special.stdtrit(df, 1 - LEVEL / (2 * tests))
    return float(1 - special.nctdtr(df, shift, critical) + special.nctdtr(df, shift, -critical))


def seeds_needed(gap: float, spread: float, tests: int, paired: bool) -> int:
    """The fewest seeds a side that give 80 % power, `MOST` if it takes as many or more; see `power`."""
    below, enough = 1, 2
    while enough < MOST and power(enough, gap, spread, tests, paired) < POWER:
        below, enough = enough, 2 * enough
    while enough - below > 1:
        middle = (below + enough) // 2
        reached = power(middle, gap, spread, tests, paired) >= POWER
        below, enough = (below, middle) if reached else (middle, enough)
    return min(enough, MOST)


def seeds_note(verdicts: Sequence[Verdict], rows: Sequence[BeforeAfter], metric: str) -> str:
    """How many seeds a visible difference needs on each task; empty if unknowable."""
    parts = []
    for verdict in verdicts:
        own = [row for row in rows if row.cell.task == verdict.task]
        spread, df, paired = _spread(verdict, own)
        gap = _gap(own, metric)
        if not (spread > 0 and gap > 0):
            continue
        tests = len(verdict.pairs)
        needed = [seeds_needed(gap, one, tests, paired) for one in (spread, *_limits(spread, df))]
        most = [f"{n:,}" if n < MOST else f"more than {MOST:,}" for n in needed]
        parts.append(
            f"{verdict.task}: {most[0]} ({most[1]} to {most[2]}, as the spread itself is an estimate; "
            f"{tests} {'paired' if paired else 'unpaired'} test{'' if tests == 1 else 's'}, gap {gap:.2g})"
        )
    if not parts:
        return ""
    what = (
        f"{0.1 * SCALES[metric]:g} apart"
        if metric in SCALES
        else "a tenth of the task's range apart (from the lowest mean score at the switch to the highest final one)"
    )
    return (
        f"Seeds of each that the tests of a task need to tell two algorithms {what} ({POWER:.0%} power at the "
        f"{LEVEL:.0%} level after Holm's correction, if scores are normal): {'; '.join(parts)}."
    )


def _spread(verdict: Verdict, rows: Sequence[BeforeAfter]) -> tuple[float, int, bool]:
    """Pooled standard deviation that the tests of a task meet, its degrees of freedom, and whether they are paired."""
    several = [row for row in rows if row.seeds > 1]
    df = sum(row.seeds - 1 for row in several)
    if not several:
        return 0.0, 0, False
    if all(pair.paired for pair in verdict.pairs):
        found = [pair.difference for pair in verdict.pairs]
        return float(np.sqrt(np.mean([one.error**2 * (one.df + 1) for one in found]))), df, True
    squares, weights = [row.final.spread**2 for row in several], [row.seeds - 1 for row in several]
    return float(np.sqrt(np.average(squares, weights=weights))), df, False


def _limits(spread: float, df: int) -> tuple[float, float]:
    """Interval of a standard deviation that is known to `df` degrees of freedom."""
    from scipy import special

    tail = (1 - CONFIDENCE) / 2
    low, high = (float(spread * np.sqrt(df / special.chdtri(df, share))) for share in (tail, 1 - tail))
    return low, high


def _gap(rows: Sequence[BeforeAfter], metric: str) -> float:
    if metric in SCALES:
        return 0.1 * SCALES[metric]
    points = [score.mean.point for row in rows for score in (row.switch, row.final) if score is not None]
    return 0.1 * (max(points) - min(points))
