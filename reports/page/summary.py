"""What a reader must see first: who is best and how sure that is, what is missing, failed or diverged."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from reports.numbers.bounds import floor_of
from reports.numbers.grid import Gap, unused, usable
from reports.numbers.lost import withheld
from reports.numbers.verdict import Verdict
from reports.runs.cells import Cell, Source
from reports.runs.curves import Curve
from reports.tables.table import Table, decimals, text

__all__ = ["counted", "episodes", "facts", "no_ranking", "notices_table", "verdict_sentences"]

KINDS = (
    "missing",
    "quarantined",
    "failed",
    "unfinished",
    "diverged",
    "not used",
    "other version",
)  # in the order of the page


def facts(cells: Sequence[Cell], metric: str) -> str:
    """How much was compared, in one sentence."""
    labels, tasks = {cell.label for cell in cells}, {cell.task for cell in cells}
    counts = sorted({len(cell.seeds) for cell in cells if cell.finished})
    seeds = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else str(counts[0]) if counts else "no finished"
    profiles = ", ".join(sorted({cell.first.profile for cell in cells}))
    states = f", all of them evaluated on the same initial states ({shared})" if (shared := episodes(cells)) else ""
    return (
        f"{_count(len(labels), 'algorithm')} on {_count(len(tasks), 'task')}, {seeds} seed(s) per cell{states}; "
        f"profile: {profiles}; compared by {metric}."
    )


def counted(cells: Sequence[Cell], metric: str) -> str:
    """How much of what finished cells recorded counts, in one sentence."""
    finished = [cell for cell in cells if cell.finished]
    curves = [usable(cell, metric)[0] for cell in finished]
    whole = [cell.curve(metric) for cell in finished]
    seeds = sum(len(curve.seeds) for curve in curves if curve is not None)
    values = sum(map(_recorded, finished, curves, whole))
    of_seeds = sum(len(cell.seeds) for cell in finished)
    of_values = sum(int((~np.isnan(curve.values)).sum()) for curve in whole if curve is not None)
    if not finished or (seeds, values) == (of_seeds, of_values):
        return ""
    return (
        f"Not everything counts: {of_seeds - seeds:,} of {of_seeds:,} seeds and {of_values - values:,} of "
        f"{of_values:,} evaluations of finished cells are left out, as listed below with the reasons."
    )


def _recorded(cell: Cell, curve: Curve | None, whole: Curve | None) -> int:
    """How many of a cell's recorded values are among those that count: what follows a divergence is not recorded."""
    if curve is None or whole is None:
        return 0
    there = ~np.isnan(whole.values) & np.isin(whole.steps, curve.steps)
    ends = np.array([cell.diverged.get(seed, np.inf) for seed in whole.seeds])
    return int((there & np.isin(whole.seeds, curve.seeds)[:, None] & (whole.steps < ends[:, None])).sum())


def episodes(cells: Sequence[Cell]) -> str:
    """How many episodes an evaluation has, in words; empty where no settings say it."""
    settings = (source.run.get("settings", {}) for cell in cells for source in cell.sources)
    counts = sorted({own["eval_episodes"]["value"] for own in settings if "eval_episodes" in own})
    return f"{' or '.join(map(str, counts))} episodes" if counts else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def verdict_sentences(verdict: Verdict, metric: str) -> list[str]:
    """Who is best, who cannot be told apart from it, and where the estimates disagree."""
    return [_group(verdict, metric), *([_agreement(verdict)] if len(verdict.ranked) > 1 else [])]


def no_ranking(verdicts: Sequence[Verdict]) -> list[str]:
    """Why there is a verdict on each task and none over them; nothing where there are not several."""
    if len(verdicts) < 2:
        return []
    return [
        "There is no ranking over tasks, which takes a score that means the same on all of them and two algorithms "
        "that finished them: the table says who is first on each."
    ]


