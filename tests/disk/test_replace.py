"""Files and folders are replaced as a whole, or stay as they were."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from dying import killed_at

from disk import replace
from disk.replace import folder_for, leftovers, replacing, replacing_all, replacing_folder, settle


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


def test_of_files_that_belong_together_all_are_replaced_or_none(tmp_path: Path) -> None:
    paths = [tmp_path / "facts.json", tmp_path / "table.csv"]
    for path in paths:
        path.write_text("old")

    def write(last: str | None) -> None:
        with replacing_all(paths) as (facts, table):
            facts.write_text("new")
            if last is not None:
                table.write_text(last)

    with pytest.raises(FileNotFoundError):
        write(None)
    assert [path.read_text() for path in paths] == ["old", "old"]
    write("new")
    assert [path.read_text() for path in paths] == ["new", "new"]
    assert names(tmp_path) == ["facts.json", "table.csv"]


def test_folders_that_were_made_for_a_file_go_where_it_fails(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()

    def fail(path: Path) -> None:
        with folder_for(path):
            assert path.parent.is_dir()
            raise OSError(28, "No space left on device")

    for path in (tmp_path / "a/b/c.txt", tmp_path / "there/b/c.txt"):
        with pytest.raises(OSError, match="No space"):
            fail(path)
    assert names(tmp_path) == ["there"]
    assert names(tmp_path / "there") == []
    with folder_for(tmp_path / "a/b/c.txt"):
        pass
    assert names(tmp_path) == ["there"], "nothing was written"
    with folder_for(tmp_path / "a/b/c.txt"):
        (tmp_path / "a/b/c.txt").touch()
    assert names(tmp_path / "a/b") == ["c.txt"]


@pytest.mark.parametrize("exchange", [True, False])
def test_a_folder_takes_the_place_of_the_old_one_when_it_is_whole(exchange: bool, tmp_path: Path) -> None:
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


@pytest.fixture(autouse=True)
def _exchange(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Systems that cannot have two folders change places at once."""
    if not getattr(request.node, "callspec", None) or request.node.callspec.params.get("exchange", True):
        return
    monkeypatch.setattr(replace, "_exchanged", lambda one, other: False)


def test_the_old_folder_comes_back_where_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with replacing_folder(tmp_path / "report") as new:
        (new / "old").touch()
    real = os.rename

    def rename(source: Path, target: Path) -> None:
        if target.name == "report" and not source.name.startswith(".old-"):
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(replace, "_exchanged", lambda one, other: False)
    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(OSError, match="No space left"), replacing_folder(tmp_path / "report"):
        pass
    assert names(tmp_path / "report") == ["old"]
    assert names(tmp_path) == ["report"]


def test_a_folder_does_not_take_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("mine")
    with pytest.raises(NotADirectoryError), replacing_folder(tmp_path / "report") as new:
        (new / "a").touch()
    assert (tmp_path / "report").read_text() == "mine"
    assert names(tmp_path) == ["report"]


def write_folder(place: Path, text: str) -> None:
    with replacing_folder(place) as new:
        (new / "a.txt").write_text(text)
        (new / "b.txt").write_text(text)


def write_file(place: Path, text: str) -> None:
    with replacing(place) as new:
        new.write_text(text)


CALLS = (
    *((os, name) for name in ("mkdir", "rename", "replace", "fsync", "unlink", "rmdir")),
    (Path, "write_text"),
    (replace, "_exchanged"),
    (shutil, "rmtree"),
)


@pytest.mark.parametrize("exchange", [True, False])
@pytest.mark.parametrize("write", [write_file, write_folder])
@pytest.mark.parametrize("before", ["old", ""])
def test_a_kill_at_any_moment_loses_nothing_and_leaves_nothing_for_good(
    write: Callable[[Path, str], None], before: str, exchange: bool, tmp_path: Path
) -> None:
    """What is there is the old or the new as a whole, at the latest once somebody looks; the next writer clears up."""
    kills = 0
    while True:
        place = tmp_path / str(kills) / "report"
        place.parent.mkdir()
        if before:
            write(place, before)
        if not killed_at(kills + 1, write, place, CALLS):
            break
        kills += 1
        settle(place)
        held = {p.read_text() for p in ([place] if place.is_file() else place.glob("*"))}
        assert held in ({before} - {""}, {"new"})
        write(place, "again")
        assert names(place.parent) == ["report"]
    assert kills >= (2 if write is write_file else 4)
    assert names(place.parent) == ["report"]


def test_what_others_are_writing_stays(tmp_path: Path) -> None:
    """Another process that lives, one of another machine until a day has passed, and names that mean nothing here."""
    theirs = [
        f".new-{replace._HERE}-{os.getppid()}-00ff-a.txt",
        ".new-elsewhere-1-00ff-a.txt",
        ".new-mine-a.txt",
        ".b-a.txt",
    ]
    gone = [
        f".new-{replace._HERE}-{2**22 + 1}-00ff-a.txt",
        f".new-{replace._HERE}-{10**30}-00ff-a.txt",
        ".new-old-1-0f-a.txt",
    ]
    for name in (*theirs, *gone):
        (tmp_path / name).touch()
    os.utime(tmp_path / gone[-1], (0, 0))
    write_file(tmp_path / "a.txt", "x")
    assert names(tmp_path) == sorted([*theirs, "a.txt"])


def test_names_with_wildcards_are_names(tmp_path: Path) -> None:
    (tmp_path / f".new-{replace._HERE}-{2**22 + 1}-00ff-ab").touch()
    write_file(tmp_path / "a*", "x")
    write_file(tmp_path / "a[b]", "x")
    assert len(names(tmp_path)) == 3


def test_many_writers_of_one_place_do_not_meet(tmp_path: Path) -> None:
    """Each reader sees one writer's text, whole."""
    place, texts = tmp_path / "status.json", [str(i) * 5000 for i in range(8)]
    threads = [threading.Thread(target=lambda t=t: [write_file(place, t) for _ in range(20)]) for t in texts]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if place.exists():
            assert place.read_text() in texts
    assert names(tmp_path) == ["status.json"]
