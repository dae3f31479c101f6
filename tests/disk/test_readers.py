"""Whatever stands in a file, each reader says in one line what is wrong with it, or reads it; never a traceback."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from readers import READERS
from toy_data import Place, isolated

COUNT = 120  # files per reader; benchmarks/faults.py tries more


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    yield from isolated(tmp_path / "store", monkeypatch)


@pytest.mark.parametrize("name", READERS)
def test_spoiled_files_are_refused_in_a_line(name: str, tmp_path: Path) -> None:
    reader, found = READERS[name], Counter[str]()
    for error in reader.attempts(tmp_path, seed=0, count=COUNT):
        if error is None:
            found["read"] += 1
            continue
        if not isinstance(error, reader.errors):
            raise error
        assert "\n" not in str(error)
        assert len(str(error)) < 1000
        found["refused"] += 1
    assert found.total() >= COUNT // 4
    assert not reader.errors or found["refused"] >= found.total() // 8, "most of what is spoiled is found"
