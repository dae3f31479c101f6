"""Claims of the papers judged by cells: an interval for every part of a claim, and what follows for the whole.

A part is a mean over seeds, of a score or of a difference, against the claim's bound. It holds if the 95 % interval
lies on the claim's side of the bound. A claim holds if all its parts do, for which each may be tested at the full level
(an intersection-union test); it is refuted as soon as one part lies on the other side, for which the level is divided
by the number of parts (Bonferroni).

A seed that diverged counts as in every comparison (`reports.numbers.lost`): with the lowest score where there is one.
Where there is none, and in a claim on changes, by which a seed that stays at the lowest score would pass for steady, it
is lost, and a part that would speak in favour of its side is undecided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reports.numbers.bounds import floor_of
from reports.numbers.differences import Difference, Sides, difference
from reports.numbers.grid import usable
from reports.numbers.intervals import Floats
from reports.numbers.lost import Lost, lost, names, withheld
from reports.numbers.online import area
from reports.numbers.pairs import LEVEL, side_by_side
from reports.numbers.power import MOST, seeds_needed
from reports.runs.cells import Cell
from reports.runs.curves import Curve
from suite.record.claims import Asked, Claim
from suite.record.shapes import by_hand

__all__ = ["VERDICTS", "Judged", "Part", "judge"]

HOLDS, REFUTED, UNDECIDED, NOT_RUN = VERDICTS = ("holds", "refuted", "undecided", "not run")
CHANGES = ("gain", "fall", "trend")  # a seed that diverged early never changes again, which is no merit
EARLY = 0.25  # share of the online phase in which a fall is looked for


@dataclass(frozen=True)
class Part:
    """One task and method, or pair of methods, of a claim."""

    task: str
    of: str
    over: str  # empty: the score of `of` itself
    verdict: str
    seeds: str  # how many and how compared, in words; or why there is nothing to compare
    mean: Difference | None = None  # None: not run
    needed: int | None = None  # seeds of each that would decide a part that is undecided
    diverged: str = ""  # which seeds did and what follows, in words; empty if none did

    @property
    def words(self) -> str:
        """Method, or methods, and task."""
        return f"{self.of} - {self.over}, {self.task}" if self.over else f"{self.of}, {self.task}"


@dataclass(frozen=True)
class Judged:
    """A claim with its parts and its verdict."""

    claim: Claim
    verdict: str
    parts: Sequence[Part]

    @property
    def needed(self) -> int | None:
        """Seeds of each that would decide an undecided claim, as far as its estimates are right.

        None where seeds are lost: more of them are no answer.
        """
        open_parts = [part.needed for part in self.those(UNDECIDED)]
        found = [needed for needed in open_parts if needed is not None]
        return max(found) if found and len(found) == len(open_parts) and self.verdict == UNDECIDED else None

    def those(self, verdict: str) -> list[Part]:
        """The parts with a verdict."""
        return [part for part in self.parts if part.verdict == verdict]


def judge(claims: Sequence[Claim], cells: Sequence[Cell], profile: str) -> list[Judged]:
    """Every claim, judged by the cells of a profile's sizes that were run to the end or until no seed was left."""
    own = [cell for cell in cells if (cell.finished or cell.all_diverged) and cell.first.profile == profile]
    return [_judge(claim, own) for claim in claims]


def _judge(claim: Claim, cells: Sequence[Cell]) -> Judged:
    asked = [(task, of, over) for task in claim.tasks for of in claim.of for over in claim.over or ("",)]
    parts = [_part(claim, cells, task, of, over, len(asked)) for task, of, over in asked]
    said = {part.verdict for part in parts}
    verdict = next((one for one in (REFUTED, NOT_RUN, UNDECIDED) if one in said), HOLDS)
    return Judged(claim, verdict, parts)


def _part(claim: Claim, cells: Sequence[Cell], task: str, of: str, over: str, parts: int) -> Part:
    found = []
    for name in (of, over) if over else (of,):
        cell = _cell(claim.runs(name), task, cells)
        if cell is not None and cell.all_diverged:
            why = withheld([(name, lost([(cell, None)]))])
            return Part(task, of, over, UNDECIDED, why, diverged=why)
        curve = None if cell is None else _scores(claim, cell)
        if cell is None or curve is None:
            what = "no finished run" if cell is None else f"no {claim.metric} at the steps that this needs"
            return Part(task, of, over, NOT_RUN, f"{what} of {name}")
        found.append((cell, curve))
    if over:
        sides, words = side_by_side(found[0], found[1])
    else:
        scores = found[0][1].values[:, -1]
        sides, words = Sides(scores, np.zeros_like(scores), True), f"{len(scores)} seeds"
    mean = difference([sides])
    part = Part(task, of, over, *_verdict(claim, sides, mean, words, parts))
    return _with_diverged(part, claim, found)


