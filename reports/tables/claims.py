"""The table of claims: what a paper says, whether it holds here, and by which numbers."""

from __future__ import annotations

from collections.abc import Sequence

from reports.numbers.claims import Judged, Part
from reports.numbers.power import MOST
from reports.tables.table import Table, Value, decimals, number, numbers, text

__all__ = ["claims_table", "words_of"]

SHOWN = 3  # parts that a cell of the table names


def claims_table(judged: Sequence[Judged], profile: str) -> Table:
    """Every claim with its verdict in a row; a record for each of its parts."""
    header = ["place", "what the paper says", "verdict", "by", "would be refuted by"]
    rows = [[one.claim.place, one.claim.says, one.verdict, words_of(one), one.claim.refuted_by] for one in judged]
    columns = [
        *("claim", "place", "verdict", "profile", "task", "of", "over", "score", "metric", "bound", "side"),
        *("part", "mean", "mean_low", "mean_high", "seeds", "seeds_needed"),
    ]
    records: list[list[Value]] = [
        [
            *(one.claim.name, one.claim.place, one.verdict, profile, part.task, part.of, part.over, one.claim.score),
            *(one.claim.metric, one.claim.bound, "above" if one.claim.above else "below", part.verdict),
            *(numbers(part.mean.interval if part.mean else None)),
            *(part.seeds, part.needed),
        ]
        for one in judged
        for part in one.parts
    ]
    bold = frozenset((r, 2) for r in range(len(rows)))
    title = f"What the papers say, and whether it holds at {profile} sizes: means over seeds with 95 % intervals."
    return Table("claims", title, header, rows, columns, records, bold)


def words_of(one: Judged) -> str:
    """The numbers of the parts that the verdict rests on, and what is missing."""
    deciding = one.those(one.verdict) if one.verdict in ("refuted", "undecided") else []
    run = [part for part in one.parts if part.mean is not None]
    lines = [_part(one, part) for part in (deciding or run)[:SHOWN]]
    if len(deciding or run) > SHOWN:
        lines.append(f"{len(deciding or run) - SHOWN} more")
    counts = [f"{len(one.those(verdict))} {verdict}" for verdict in ("holds", "refuted", "undecided", "not run")]
    if len(one.parts) > 1:
        lines.append("of its parts " + ", ".join(count for count in counts if not count.startswith("0 ")))
    if one.needed is not None:
        lines.append(f"{'more than ' * (one.needed >= MOST)}{one.needed:,} seeds would decide")
    if one.verdict == "not run" and not run:
        lines = [f"bench suite run {one.claim.suite}"]
    return "; ".join(lines)


def _part(one: Judged, part: Part) -> str:
    if part.mean is None:
        return f"{part.words}: {part.seeds}"
    digits = decimals(one.claim.metric, [part.mean.interval.point])
    bound = f" (bound {number(one.claim.bound, digits)})" if one.claim.bound else ""
    diverged = f" ({part.diverged})" if part.diverged else ""
    return f"{part.words}: {text(part.mean.interval, digits)}{bound}{diverged}"
