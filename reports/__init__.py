"""From run folders to tables, plots and one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reports.wanted import Suite

__all__ = ["build"]


def build(
    roots: Path | Sequence[Path], out: Path, inputs: Sequence[Path] = (), headline: str | None = None, seed: int = 0,
    suite: Suite | None = None,
) -> Path:  # fmt: skip
    """Write the report on all runs below `roots` and the tidy CSVs `inputs` into `out`.

    `headline` is the metric that curves and tables show (None: the suite's, or success, or where a run's task has no
    success rule normalised scores or returns), `seed` that of the bootstrap. With a `suite` only its runs count, what
    is missing of it is named, and the paper's printed numbers stand beside. The same runs give the same bytes. An
    earlier report at `out` is replaced as a whole and only once the new one is complete. Returns the path of its
    index.html. Raises `suite.record.RecordError` if nothing is found, nothing can be read or `out` holds something
    else.
    """
    from reports.page import build as build_page  # late: matplotlib and rliable take seconds to import

    folders = [roots] if isinstance(roots, (str, Path)) else roots
    return build_page([Path(p) for p in folders], Path(out), [Path(p) for p in inputs], headline, seed, suite)
