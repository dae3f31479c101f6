"""What is opened ends, and holds about what it announces."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from disk.arrays import ArraysError, read_npz
from disk.reading import check_regular, read_file


def test_pipes_and_devices_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        for read in (read_file, read_npz, check_regular):
            with pytest.raises(OSError, match="a pipe, socket or device, where a file is needed"):
                read(path)
    with pytest.raises(IsADirectoryError):
        read_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "nothing")


def test_no_more_is_read_than_was_meant(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_file(tmp_path / "a", most=5) == b"12345"
    with pytest.raises(OSError, match="4 bytes are the most"):
        read_file(tmp_path / "a", most=4)


def packed(path: Path, members: int, rows: int) -> Path:
    """Zeros, which take a thousandth of their size."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|b1", "fortran_order": False, "shape": (rows,)})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(members):
            archive.writestr(f"{number}.npy", header.getvalue() + bytes(rows))
    return path


def test_arrays_that_announce_far_more_than_they_hold_are_not_read(tmp_path: Path) -> None:
    assert read_npz(packed(tmp_path / "a.npz", 2, 1000))[0]["1"].shape == (1000,)
    with pytest.raises(ArraysError, match=r"0 announce 70 MB and hold 0\.1 MB"):
        read_npz(packed(tmp_path / "a.npz", 1, 70_000_000))
    with pytest.raises(ArraysError, match="all arrays announce 120 MB"):
        read_npz(packed(tmp_path / "a.npz", 4, 30_000_000))


def test_only_what_is_wanted_is_read_and_all_is_looked_at(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.arange(3), b=np.arange(4))
    arrays, others = read_npz(tmp_path / "a.npz", lambda name: name == "b")
    assert (list(arrays), others) == (["b"], ["a"])
    np.savez(tmp_path / "a.npz", a=np.array([object()], object), b=np.arange(4))
    with pytest.raises(ArraysError, match="a holds Python objects, which may be programs"):
        read_npz(tmp_path / "a.npz", lambda name: name == "b")
