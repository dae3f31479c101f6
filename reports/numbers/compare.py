"""Two sets of results, cell by cell: an algorithm before and after a change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.collect import Cell, Curve, dataset_name
from reports.numbers import stats
from reports.numbers.differences import Sides, difference
from reports.numbers.grid import SCALES, Gap, usable
from reports.numbers.pairs import Pair, corrected, side_by_side
from reports.numbers.scores import Score, score
from reports.table import Table, decimals, numbers, text
from suite.record import RecordError

__all__ = ["Change", "Compared", "compare", "compare_tables", "verdict"]

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
    """What `compare` finds."""

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
    found = [side_by_side(new[key], old[key]) for key in both]
    pairs = corrected([_pair(*key, [one]) for key, one in zip(both, found, strict=True)])
    changes = tuple(
        Change(*key, score(old[key][1].values[:, -1], seed), score(new[key][1].values[:, -1], seed), pair)
        for key, pair in zip(both, pairs, strict=True)
    )
    overall: list[Pair] = []
    if metric in SCALES:
        algos = sorted({algo for _, algo in both})
        by_algo = {algo: [one for key, one in zip(both, found, strict=True) if key[1] == algo] for algo in algos}
        overall = corrected([_pair("", algo, ones) for algo, ones in by_algo.items()])
    notes = [note for key in both for note in _unequal(*key, old[key], new[key])]
    return Compared(changes, tuple(overall), tuple(sorted(gaps, key=lambda g: (g.task, g.label))), tuple(notes))


def _finished(
    cells: Sequence[Cell], metric: str, name: str
) -> tuple[dict[tuple[str, str], tuple[Cell, Curve]], list[Gap]]:
    """(task, algorithm) -> cell and scores; an algorithm that a set has twice on a task goes by its label."""
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


def _algo(cell: Cell) -> str:
    return cell.first.algo.removesuffix(" (external)")


def _pair(task: str, algo: str, found: Sequence[tuple[Sides, str]]) -> Pair:
    sides = [side for side, _ in found]
    words = "; ".join(sorted({how for _, how in found}))
    if not task:
        words = f"{len(found)} task(s): {words}"
    return Pair(task, algo, algo, words, all(side.paired for side in sides), difference(sides), np.nan)


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


def verdict(pair: Pair) -> str:
    """better, worse or not told apart; no verdict from a single seed. More counts as better, as in all scores."""
    if np.isnan(pair.adjusted):
        return "no interval from a single seed"
    if pair.difference.p == 1.0 and pair.difference.interval.low == pair.difference.interval.high:
        return "no difference"
    if not pair.told_apart:
        return "not told apart"
    return "better" if pair.difference.interval.point > 0 else "worse"


def compare_tables(found: Compared, metric: str) -> list[Table]:
    """Cell by cell, over tasks, and what was not compared; only those that have rows."""
    tables = [_changes_table(found.changes, metric)]
    if found.overall:
        tables.append(_overall_table(found.overall, metric))
    if found.missing:
        rows = [[gap.task, gap.label, gap.reason] for gap in found.missing]
        header = ["task", "algorithm", "reason"]
        tables.append(Table("not_compared", "Left out of the comparison.", header, rows, header, rows))
    return tables


def _changes_table(changes: Sequence[Change], metric: str) -> Table:
    digits = decimals(metric, [one.after.mean.point for one in changes])
    shown, records = [], []
    for one in changes:
        pair = one.pair
        values = (one.before.mean, one.after.mean, pair.difference.interval)
        shown.append([one.task, one.algo, *(text(v, digits) for v in values), _p(pair), verdict(pair), pair.seeds])
        found = [x for value in values for x in numbers(value)]
        records.append(
            [one.task, one.algo, *found, pair.difference.p, pair.adjusted, verdict(pair), int(pair.paired), pair.seeds]
        )
    return Table(
        "changes",
        f"Mean final {metric} of the first and the second set and their difference, each with {stats.CONFIDENCE:.0%} "
        f"interval. p after Holm's correction for {len(changes)} comparison(s); intervals are uncorrected.",
        ["task", "algorithm", "first", "second", "second − first", "p (Holm)", "verdict", "seeds"],
        shown,
        ["task", "algorithm",
         *(f"{n}{end}" for n in ("first", "second", "difference") for end in ("", "_low", "_high")), "p",
         "p_holm", "verdict", "paired", "seeds"],
        records,
    )  # fmt: skip


def _overall_table(pairs: Sequence[Pair], metric: str) -> Table:
    digits = decimals(metric, [pair.difference.interval.point for pair in pairs])
    shown, records = [], []
    for pair in pairs:
        value = pair.difference.interval
        shown.append([pair.ahead, text(value, digits), _p(pair), verdict(pair), pair.seeds])
        records.append([pair.ahead, *numbers(value), pair.difference.p, pair.adjusted, verdict(pair), pair.seeds])
    return Table(
        "changes_over_tasks",
        f"Difference of the mean final {metric}, mean over the tasks that both sets finished, with "
        f"{stats.CONFIDENCE:.0%} interval. p after Holm's correction for {len(pairs)} algorithm(s).",
        ["algorithm", "second − first", "p (Holm)", "verdict", "tasks and seeds"],
        shown,
        ["algorithm", "difference", "low", "high", "p", "p_holm", "verdict", "seeds"],
        records,
    )


def _p(pair: Pair) -> str:
    return "–" if np.isnan(pair.adjusted) else f"{pair.adjusted:.3f}"
