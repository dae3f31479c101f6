"""Files and folders are replaced as a whole, or stay as they were."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from suite.record.files import leftovers, replacing, replacing_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_the_place_of_the_old_one_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "film.gif"
    path.write_text("old")
    with replacing(path) as new:
        assert (new.parent, new.suffix) == (path.parent, ".gif"), (
            "writers choose a format by it, and rename within a disk"
        )
        new.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["film.gif"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_a_file_can_be_read_by_whom_the_umask_lets(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        with replacing(tmp_path / "status.json") as new:
            new.write_text("{}")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "status.json").stat().st_mode) == mode


@pytest.mark.parametrize("written", [True, False])
def test_a_file_that_fails_leaves_the_old_one(tmp_path: Path, written: bool) -> None:
    path = tmp_path / "status.json"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as new:
            if written:
                new.write_text("half of the ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["status.json"]


def test_a_file_that_was_never_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "status.json"):
        pass
    assert names(tmp_path) == []


def test_what_a_killed_process_leaves_is_found(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text("{}")
    with replacing(tmp_path / "run.json") as new:
        new.write_text("{")
        assert leftovers(tmp_path) == [new]
    assert leftovers(tmp_path) == []


def test_a_folder_takes_the_place_of_the_old_one_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "below" / "report"
    for content in ("old", "new"):
        with replacing_folder(path) as new:
            assert names(new) == []
            (new / content).touch()
    assert names(path) == ["new"]
    assert names(path.parent) == ["report"]


def test_a_folder_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    with replacing_folder(tmp_path / "report") as new:
        (new / "old").touch()

    def fail() -> None:
        with replacing_folder(tmp_path / "report") as new:
            (new / "new").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert names(tmp_path / "report") == ["old"]
    assert names(tmp_path) == ["report"]


def test_the_old_folder_comes_back_where_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with replacing_folder(tmp_path / "report") as new:
        (new / "old").touch()
    real = os.rename

    def rename(source: Path, target: Path) -> None:
        if target.name == "report" and not source.name.endswith(".old"):
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(OSError, match="No space left"), replacing_folder(tmp_path / "report"):
        pass
    assert names(tmp_path / "report") == ["old"]
    assert names(tmp_path) == ["report"]
