"""Shared by all tests: a Minari store and a folder of clips of their own; the command line called in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pretend
import pytest
from command import Bench, Said

import suite.cli

pretend.register()


@pytest.fixture(scope="session", autouse=True)
def _own_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test reads or writes the user's Minari store and clips of motion; one of each per worker process."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("minari")
        patch.setenv("MINARI_DATASETS_PATH", str(root))
        patch.setenv("BENCH_MOTIONS", str(tmp_path_factory.mktemp("motions")))
        yield root


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bench:
    """`bench ...` in a folder of its own, in this process."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["bench", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            suite.cli.main()
        said = capsys.readouterr()
        code = end.value.code
        return Said(code if isinstance(code, int) else int(bool(code)), said.out, said.err)

    return call
