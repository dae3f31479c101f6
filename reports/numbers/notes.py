"""What a reader must know before believing a number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reports.numbers.before_after import BeforeAfter
from reports.numbers.intervals import FEW, by_student
from reports.numbers.tuned import tuned_notes
from reports.runs.cells import Cell, dataset_name

__all__ = ["warnings"]


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
            f"Some cells rest on {' or '.join(map(str, few))} seeds: up to {FEW} seeds intervals are Student's "
            "t-intervals, which few seeds make wide, and below 4 seeds the IQM is the plain mean."
        )
    single = sorted({f"{row.cell.label} on {row.cell.task}" for row in rows if row.seeds == 1})
    if single:
        out.append(f"A single seed tells nothing about the spread between seeds: no interval for {', '.join(single)}.")
    level = sorted({f"{row.cell.label} on {row.cell.task}" for row in rows if row.seeds > 1 and row.final.spread == 0})
    if level:
        out.append(
            "All seeds have the same final score, which does not prove that other seeds would have it, too: their "
            f"intervals have no width, or that of their episodes: {', '.join(level)}."
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
