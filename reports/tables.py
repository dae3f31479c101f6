"""Tables: numbers once as CSV at full precision, and once as text for Markdown, LaTeX and the page."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reports import stats
from reports.analysis import LAST, SCALES, SCORE_COLUMNS, BeforeAfter, Gap
from reports.collect import Cell
from reports.stats import Interval

__all__ = ["Table", "aggregate_table", "before_after_table", "cells_table", "gaps_table", "improvement_table"]

Value = str | int | float | None


@dataclass(frozen=True)
class Table:
    """`header` and `rows` for reading, `columns` and `records` (same order of rows) for computing."""

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    columns: Sequence[str]
    records: Sequence[Sequence[Value]]

    def write(self, folder: Path) -> None:
        """Write `name`.csv, `name`.md and `name`.tex."""
        (folder / f"{self.name}.csv").write_text(self.csv())
        (folder / f"{self.name}.md").write_text(self.markdown())
        (folder / f"{self.name}.tex").write_text(self.latex())

    def csv(self) -> str:
        """Numbers with 9 significant digits; empty where there is none."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([_plain(value) for value in record] for record in self.records)
        return text.getvalue()

    def markdown(self) -> str:
        """The title and a pipe table."""
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        cells = ("| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines)
        return f"{self.title}\n\n" + "\n".join(cells) + "\n"

    def latex(self) -> str:
        """A booktabs tabular, everything escaped."""
        lines = [" & ".join(map(_tex, line)) + r" \\" for line in (self.header, *self.rows)]
        return "\n".join(
            [
                "% needs \\usepackage{booktabs}",
                f"\\begin{{tabular}}{{{'l' * len(self.header)}}}",
                "\\toprule",
                lines[0],
                "\\midrule",
                *lines[1:],
                "\\bottomrule",
                "\\end{tabular}",
                "",
            ]
        )


def before_after_table(rows: Sequence[BeforeAfter], metric: str) -> Table:
    """Per task and entry: the score at the switch, final, best, mean of the last few, worst dip."""
    shown, records = [], []
    for row in rows:
        cell, texts, numbers = row.cell, [], []
        for name in SCORE_COLUMNS:
            score = row.scores[name]
            boot, t = (None, None) if score is None else (score.iqm, score.mean)
            texts.append("–" if boot is None or t is None else _both(boot, t, row.seeds, metric))
            numbers += [*_numbers(boot), *_numbers(t)]
        final = f"{row.final_step:,}" + (" (offline only)" if cell.offline_only else "")
        shown.append([cell.task, cell.label, str(row.seeds), *texts[:2], final, *_after(texts, row)])
        records.append(
            [cell.task, cell.label, cell.first.profile, row.seeds, row.final_step, row.evaluations, *numbers]
        )
    stat = ("iqm", "iqm_low", "iqm_high", "mean", "t_low", "t_high")
    title = (
        f"{metric}: IQM over seeds with {stats.CONFIDENCE:.0%} bootstrap interval; with fewer than "
        f"{stats.FEW} seeds also t: Student's interval of the mean, not clipped to possible values."
    )
    return Table(
        "before_after",
        title,
        ["task", "algorithm", "seeds", "at the switch", "final", "final step",
         "best of k evaluations, selected online", f"mean of last {LAST}", "worst dip below the switch"],
        shown,
        ["task", "algorithm", "profile", "seeds", "final_step", "evaluations",
         *(f"{name}_{s}" for name in SCORE_COLUMNS for s in stat)],
        records,
    )  # fmt: skip


def _after(texts: Sequence[str], row: BeforeAfter) -> list[str]:
    best, last, dip = texts[2:]
    if best == "–":
        return [best, last, dip]
    if row.evaluations < LAST:
        last = f"{last} (of {row.evaluations})"
    return [f"{best} (k = {row.evaluations})", last, dip]


def aggregate_table(table: Mapping[str, Mapping[str, Interval]], tasks: int, seeds: int) -> Table:
    """rliable's aggregates over tasks."""
    shown = [[label, *(_text(by_name[name], 2) for name in stats.AGGREGATES)] for label, by_name in table.items()]
    records = [
        [label, tasks, seeds, *(v for name in stats.AGGREGATES for v in _numbers(by_name[name]))]
        for label, by_name in table.items()
    ]
    columns = [f"{n.lower().replace(' ', '_')}{end}" for n in stats.AGGREGATES for end in ("", "_low", "_high")]
    title = f"Aggregates of the final score over {tasks} task(s), {seeds} seed(s) each; 1 is solved."
    return Table(
        "aggregates",
        title,
        ["algorithm", *stats.AGGREGATES],
        shown,
        ["algorithm", "tasks", "seeds", *columns],
        records,
    )


def improvement_table(table: Mapping[tuple[str, str], Interval]) -> Table:
    """P(X > Y) of each pair."""
    shown = [[x, y, _text(value, 2)] for (x, y), value in table.items()]
    records = [[x, y, *_numbers(value)] for (x, y), value in table.items()]
    return Table(
        "improvement",
        f"Probability that a run of X scores above one of Y; {len(table)} pair(s), uncorrected for that.",
        ["X", "Y", "P(X > Y)"],
        shown,
        ["x", "y", "probability", "low", "high"],
        records,
    )


def gaps_table(name: str, title: str, gaps: Sequence[Gap]) -> Table:
    """What was left out of a comparison, and why."""
    rows = [[g.task, g.label, g.reason] for g in gaps]
    return Table(name, title, ["task", "algorithm", "reason"], rows, ["task", "algorithm", "reason"], rows)


def cells_table(cells: Sequence[Cell]) -> Table:
    """Every cell of the grid of algorithms x tasks: complete, unfinished with its progress, or missing."""
    rows = []
    for cell in cells:
        state = "imported" if cell.first.external else "complete" if cell.finished else _progress(cell)
        gone = ", ".join(f"{seed} (at step {step:,})" for seed, step in cell.diverged.items())
        where = ", ".join(source.where for source in cell.sources)
        rows.append([cell.task, cell.label, state, ", ".join(map(str, cell.seeds)), gone, cell.first.profile, where])
    tasks = {cell.task for cell in cells}
    own = {(c.first.algo, c.task) for c in cells if not c.first.external}
    for algo in {a for a, _ in own}:
        rows += [[task, algo, "missing: never run", "", "", "", ""] for task in tasks if (algo, task) not in own]
    rows.sort(key=lambda r: (r[0], r[1]))
    columns = ["task", "algorithm", "state", "seeds", "diverged_seeds", "profile", "where"]
    header = [c.replace("_", " ") for c in columns]
    return Table("cells", "Cells of the comparison.", header, rows, columns, rows)


def _progress(cell: Cell) -> str:
    status, settings = cell.first.status, cell.first.run["settings"]
    phase = status.get("phase", "offline")
    counter, total = ("env_step", "online_steps") if phase == "online" else ("update", "offline_updates")
    done, goal = status.get(counter, 0), dict(settings.get(total) or {}).get("value")
    share = f" of {goal:,} ({done / goal:.0%})" if isinstance(goal, int) and goal > 0 else ""
    what = "environment steps" if phase == "online" else "offline updates"
    message = f": {status['message']}" if status.get("message") else ""
    return f"unfinished, {status.get('state', 'state unknown')} at {done:,}{share} {what}{message}"


def _both(boot: Interval, t: Interval, seeds: int, metric: str) -> str:
    digits = 2 if SCALES.get(metric) == 1.0 else 1
    if seeds == 1 or seeds >= stats.FEW:
        return _text(boot, digits)
    return f"{_text(boot, digits)} t {_text(t, digits).partition(' ')[2]}"


def _text(value: Interval, digits: int) -> str:
    def number(x: float) -> str:
        return f"{round(x, digits) + 0.0:.{digits}f}".replace("-", "−")  # + 0.0: never "-0.00"

    if np.isnan(value.low):
        return number(value.point)
    return f"{number(value.point)} [{number(value.low)}, {number(value.high)}]"


def _numbers(value: Interval | None) -> list[Value]:
    return [None] * 3 if value is None else [value.point, value.low, value.high]


def _plain(value: Value) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def _tex(text: str) -> str:
    special = {c: f"\\{c}" for c in "&%$#_{}"}
    special |= {"–": "--", "−": "$-$", ">": "$>$", "<": "$<$"}
    special |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c, c) for c in text)
