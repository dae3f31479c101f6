"""Arrays in an npz: each looked at before it is read, so that a small file cannot fill the memory, and no pickle."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from disk.reading import open_file
from disk.shapes import short

__all__ = ["ArraysError", "oversized", "read_header", "read_npz"]

_RATIO = 300  # announced bytes per stored byte; recorded numbers compress to a third, flags and rewards further
_FREE = 64 * 2**20  # bytes that may be announced whatever is stored


class ArraysError(ValueError):
    """A file of arrays that is damaged, or not what it says; the message is one line without the file's name."""


def oversized(what: str, announced: int, stored: int) -> str:
    """What is wrong with an array that announces far more bytes than it could unpack to; "" if nothing."""
    if announced <= max(_FREE, _RATIO * stored):
        return ""
    return (
        f"{what} announce {announced / 1e6:,.0f} MB and hold {stored / 1e6:,.1f} MB; "
        "no recording is like that, so nothing was read"
    )


def read_npz(
    path: Path, wanted: Callable[[str], bool] = lambda name: True
) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Arrays of an npz by name, those whose name is `wanted`, and the names of the others; all are looked at.

    Raises `ArraysError` where one is no plain array or damaged, `OSError` where the file cannot be read.
    """
    with open_file(path) as f, _clearly(), zipfile.ZipFile(f) as archive:
        members = archive.infolist()
        for member in members:
            _check(archive, member)
        if wrong := oversized("all arrays", sum(m.file_size for m in members), sum(m.compress_size for m in members)):
            raise ArraysError(wrong)
        f.seek(0, os.SEEK_SET)
        with np.load(f, allow_pickle=False) as file:
            others = [name for name in file.files if not wanted(name)]
            return {name: np.asarray(file[name]) for name in file.files if wanted(name)}, others


def _check(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Refuse a member that is no plain array, or whose header does not fit what is packed behind it."""
    name = member.filename.removesuffix(".npy")
    if wrong := oversized(name, member.file_size, member.compress_size):
        raise ArraysError(wrong)
    with archive.open(member) as f:
        shape, dtype = read_header(f, "npz")
        header = f.tell()
    if dtype.hasobject:
        raise ArraysError(f"{name} holds Python objects, which may be programs; save plain numbers")
    announced = int(np.prod(shape, dtype=object)) * dtype.itemsize + header
    if announced != member.file_size:
        raise ArraysError(
            f"{name} announces {announced:,} bytes and holds {member.file_size:,}; fetch or save it again"
        )


def read_header(f: IO[bytes], kind: str = "npy") -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype in the header of an npy, behind which the file then stands; raises `ArraysError` for none."""
    with _clearly(kind):
        version = np.lib.format.read_magic(f)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(f)
        elif version == (2, 0):
            shape, _, dtype = np.lib.format.read_array_header_2_0(f)
        else:
            raise ValueError(f"npy version {version}")
        return shape, dtype


@contextmanager
def _clearly(kind: str = "npz") -> Iterator[None]:
    """Turn what numpy, zipfile and the decompressors raise at damaged files, which is anything, into `ArraysError`."""
    try:
        yield
    except (ArraysError, OSError):
        raise
    except Exception as error:
        raise ArraysError(
            f"damaged {kind} ({short(str(error)) or type(error).__name__}); fetch or save it again"
        ) from None
