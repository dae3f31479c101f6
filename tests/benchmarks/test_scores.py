"""What documents print of the reference results is what they say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from suite.record.reference import read

ROOT = Path(__file__).parents[2]


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.delitem(sys.modules, "scores", raising=False)
    import scores

    return scores


def test_the_readmes_tables_are_those_of_the_reference_results(scores) -> None:  # type: ignore[no-untyped-def]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, content in scores.blocks().items():
        begin, end = (mark.format(name) for mark in scores.BLOCK)
        assert begin + content + end in readme


def test_the_scores_are_written_from_the_reference_results(scores) -> None:  # type: ignore[no-untyped-def]
    text = (ROOT / "benchmarks" / "scores.md").read_text(encoding="utf-8")
    assert text == scores.scores()
    assert all(f"`{one.run.algo}`" in text or f"`{one.run.algo} [" in text for one in read())  # or by name, too
