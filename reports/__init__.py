"""From run folders to tables, plots and one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["build"]


def build(run_root: Path, out: Path, inputs: Sequence[Path] = (), headline: str | None = None, seed: int = 0) -> Path:
    """Write the report on all runs below `run_root` and the tidy CSVs `inputs` into `out`.

    `headline` is the metric that curves and tables show (None: success, or where a run's task has no success rule
    normalised scores or returns), `seed` that of the bootstrap. The same runs give the same bytes. An earlier report
    at `out` is replaced as a whole and only once the new one is complete. Returns the path of its index.html.
    Raises `suite.record.RecordError` if nothing is found, a file is damaged or `out` holds something else.
    """
    from reports.page import build as build_page  # late: matplotlib and rliable take seconds to import

    return build_page(Path(run_root), Path(out), [Path(p) for p in inputs], headline, seed)