def _with_diverged(part: Part, claim: Claim, found: Sequence[tuple[Cell, Curve]]) -> Part:
    """The part without a verdict in favour of a side that lost seeds, and with all that diverged in its words."""
    gone = [lost([one]) for one in found]
    which = [
        f"{names(cell)} of {name} diverged, {'not counted' if none else f'counted as {floor_of(claim.metric):g}'}"
        for name, (cell, _), none in zip((part.of, part.over), found, gone, strict=False)
        if cell.diverged
    ]
    if not which or part.mean is None:
        return part
    if part.verdict == UNDECIDED or _favoured(part.mean, claim, gone):
        why = withheld([*zip((part.of, part.over), gone, strict=False)])
        part = replace(part, verdict=UNDECIDED, needed=None) if why else part
        which = [why, *which] if why else which
    words = "; ".join(which)
    return replace(part, seeds=f"{part.seeds}; {words}", diverged=words)


def _favoured(mean: Difference, claim: Claim, gone: Sequence[Lost]) -> bool:
    """Whether the side lost seeds in whose favour the mean lies beyond the bound: more is better, in all scores."""
    return bool(gone[0] if mean.interval.point > claim.bound else gone[1] if len(gone) > 1 else None)


def _verdict(
    claim: Claim, sides: Sides, mean: Difference, words: str, parts: int
) -> tuple[str, str, Difference, int | None]:
    """Verdict on one part, how it was compared, its mean, and the seeds that would decide it."""
    gap = (mean.interval.point - claim.bound) * (1 if claim.above else -1)  # beyond the bound, on the claim's side
    p = _p(gap, sides, mean)
    if p < LEVEL and gap > 0:
        return HOLDS, words, mean, None
    if p < LEVEL / parts and gap < 0:
        return REFUTED, words, mean, None
    few = min(len(sides.ahead), len(sides.behind))
    spread = mean.error * np.sqrt(few if sides.paired else few / 2)
    needed = MOST if gap == 0 else 6 if not spread > 0 else seeds_needed(abs(gap), float(spread), 1, sides.paired)
    return UNDECIDED, words, mean, needed


def _p(gap: float, sides: Sides, mean: Difference) -> float:
    """Two-sided p of a mean that lies `gap` from a bound; where seeds do not differ, what flipping signs gives."""
    from scipy import special

    if np.isnan(mean.interval.low):
        return float("nan")
    if not mean.error > 0:
        return 1.0 if gap == 0 else float(2.0 ** (1 - min(len(sides.ahead), len(sides.behind))))
    return float(2 * special.stdtr(mean.df, -abs(gap) / mean.error))


def _cell(asked: Asked, task: str, cells: Sequence[Cell]) -> Cell | None:
    """The cell that a claim means: with the settings that it names set by hand and no others.

    Of several an own one rather than one of the reference, and that of most seeds.
    """
    fitting = [cell for cell in cells if cell.task == task and _fits(asked, cell)]
    return max(fitting, key=lambda cell: (not cell.first.reference, len(cell.seeds)), default=None)


def _fits(asked: Asked, cell: Cell) -> bool:
    run = cell.first.run
    if cell.first.external or (cell.first.algo, run.get("preset")) != (asked.algo, asked.preset):
        return False
    settings = run.get("settings", {})
    wanted = {name: value for name, value in asked.by_hand.items() if name in settings}
    return by_hand(settings) == wanted


def _scores(claim: Claim, cell: Cell) -> Curve | None:
    """The claim's score of every seed that counts, as a curve of one step; None where the cell has none."""
    curve, _ = usable(cell, claim.metric)
    if curve is not None and claim.score in CHANGES and cell.diverged:
        curve = _whole(curve, cell)
    if curve is None:
        return None
    online = claim.score != "switch" and not (claim.score == "final" and cell.offline_only)
    if online and curve.steps[-1] <= 0:
        return None
    values = _score(claim.score, curve)
    return None if values is None else Curve(curve.seeds, curve.steps[-1:], values[:, None])


def _whole(curve: Curve, cell: Cell) -> Curve | None:
    """The curve of the seeds that did not diverge."""
    kept = [seed not in cell.diverged for seed in curve.seeds]
    seeds = tuple(seed for seed in curve.seeds if seed not in cell.diverged)
    return Curve(seeds, curve.steps, curve.values[kept]) if seeds else None


def _score(score: str, curve: Curve) -> Floats | None:
    """One of `suite.record.claims.SCORES` of every seed: [seeds]."""
    steps, values = curve.steps, curve.values
    if score == "final":
        return values[:, -1]
    if score == "trend":
        later = values[:, steps >= 0]
        return later[:, -1] - later[:, 0] if later.shape[1] > 1 else None
    if 0 not in steps:
        return None
    switch = values[:, steps == 0][:, 0]
    if score == "switch":
        return switch
    if score == "gain":
        return values[:, -1] - switch
    if score == "online":
        since = steps >= 0
        return area(steps[since].astype(np.float64), values[:, since])
    early = (steps > 0) & (steps <= max(EARLY * steps[-1], steps[steps > 0][0]))
    return np.asarray(values[:, early].mean(axis=1) - switch)
