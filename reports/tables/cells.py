"""The tables of cells: how far each has come, and what was left out of a comparison."""

from __future__ import annotations

from collections.abc import Sequence

from reports.numbers.grid import Gap
from reports.runs.cells import Cell
from reports.tables.table import Table

__all__ = ["cells_table", "gaps_table"]


def cells_table(cells: Sequence[Cell], missing: Sequence[Gap]) -> Table:
    """Every cell of the comparison: complete, unfinished with its progress, or missing."""
    rows = []
    for cell in cells:
        state = "imported" if cell.first.external else "complete" if cell.finished else _progress(cell)
        gone = ", ".join(f"{seed} (at step {step:,})" for seed, step in cell.diverged.items())
        where = ", ".join(source.where for source in cell.sources)
        rows.append([cell.task, cell.label, state, ", ".join(map(str, cell.seeds)), gone, cell.first.profile, where])
    rows += [[gap.task, gap.label, f"missing: {gap.reason}", "", "", "", ""] for gap in missing]
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


def gaps_table(name: str, title: str, gaps: Sequence[Gap]) -> Table:
    """What was left out of a comparison, and why."""
    rows = [[g.task, g.label, g.reason] for g in gaps]
    return Table(name, title, ["task", "algorithm", "reason"], rows, ["task", "algorithm", "reason"], rows)
