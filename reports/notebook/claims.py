"""The papers' claims judged by runs, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reports.numbers.claims import Judged, Part, judge
from reports.runs.collect import collect
from reports.tables.claims import words_of
from suite.record.claims import Claim, claims
from suite.record.folders import RecordError
from suite.record.reference import Packed

__all__ = ["rows_of"]


def rows_of(
    roots: Sequence[Path], packed: Sequence[Packed], suite: str | None, profile: str, parts: bool
) -> list[dict[str, Any]]:
    """A row for each claim; the arguments are those of `reports.judged`."""
    found = collect(roots, beside=packed)
    return [_row(one, parts) for one in judge(_asked(suite), [*found.cells, *found.reference], profile)]


def _asked(suite: str | None) -> list[Claim]:
    chosen = claims(suite)
    if not chosen:
        known = ", ".join(dict.fromkeys(claim.suite for claim in claims()))
        raise RecordError(f"no claim is decided by {suite}; suites with claims: {known}")
    return chosen


def _row(one: Judged, parts: bool) -> dict[str, Any]:
    claim = one.claim
    short = {
        "claim": claim.name,
        "place": claim.place,
        "says": claim.says,
        "verdict": one.verdict,
        "by": words_of(one),
        "seeds_needed": one.needed,
    }
    if not parts:
        return short
    return {
        **short,
        "suite": claim.suite,
        "asks": claim.asks,
        "refuted_by": claim.refuted_by,
        "parts": [_part(part) for part in one.parts],
    }


def _part(part: Part) -> dict[str, Any]:
    value = part.mean.interval if part.mean else None
    return {
        "task": part.task,
        "of": part.of,
        "over": part.over or None,
        "verdict": part.verdict,
        "mean": value.point if value else None,
        "low": value.low if value else None,
        "high": value.high if value else None,
        "seeds": part.seeds,
        "seeds_needed": part.needed,
    }
