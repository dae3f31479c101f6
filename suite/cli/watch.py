"""`bench watch`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from suite.cli.tables import AsJson, Wide, print_rows, table_lines

if TYPE_CHECKING:
    from suite.record.standing import Going

__all__ = ["watch"]


def watch(
    runs: Annotated[list[Path] | None, typer.Argument(help="Folders of run folders; default: runs.")] = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks, while any run goes on.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Look once.")] = False,
    as_json: AsJson = False,
    wide: Wide = False,
) -> None:
    """Show the runs that go on: phase, score, rate, time left. It reads their folders alone, wherever they run."""
    from suite.output import say
    from suite.record.standing import going

    places = runs or [Path("runs")]
    found = _rows(going(places))
    if not found:
        say(f"no run goes on below {', '.join(map(str, places))}; `bench list runs` shows those that are there")
    if as_json or (once and found):
        print_rows(found, as_json, wide)
    elif found:
        _follow(places, every, wide)


def _follow(places: Sequence[Path], every: float, wide: bool) -> None:
    """Show the table until no run goes on: in place on a terminal that can do it, one below the other elsewhere."""
    import time

    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from suite.record.standing import going

    console = Console(force_jupyter=False)
    if console.is_terminal and not console.is_dumb_terminal:
        with Live(console=console, auto_refresh=False) as live:
            while found := _rows(going(places)):
                lines = table_lines(found, None if wide else console.width)
                live.update(Text("\n".join(lines), no_wrap=True, overflow="ignore"), refresh=True)
                time.sleep(every)
            live.update(Text("all runs have ended"), refresh=True)
        return
    while found := _rows(going(places)):
        print_rows(found, False, wide)
        time.sleep(every)


def _rows(runs: Sequence[Going]) -> list[dict[str, Any]]:
    from suite.train.progress import duration

    return [
        {
            "task": run.task,
            "algo": run.algo,
            "run": run.folder.name,
            "phase": run.phase,
            "done": f"{run.done:,}/{run.total:,} {run.unit}" if run.total else "-",
            "rate": f"{run.rate:,.0f} {run.unit}/s" if run.rate else "-",
            "left": "-" if run.left is None else duration(run.left),
            "score": run.score or "-",
            "seen": f"{duration(run.age)} ago",
        }
        for run in runs
    ]
