"""HDF5 on a disk that another process fills while it writes: an error, where HDF5 by itself ends the process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import full_disk
import numpy as np
import pytest
from full_disk import PAGE
from minari.data_collector.episode_buffer import EpisodeBuffer

from envs.data import minari_write
from envs.data.files import new_file
from envs.data.formats import write
from envs.errors import DatasetError

STEPS = 50


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a file system is mounted, on which there is room when it is looked for."""
    place = tmp_path / "disk"
    place.mkdir()
    if why := full_disk.why_not(place):
        pytest.skip(f"no file system can be mounted here: {why.strip().splitlines()[-1]}")
    for module in (write, minari_write):
        monkeypatch.setattr(module, "reserve", lambda folder, size: None)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(place))
    return place


def file(folder: Path) -> None:
    """Write a file of 80 pages."""
    with new_file(folder / "a.hdf5") as passing:
        write._write_hdf5(passing, {f"x{k}": np.zeros(2000) for k in range(20)})


def dataset(folder: Path) -> None:
    """Write a dataset of some 160 pages into the store."""
    ends: dict[str, Any] = {"terminations": [False] * STEPS, "truncations": [False] * (STEPS - 1) + [True]}
    obs, actions, rewards = np.zeros((STEPS + 1, 3), np.float32), np.zeros((STEPS, 1), np.float32), [0.0] * STEPS
    made = [EpisodeBuffer(k, k, None, obs, actions, rewards, infos={}, **ends) for k in range(40)]
    minari_write.create("toys/meanwhile-v0", made, "Pendulum-v1", {"made": "by a test"})


@pytest.mark.parametrize("pages", [0, 3, 30, 60])
@pytest.mark.parametrize("work", [file, dataset])
def test_nothing_is_left_and_the_error_says_why(work: Callable[[Path], None], pages: int, disk: Path) -> None:
    def outcome() -> Mapping[str, Any]:
        full_disk.fill(disk, pages * PAGE)
        try:
            work(disk)
        except DatasetError as error:
            return {"said": str(error), "left": full_disk.left(disk)}
        return {"said": "fine"}

    said = full_disk.on_it(disk, outcome)
    assert "No space left on device; make room there, or " in said["said"]
    assert said["left"] == []


@pytest.mark.parametrize("work", [file, dataset])
def test_with_room_it_is_written(work: Callable[[Path], None], disk: Path) -> None:
    def outcome() -> Mapping[str, Any]:
        work(disk)
        return {"left": full_disk.left(disk)}

    assert any(name.endswith(".hdf5") for name in full_disk.on_it(disk, outcome)["left"])
