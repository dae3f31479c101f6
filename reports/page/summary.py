"""What a reader must see first: who leads on what, and what is missing, failed, diverged or not of one version."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from reports.numbers.before_after import BeforeAfter
from reports.numbers.grid import Gap
from reports.numbers.intervals import Interval
from reports.runs.cells import Cell, Source
from reports.tables.table import Table, decimals, text

__all__ = ["facts", "leader_over_tasks", "leaders_table", "notices_table"]

KINDS = ("missing", "quarantined", "failed", "unfinished", "diverged", "other version")  # in the order of the page


def facts(cells: Sequence[Cell], metric: str) -> str:
    """How much was compared, in one sentence."""
    labels, tasks = {cell.label for cell in cells}, {cell.task for cell in cells}
    counts = sorted({len(cell.seeds) for cell in cells if cell.finished})
    seeds = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else str(counts[0]) if counts else "no finished"
    profiles = ", ".join(sorted({cell.first.profile for cell in cells}))
    return (
        f"{_count(len(labels), 'algorithm')} on {_count(len(tasks), 'task')}, {seeds} seed(s) per cell; "
        f"profile: {profiles}; compared by {metric}."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def leaders_table(rows: Sequence[BeforeAfter], metric: str) -> Table:
    """Leaders per task: the entry with the highest final IQM, the next one, and whether their intervals overlap."""
    shown: list[list[str]] = []
    records: list[list[str | int | float | None]] = []
    for task in sorted({row.cell.task for row in rows}):
        finals = {row.cell.label: row.final.iqm for row in rows if row.cell.task == task}
        order = sorted(finals, key=lambda label: (-finals[label].point, label))
        if len(order) < 2:
            continue
        (first, second), apart = order[:2], _apart(finals[order[0]], finals[order[1]])
        digits = decimals(metric, [finals[label].point for label in (first, second)])
        texts = [text(finals[label], digits) for label in (first, second)]
        shown.append([task, first, texts[0], second, texts[1], apart, str(len(order))])
        numbers = [(i.point, i.low, i.high) for i in (finals[first], finals[second])]
        records.append([task, first, *numbers[0], second, *numbers[1], apart, len(order)])
    return Table(
        "leaders",
        f"Highest final {metric} on each task: IQM over seeds with its interval.",
        ["task", "highest", "its score", "next", "its score", "their intervals", "compared"],
        shown,
        [
            "task",
            "highest",
            "highest_iqm",
            "highest_low",
            "highest_high",
            "next",
            "next_iqm",
            "next_low",
            "next_high",
            "intervals",
            "compared",
        ],
        records,
    )


def _apart(high: Interval, low: Interval) -> str:
    if high.point == low.point:
        return "equal scores"
    if math.isnan(high.low) or math.isnan(low.high):
        return "unknown: one seed"
    return "apart" if high.low > low.high else "overlap"


def leader_over_tasks(aggregates: Mapping[str, Mapping[str, Interval]], tasks: int, seeds: int) -> str:
    """The highest IQM over tasks in one sentence; empty for a single entry."""
    iqm = {label: by_name["IQM"] for label, by_name in aggregates.items()}
    order = sorted(iqm, key=lambda label: (-iqm[label].point, label))
    if len(order) < 2:
        return ""
    first, second = order[:2]
    scores = [text(iqm[label], 2) for label in (first, second)]  # on a scale where 1 is solved
    verdict = {
        "apart": "their intervals are apart",
        "overlap": "their intervals overlap",
        "equal scores": "a tie",
    }.get(_apart(iqm[first], iqm[second]), "one seed says nothing of the spread")
    return (
        f"Over the {_count(tasks, 'task')} that {_count(len(order), 'algorithm')} completed, {seeds} seed(s) each, "
        f"{first} has the highest interquartile mean, {scores[0]}; next is {second}, {scores[1]}: {verdict}. "
        "1 is solved."
    )


def notices_table(cells: Sequence[Cell], missing: Sequence[Gap], quarantined: Sequence[Gap]) -> Table:
    """Every cell that is missing, quarantined, failed, unfinished, diverged, or made by another version than most."""
    found = [("quarantined", gap.task, gap.label, gap.reason) for gap in quarantined]
    found += [("missing", gap.task, gap.label, gap.reason) for gap in missing]
    own = [cell for cell in cells if not cell.first.external]
    for cell in own:
        if not cell.finished:
            state, message = (str(cell.first.status.get(key, "")) for key in ("state", "message"))
            kind = "failed" if state == "failed" else "unfinished"
            where = f"{state}{': ' if message else ''}{message} ({cell.first.where})"
            found.append((kind, cell.task, cell.label, where))
    for cell in cells:
        gone = ", ".join(f"seed {seed} at step {step:,}" for seed, step in cell.diverged.items())
        if gone:
            found.append(("diverged", cell.task, cell.label, f"{gone}: counted nowhere"))
    found += [("other version", cell.task, cell.label, text) for cell, text in _versions(own)]
    rows = sorted(found, key=lambda row: (KINDS.index(row[0]), row[1:]))
    header = ["what", "task", "algorithm", "detail"]
    return Table("notices", "What to know before reading on.", header, rows, header, rows)


def _versions(cells: Sequence[Cell]) -> list[tuple[Cell, str]]:
    """Cells with a run made by other packages or another revision than most runs of the report, and which."""
    sources = [source for cell in cells for source in cell.sources]
    counts: dict[str, Counter[str]] = {}
    for source in sources:
        for name, value in _made_by(source).items():
            counts.setdefault(name, Counter())[value] += 1
    usual = {name: max(sorted(count), key=lambda v: count[v]) for name, count in counts.items() if len(count) > 1}
    out = []
    for cell in cells:
        texts = {
            f"{name} {value} (most runs: {usual[name]})": None
            for source in cell.sources
            for name, value in _made_by(source).items()
            if value != usual.get(name, value)
        }
        if texts:
            mixed = " in some of its runs" if len({json.dumps(_made_by(s)) for s in cell.sources}) > 1 else ""
            out.append((cell, ", ".join(texts) + mixed))
    return out


def _made_by(source: Source) -> dict[str, str]:
    versions: dict[str, Any] = dict(source.run.get("versions") or {})
    if source.run.get("revision"):
        versions["revision"] = source.run["revision"]
    return {name: str(value) for name, value in versions.items()}
