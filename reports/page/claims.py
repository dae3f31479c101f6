"""The section on what the papers say: the claims that the runs of a report decide, or a part of which they have."""

from __future__ import annotations

from collections import Counter

from reports.numbers.claims import judge
from reports.page.report import Report
from reports.tables.claims import claims_table
from reports.tables.table import Table
from suite.record.claims import claims

__all__ = ["claims_of"]


def claims_of(report: Report) -> Table | None:
    """Claims of the suite, or all of which something was run, at the sizes that most of the runs have."""
    cells = [cell for cell in report.results.cells if not cell.first.external]
    if not cells:
        return None
    profile = Counter(cell.first.profile for cell in cells).most_common(1)[0][0]
    asked = claims(None if report.suite is None else report.suite.name)
    judged = judge(asked, [*report.results.cells, *report.reference], profile)
    begun = [one for one in judged if any(part.mean is not None for part in one.parts)]
    return report.some(claims_table(begun, profile))
