"""What a reader must know before believing a number: warnings, seeds needed, how honest the intervals are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reports.numbers import stats
from reports.numbers.before_after import BeforeAfter
from reports.numbers.grid import SCALES
from reports.numbers.intervals import by_student
from reports.numbers.tuned import tuned_notes
from reports.runs.cells import Cell, dataset_name

__all__ = ["MEASURED", "coverage_note", "spread_note", "warnings"]

UNLIKE = 2.0  # tasks whose spreads differ by more than this factor get a number of seeds each
# python benchmarks/coverage.py: (statistic, seeds, tasks) -> kind of scores -> how often the 95 % interval held the
# truth, in per cent, where that was below 93
MEASURED: dict[tuple[str, int, int], dict[str, int]] = {
    ("IQM of a task", 3, 1): {"two modes": 88},
    ("IQM of a task", 5, 1): {"two modes": 89},
    ("mean of a task", 3, 1): {"skewed": 92, "two modes": 72},
    ("mean of a task", 5, 1): {"skewed": 92, "two modes": 82},
    ("mean of a task", 10, 1): {"skewed": 92},
    ("aggregate IQM", 3, 1): {"two modes": 88},
    ("aggregate IQM", 5, 1): {"two modes": 89},
    ("aggregate mean", 3, 1): {"skewed": 92, "two modes": 72},
    ("aggregate mean", 5, 1): {"skewed": 92, "two modes": 82},
    ("aggregate mean", 10, 1): {"skewed": 92},
    ("aggregate median", 3, 1): {"skewed": 92, "two modes": 72},
    ("aggregate median", 5, 1): {"skewed": 92, "two modes": 82},
    ("aggregate median", 10, 1): {"skewed": 92},
    ("optimality gap", 3, 1): {"skewed": 92, "two modes": 72},
    ("optimality gap", 5, 1): {"skewed": 92, "two modes": 82},
    ("profile", 3, 1): {"success rates": 90},
    ("aggregate median", 3, 12): {"skewed": 92, "success rates": 92},
}
KINDS = {
    "skewed": "skewed scores",
    "success rates": "success rates of 20 episodes",
    "two modes": "scores in two modes",
}


def coverage_note(seeds: Sequence[int], tasks: int = 0) -> str:
    """Where intervals at about these numbers of seeds hold the truth less often than they aim to; '' if nowhere.

    `tasks` is the number of tasks of the common grid, 0 without statistics over tasks.
    """
    measured = sorted({n for _, n, _ in MEASURED})
    near = {min(measured, key=lambda n: (abs(n - own), n)) for own in seeds if own > 1} if measured else set()
    short = []
    for (statistic, n, own), kinds in MEASURED.items():
        if n in near and (statistic.endswith("of a task") or (tasks > 0 and (own > 1) == (tasks > 1))):
            shares = ", ".join(f"{share} % for {KINDS[kind]}" for kind, share in kinds.items())
            short.append(f"{statistic} with {n} seeds {shares}")
    if not short:
        return ""
    return (
        "Intervals aim at 95 %. In simulations with a known truth they held it at least 93 times in a hundred, "
        f"except: {'; '.join(short)}. In two modes: three seeds in ten fail."
    )


def spread_note(rows: Sequence[BeforeAfter], metric: str) -> str:
    """How many seeds a visible difference needs, from the spread of final scores; empty if unknowable."""
    spreads = {task: _spread([row for row in rows if row.cell.task == task]) for task in _tasks(rows)}
    gaps = {task: _gap([row for row in rows if row.cell.task == task], metric) for task in spreads}
    known = {task: s for task, s in spreads.items() if s > 0 and gaps[task] > 0}
    if not known:
        return ""
    pooled = _spread(rows)
    if metric in SCALES and max(known.values()) <= UNLIKE * min(known.values()):
        gap = 0.1 * SCALES[metric]
        return (
            f"Final scores here differ between seeds with a standard deviation of about {pooled:.2g}: telling "
            f"two algorithms {gap:g} apart on one task (80 % power, 5 % level) needs about "
            f"{stats.seeds_needed(pooled, gap)} seeds of each."
        )
    what = (
        f"{0.1 * SCALES[metric]:g} apart"
        if metric in SCALES
        else "a tenth of the task's range apart (from the lowest mean score at the switch to the highest final one)"
    )
    parts = (
        f"{task}: {stats.seeds_needed(spread, gaps[task])} (standard deviation {spread:.2g}, gap {gaps[task]:.2g})"
        for task, spread in known.items()
    )
    return (
        f"Seeds of each that are needed to tell two algorithms {what} on one task (80 % power, 5 % level): "
        f"{'; '.join(parts)}."
    )


def _tasks(rows: Sequence[BeforeAfter]) -> list[str]:
    return sorted({row.cell.task for row in rows})


def _spread(rows: Sequence[BeforeAfter]) -> float:
    """Pooled standard deviation of final scores between seeds, 0 if no cell has two seeds."""
    several = [row for row in rows if row.seeds > 1]
    squares, weights = [row.final.spread**2 for row in several], [row.seeds - 1 for row in several]
    return float(np.sqrt(np.average(squares, weights=weights))) if several else 0.0


def _gap(rows: Sequence[BeforeAfter], metric: str) -> float:
    if metric in SCALES:
        return 0.1 * SCALES[metric]
    points = [score.mean.point for row in rows for score in (row.switch, row.final) if score is not None]
    return 0.1 * (max(points) - min(points))


def warnings(cells: Sequence[Cell], rows: Sequence[BeforeAfter]) -> list[str]:
    """What a reader must know before believing a figure."""
    out = []
    profiles: dict[str, set[str]] = {}
    for cell in cells:
        profiles.setdefault(cell.first.profile, set()).add(cell.label)
    for name in sorted(set(profiles) - {"paper", "external"}):
        out.append(f"Profile {name}: sizes are not the paper's.")
    if len(set(profiles) - {"external"}) > 1:
        parts = "; ".join(f"{name}: {', '.join(sorted(profiles[name]))}" for name in sorted(profiles))
        out.append(f"Runs of different profiles are on this page and not comparable with each other ({parts}).")
    if "external" in profiles:
        names = ", ".join(sorted(profiles["external"]))
        out.append(f"Imported from elsewhere, settings unknown: {names}.")
    out += tuned_notes(cells)
    out += _few(rows)
    for task in sorted({cell.task for cell in cells}):
        out += _unequal(task, [c for c in cells if c.task == task], [r for r in rows if r.cell.task == task])
    return out


def _few(rows: Sequence[BeforeAfter]) -> list[str]:
    few = sorted({row.seeds for row in rows if row.seeds > 1 and by_student(row.seeds)})
    out = []
    if few:
        out.append(
            f"Some cells rest on {' or '.join(map(str, few))} seeds: their intervals are Student's t-intervals, wide "
            "and not clipped to possible values, and below 4 seeds the IQM is the plain mean."
        )
    single = sorted({f"{row.cell.label} on {row.cell.task}" for row in rows if row.seeds == 1})
    if single:
        out.append(f"A single seed tells nothing about the spread between seeds: no interval for {', '.join(single)}.")
    level = sorted({f"{row.cell.label} on {row.cell.task}" for row in rows if row.seeds > 1 and row.final.spread == 0})
    if level:
        out.append(
            "All seeds have the same final score, so that intervals have no width, which does not prove that other "
            f"seeds would have it, too: {', '.join(level)}."
        )
    return out


def _unequal(task: str, cells: Sequence[Cell], rows: Sequence[BeforeAfter]) -> list[str]:
    """Where the entries of one task were not given the same thing."""
    names = ("dataset", "success rule", "final step", "evaluation points")
    facts: dict[str, dict[str, set[str]]] = {name: {} for name in names}
    for cell in cells:
        for source in cell.sources:
            if source.external:
                continue
            data = dataset_name(source.run)
            if data:
                facts["dataset"].setdefault(data, set()).add(cell.label)
            facts["success rule"].setdefault(str(source.run.get("success_rule")), set()).add(cell.label)
    for row in rows:
        if not row.cell.offline_only:
            facts["final step"].setdefault(f"{row.final_step:,}", set()).add(row.cell.label)
            facts["evaluation points"].setdefault(_calendar(row.calendar), set()).add(row.cell.label)
    out = []
    for fact, values in facts.items():
        if len(values) > 1:
            parts = "; ".join(f"{value}: {', '.join(sorted(names))}" for value, names in sorted(values.items()))
            out.append(f"{task}: not the same {fact} for all ({parts}).")
    return out


def _calendar(steps: Sequence[int]) -> str:
    """The evaluations from the switch on in words; two calendars have the same words only if they are equal."""
    if not steps:
        return "none"
    gaps = np.diff(steps)
    if not len(gaps):
        return f"only at {steps[0]:,}"
    even = f"every {gaps[0]:,}" if (gaps == gaps[0]).all() else ", ".join(f"{step:,}" for step in steps)
    return f"{even}, {steps[0]:,} to {steps[-1]:,}" if (gaps == gaps[0]).all() else even