def _group(verdict: Verdict, metric: str) -> str:
    """The best entry and what the tests say of every other one."""
    best, others = verdict.best, list(verdict.against_best)
    where = f"On {verdict.tasks[0]}" if len(verdict.tasks) == 1 else f"Over {len(verdict.tasks)} tasks"
    digits = decimals(metric, [one.mean.point for one in verdict.standings])
    if best.lost:
        every = "; ".join(f"{one.label}: {one.notes}" for one in verdict.standings)
        return f"{where}, no verdict by {metric}: every algorithm lost seeds ({every})."
    own = f" ({best.notes})" if best.notes else ""
    whole = " of those that lost no seed" if len(verdict.ranked) < len(verdict.standings) else ""
    score = f"{where}, {best.label}{own} has the highest mean final {metric}{whole}, {text(best.mean, digits)}"
    parts = []
    if verdict.together:
        parts.append(f"{_names(verdict.together)} cannot be told apart from it")
    if verdict.lower:
        all_of = "all others, " if len(verdict.lower) == len(others) > 1 else ""
        end = "," if all_of else ""
        parts.append(f"{all_of}{_names(verdict.lower)}{end} {'is' if len(verdict.lower) == 1 else 'are'} lower")
    if verdict.untested:
        parts.append(f"nothing is known of {_names(verdict.untested)} beside it, as a side has a single seed")
    silent = [one for one in verdict.standings if one.label in verdict.withheld]
    parts += [f"{one.label}: {withheld([('', one.lost)])}" for one in silent]
    kinds = {pair.paired for pair in verdict.pairs}
    kind = (
        {True: "paired by seed", False: "unpaired"}[kinds.pop()]
        if len(kinds) == 1
        else "paired by seed where it can be"
    )
    tests = f"{_count(len(verdict.pairs), 'test')} {kind}"
    told = [one.label for one in silent if one.unused == one.lost.words]
    unused = [f"{one.label}: {one.unused}" for one in verdict.standings[1:] if one.unused and one.label not in told]
    besides = f" Not counted: {'; '.join(unused)}." if unused else ""
    failed = [f"{one.label}: {one.failed}" for one in verdict.standings[1:] if one.failed]
    besides += f" Of the others: {'; '.join(failed)}." if failed else ""
    return f"{score}: {'; '.join(parts)} ({tests}, 5 % level after Holm's correction).{besides}"


def _agreement(verdict: Verdict) -> str:
    """Whether mean, median, IQM and P(X > Y) put the same entry first."""
    first = verdict.first_by
    if verdict.first_by_all:
        return f"Mean, median, IQM and P(X > Y) all put {_names(verdict.first_by_all)} first."
    parts = (f"by {name} {_names(labels) if labels else 'nobody beats every other'}" for name, labels in first.items())
    return f"The estimates disagree on who is first: {', '.join(parts)}."


def _names(labels: Sequence[str]) -> str:
    return labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"


def notices_table(
    cells: Sequence[Cell], metric: str, missing: Sequence[Gap], quarantined: Sequence[Gap], apart: Sequence[Gap]
) -> Table:
    """Every cell that is missing, quarantined, failed, unfinished, diverged, or made by another version than most.

    And all that finished cells recorded and no comparison uses; `apart` is what of the online phases is not compared.
    """
    found = [("quarantined", gap.task, gap.label, gap.reason) for gap in quarantined]
    found += [("missing", gap.task, gap.label, gap.reason) for gap in missing]
    own = [cell for cell in cells if not cell.first.external]
    for cell in own:
        if not cell.finished:
            state, message = (str(cell.first.status.get(key, "")) for key in ("state", "message"))
            kind = "failed" if state == "failed" else "unfinished"
            where = f"{state}{': ' if message else ''}{message} ({cell.first.where})"
            found.append((kind, cell.task, cell.label, where))
    floor = floor_of(metric)
    counts = "in no mean, and no verdict in its favour" if floor is None else f"counted as {floor:g} from then on"
    for cell in cells:
        gone = ", ".join(f"seed {seed} at step {step:,}" for seed, step in cell.diverged.items())
        if gone:
            found.append(("diverged", cell.task, cell.label, f"{gone}: {counts}"))
    found += [("not used", c.task, c.label, why) for c in cells if c.finished for why in unused(c, metric)]
    found += [("not used", gap.task, gap.label, gap.reason) for gap in apart]
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
