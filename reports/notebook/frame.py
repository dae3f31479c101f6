"""Everything that was recorded as one tidy DataFrame, settings on demand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.runs.cells import Cell, Source
from suite.record.folders import RecordError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "frame_of"]

COLUMNS = ("task", "algorithm", "seed", "phase", "step", "metric", "value")


def frame_of(cells: Sequence[Cell], settings: bool | Sequence[str] = False) -> pd.DataFrame:
    """One row for each recorded value, in the order of cells, metrics, seeds and steps; see `reports.load`."""
    import pandas as pd

    pairs = [(cell, source) for cell in cells for source in cell.sources]
    names = _names([source for _, source in pairs], settings)
    blocks = [block for cell, source in pairs for block in _blocks(cell, source, names)]
    columns = [*COLUMNS, *names]
    return pd.DataFrame({name: _joined([block[name] for block in blocks]) for name in columns}, columns=columns)


def _blocks(cell: Cell, source: Source, names: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of each metric of a run: an array for each column."""
    settings = {name: source.run.get("settings", {}).get(name) for name in names}
    out = []
    for metric, curve in sorted(source.curves.items()):
        row, column = np.nonzero(~np.isnan(curve.values))
        steps, count = curve.steps[column], len(row)
        constant: dict[str, Any] = {"task": cell.task, "algorithm": cell.label, "metric": metric}
        constant |= {name: None if entry is None else _plain(entry["value"]) for name, entry in settings.items()}
        block: dict[str, Any] = {name: [value] * count for name, value in constant.items()}
        block |= {"seed": np.array(curve.seeds)[row], "step": steps, "value": curve.values[row, column]}
        out.append({**block, "phase": np.where(steps > 0, "online", "offline").tolist()})
    return out


def _joined(parts: Sequence[Any]) -> Any:
    if parts and isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return [value for part in parts for value in part]


def _names(sources: Sequence[Source], wanted: bool | Sequence[str]) -> list[str]:
    """The settings that become columns: all that some run has, or those that were asked for."""
    every = {name: None for source in sources for name in source.run.get("settings", {})}
    names = list(every) if wanted is True else list(wanted or ())
    unknown = sorted(set(names) - every.keys())
    if unknown:
        raise RecordError(f"no run has a setting {', '.join(unknown)}; there are {', '.join(every) or 'none'}")
    taken = sorted(set(names) & set(COLUMNS))
    if taken:
        raise RecordError(f"settings {', '.join(taken)}: columns of that name are there already")
    return names


def _plain(value: Any) -> Any:
    """A value that fits one cell of a table: lists as text."""
    return ", ".join(map(str, value)) if isinstance(value, list) else value
