"""Two sets of results, cell by cell: an algorithm before and after a change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reports.numbers.bounds import bounds_of
from reports.numbers.differences import Sides
from reports.numbers.grid import SCALES, Gap, usable
from reports.numbers.lost import Lost, lost, together
from reports.numbers.pairs import Pair, corrected, pair_of, side_by_side
from reports.numbers.stats import Score, score
from reports.runs.cells import Cell, dataset_name
from reports.runs.curves import Curve
from suite.record.folders import RecordError

__all__ = ["Change", "Compared", "compare"]

MOST = 4  # settings that differ, named one by one


@dataclass(frozen=True)
class Change:
    """One algorithm on one task, before and after."""

    task: str
    algo: str
    before: Score
    after: Score
    pair: Pair  # after minus before; p corrected over all changes


@dataclass(frozen=True)
class Compared:
    """The result of a comparison: changes, and what to know about them."""

    changes: tuple[Change, ...]
    overall: tuple[Pair, ...]  # `ahead` is the algorithm; empty for a metric without a scale
    missing: tuple[Gap, ...]  # what is in one set only, or cannot be compared
    notes: tuple[str, ...]  # what differs besides the code


def compare(before: Sequence[Cell], after: Sequence[Cell], metric: str, seed: int) -> Compared:
    """Final scores of every algorithm on every task that both sets finished; `seed` is that of the bootstrap.

    Seeds that both sets ran are paired. Raises `RecordError` if the sets have no cell in common.
    """
    sides = [_finished(cells, metric, name) for cells, name in ((before, "first"), (after, "second"))]
    (old, gaps), (new, more) = sides
    gaps = [*gaps, *more]
    for mine, other, name in ((old, new, "first"), (new, old, "second")):
        named = {(gap.task, gap.label) for gap in gaps}
        gaps += [Gap(*key, f"only in the {name} set") for key in mine if key not in other and key not in named]
    both = sorted(old.keys() & new.keys())
    if not both:
        reasons = "; ".join(f"{gap.label} on {gap.task}: {gap.reason}" for gap in gaps[:MOST])
        raise RecordError(f"the two sets have no finished cell with {metric!r} in common ({reasons or 'no cells'})")
    found = [side_by_side(new[key], old[key], shared=True) for key in both]
    gone = [(lost([new[key]]), lost([old[key]])) for key in both]
    pairs = corrected(
        [
            pair_of(task, algo, algo, [one], metric, own)
            for (task, algo), one, own in zip(both, found, gone, strict=True)
        ]
    )
    changes = tuple(
        Change(*key, _final(*old[key], metric, seed), _final(*new[key], metric, seed), pair)
        for key, pair in zip(both, pairs, strict=True)
    )
    overall = _over_tasks(both, found, gone, metric) if metric in SCALES else []
    notes = [note for key in both for note in _unequal(*key, old[key], new[key])]
    return Compared(changes, tuple(overall), tuple(sorted(gaps, key=lambda g: (g.task, g.label))), tuple(notes))


def _final(cell: Cell, curve: Curve, metric: str, seed: int) -> Score:
    return score(curve.values[:, -1], seed, bounds_of(cell, metric))


def _finished(
    cells: Sequence[Cell], metric: str, name: str
) -> tuple[dict[tuple[str, str], tuple[Cell, Curve]], list[Gap]]:
    """Finished cells of one set by (task, algorithm); an algorithm that is there twice on a task goes by its label."""
    gaps: list[Gap] = []
    done: list[tuple[Cell, Curve]] = []
    for cell in cells:
        if not cell.finished:
            gaps.append(Gap(cell.task, _algo(cell), f"unfinished in the {name} set: {cell.first.where}"))
            continue
        curve, why = usable(cell, metric)
        gaps += [Gap(cell.task, _algo(cell), f"{reason} ({name} set)") for reason in why]
        if curve is not None:
            done.append((cell, curve))
    keys = [(cell.task, _algo(cell)) for cell, _ in done]
    out = {}
    for key, (cell, curve) in zip(keys, done, strict=True):
        out[key if keys.count(key) == 1 else (cell.task, cell.label)] = (cell, curve)
    return out, gaps


def _over_tasks(
    keys: Sequence[tuple[str, str]],
    found: Sequence[tuple[Sides, str]],
    gone: Sequence[tuple[Lost, Lost]],
    metric: str,
) -> list[Pair]:
    """Each algorithm over the tasks that both sets have; Holm's correction over the algorithms."""
    out = []
    for algo in sorted({algo for _, algo in keys}):
        own = [one for key, one in zip(keys, found, strict=True) if key[1] == algo]
        sides = [side for key, side in zip(keys, gone, strict=True) if key[1] == algo]
        after, before = zip(*sides, strict=True)
        pair = pair_of("", algo, algo, own, metric, (together(after), together(before)))
        out.append(replace(pair, seeds=f"{len(own)} task(s): {pair.seeds}"))
    return corrected(out)


def _algo(cell: Cell) -> str:
    return cell.first.algo.removesuffix(" (external)")


def _unequal(task: str, algo: str, old: tuple[Cell, Curve], new: tuple[Cell, Curve]) -> list[str]:
    """What a difference may come from besides the change that is meant."""
    facts = [_facts(*one) for one in (old, new)]
    out = []
    for name in facts[0]:
        before, after = (one[name] for one in facts)
        if before != after:
            out.append(f"{algo} on {task}: not the same {name}: {before}, then {after}.")
    values = [_settings(cell) for cell, _ in (old, new)]
    if all(values):
        changed = [n for n in sorted(values[0].keys() | values[1].keys()) if values[0].get(n) != values[1].get(n)]
        parts = [f"{n} {values[0].get(n, 'absent')}, then {values[1].get(n, 'absent')}" for n in changed[:MOST]]
        if changed:
            rest = f"; and {len(changed) - MOST} more" if len(changed) > MOST else ""
            out.append(f"{algo} on {task}: not the same settings: {'; '.join(parts)}{rest}.")
    return out


def _facts(cell: Cell, curve: Curve) -> dict[str, str]:
    run = cell.first.run
    return {
        "profile": cell.first.profile,
        "dataset": dataset_name(run) or "none recorded",
        "success rule": str(run.get("success_rule")),
        "final step": f"{int(curve.steps[-1]):,}",
        "number of evaluations": f"{len(curve.steps):,}",
    }


def _settings(cell: Cell) -> Mapping[str, Any]:
    return {n: v["value"] for n, v in cell.first.run.get("settings", {}).items()}
