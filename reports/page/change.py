"""The page of `bench report --compare`: an algorithm before and after a change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reports.numbers.compare import compare
from reports.numbers.headline import headline_of
from reports.page.build import mark, render
from reports.page.folder import refuse_foreign, swapped_into
from reports.page.runs import shown_runs
from reports.pictures import plots
from reports.pictures.embed import shown
from reports.runs.collect import collect
from reports.tables.differences import compare_tables
from suite.record.metrics import METRICS

__all__ = ["build"]


def build(before: Path, after: Path, out: Path, headline: str | None, seed: int, say: Callable[[str], object]) -> Path:
    """Write the page; the arguments are those of `reports.build_comparison`."""
    out = out.resolve()
    refuse_foreign(out)
    sets = [collect([root]) for root in (before, after)]
    for line in (line for one in sets for line in one.left_out()):
        say(line)
    metric = headline_of([cell for one in sets for cell in one.cells], headline)
    found = compare(sets[0].cells, sets[1].cells, metric, seed)
    unread = [f"{one.where}: {one.reason}" for collection in sets for one in collection.quarantined]
    with swapped_into(out) as folder:
        tables = compare_tables(found, metric)
        for table in tables:
            table.write(folder / "tables")
        says = "Differences of final scores with their intervals, as in the table."
        bars = {f"{one.algo} on {one.task}": one.pair.difference.interval for one in found.changes}
        title = f"Final {metric}, second minus first; bar: interval, line: estimate"
        content = {
            "first": str(before),
            "second": str(after),
            "metric": metric,
            "meaning": METRICS.get(metric, "a metric of an outside package"),
            "notes": [*found.notes, *unread],
            "tables": tables,
            "figure": shown(folder, "changes", title, says, plots.difference_bars(bars, metric)),
            "runs": shown_runs([cell for one in sets for cell in one.cells]),
        }
        (folder / "index.html").write_text(render("change.html", content), encoding="utf-8")
        mark(folder, {"headline": metric, "seed": seed, "compares": [str(before), str(after)]})
    return out / "index.html"
