"""Files and folders for others: as readable as the umask allows, whole or absent."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from toy_data import ID, Place, isolated, some_episodes, toy

from envs.data import bundle, datasets, minari_store, packed
from envs.data.files import new_file
from envs.data.formats import write
from envs.errors import DatasetError


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    yield from isolated(tmp_path, monkeypatch)


@pytest.fixture(params=[0o022, 0o027])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def export(name: str) -> Callable[[Path], object]:
    return lambda folder: write.write(toy(), some_episodes(), folder / name)


def pack(folder: Path) -> None:
    datasets.store(toy(), ID, some_episodes(), {})
    bundle.write([ID], folder / "a.zip")


@pytest.mark.parametrize("make", [export("a.hdf5"), export("a.npz"), pack], ids=["hdf5", "npz", "bundle"])
def test_a_file_is_as_readable_as_the_umask_allows(make: Callable[[Path], object], umask: int, tmp_path: Path) -> None:
    make(tmp_path / "new")
    (made,) = (tmp_path / "new").iterdir()
    assert stat.S_IMODE(made.stat().st_mode) == 0o666 & ~umask


def test_so_is_the_packed_copy_of_a_store_that_is_shared(umask: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MIN_STEPS", 15)
    datasets.store(toy(), ID, some_episodes(), {})
    copy = minari_store.folder(ID) / packed.FOLDER
    assert stat.S_IMODE(copy.stat().st_mode) == 0o777 & ~umask
    assert {stat.S_IMODE(p.stat().st_mode) for p in copy.iterdir()} == {0o666 & ~umask}


def half(path: Path, error: BaseException) -> None:
    with new_file(path) as passing:
        passing.write_text("half")
        raise error


def test_what_fails_leaves_nothing_and_what_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for error in (KeyboardInterrupt(), OSError(28, os.strerror(28))):
        with pytest.raises((KeyboardInterrupt, DatasetError)) as caught:
            half(path, error)
        assert not list(tmp_path.iterdir())
    assert str(caught.value) == (
        f"cannot write {path}: No space left on device; make room there, or name a file in another folder"
    )
    with new_file(path) as passing:
        passing.write_text("whole")
    with pytest.raises(DatasetError, match=r"a\.txt is there already"), new_file(path):
        pass
    with pytest.raises(DatasetError, match=r"cannot write .*b\.txt: "), new_file(path / "b.txt"):
        pass
    assert [p.read_text() for p in tmp_path.iterdir()] == ["whole"]
