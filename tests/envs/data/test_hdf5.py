"""HDF5 whose content lies elsewhere, or that announces far more than it holds, is read by no reader."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import brought
import h5py
import pytest
from toy_data import ID, Place, isolated, message, some_episodes, toy

from envs.data import datasets, formats, minari_store
from envs.errors import DatasetError


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    yield from isolated(tmp_path, monkeypatch)


def linked(group: Any, other: Path) -> None:
    with h5py.File(other, "w") as file:
        file["actions"] = group["actions"][()]
    del group["actions"]
    group["actions"] = h5py.ExternalLink(str(other), "actions")


def unwritten(group: Any, other: Path) -> None:
    """Seven gigabytes that were never written."""
    del group["actions"]
    group.create_dataset("actions", shape=(9 * 10**8, 2), dtype="f4", chunks=(1024, 2))


def unwritten_bit_by_bit(group: Any, other: Path) -> None:
    """The same in parts that would each be let through."""
    inner = group.require_group("infos")
    for number in range(9):
        inner.create_dataset(f"part{number}", shape=(10**7,), dtype="f4", chunks=(1024,))


SPOILT: dict[str, tuple[Callable[[Any, Path], None], str]] = {
    "linked": (linked, "actions is not an array in this file"),
    "unwritten": (unwritten, "actions announce 7,200 MB and hold 0.0 MB"),
    "unwritten bit by bit": (unwritten_bit_by_bit, "arrays up to part1 announce 80 MB"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_the_store_does_not_read_it(how: str, tmp_path: Path) -> None:
    datasets.store(toy(), ID, some_episodes(), {})
    with h5py.File(minari_store.folder(ID) / "data" / "main_data.hdf5", "a") as file:
        SPOILT[how][0](file["episode_0"], tmp_path / "other.h5")
    with pytest.raises(DatasetError, match=f"is damaged .*main_data.hdf5: {SPOILT[how][1]}"):
        list(minari_store.episodes(ID, infos=True))


@pytest.mark.parametrize("how", SPOILT)
def test_an_import_does_not_read_it(how: str, tmp_path: Path) -> None:
    path = brought.hdf5(tmp_path / "a.hdf5", brought.columns())
    with h5py.File(path, "a") as file:
        SPOILT[how][0](file, tmp_path / "other.h5")
    with pytest.raises(DatasetError, match=SPOILT[how][1]):
        formats.read(toy(), path)


def test_a_pipe_hangs_no_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.hdf5")
    with pytest.raises(DatasetError, match="a pipe, socket or device, where a file is needed"):
        formats.detect(tmp_path / "a.hdf5")
    datasets.store(toy(), ID, some_episodes(), {})
    data = minari_store.folder(ID) / "data"
    for name in ("main_data.hdf5", "metadata.json"):
        (data / name).rename(data / "kept")
        os.mkfifo(data / name)
        assert "a pipe, socket or device" in message(toy(), ID)
        (data / name).unlink()
        (data / "kept").rename(data / name)
