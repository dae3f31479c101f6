"""Files that people bring: recognised by their content, read into episodes. Nothing in a file is ever executed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from disk.reading import open_file
from envs.data.formats import awac_npy, d4rl, dapg, npz, ogbench
from envs.data.formats.flat import Content
from envs.errors import DatasetError, first_line, nearest
from envs.task import Task

__all__ = ["FORMATS", "Content", "Format", "detect", "read"]


@dataclass(frozen=True)
class Format:
    """One kind of file: how it is recognised and read."""

    read: Callable[[Task, Path, int | None], Content]
    magic: tuple[bytes, ...]  # what such a file begins with
    extensions: tuple[str, ...]
    summary: str
    by_extension: bool = False  # recognised by its extension alone, as some such files begin with anything


FORMATS = {
    "d4rl": Format(d4rl.read, (b"\x89HDF\r\n\x1a\n",), (".hdf5", ".h5"), "D4RL's HDF5 of flat arrays"),
    "npz": Format(npz.read, (b"PK\x03\x04", b"PK\x05\x06"), (".npz",), "flat arrays under D4RL's names"),
    "ogbench": Format(ogbench.read, (), (".npz",), "OGBench's npz, also recognised by its arrays"),
    "awac-npy": Format(awac_npy.read, (b"\x93NUMPY",), (".npy",), "AWAC's pickled path dictionaries"),
    "dapg": Format(
        dapg.read,
        tuple(bytes((0x80, p)) for p in range(2, 6)),
        (".pickle", ".pkl"),
        "DAPG's demonstration pickle",
        by_extension=True,  # pickle protocols 0 and 1
    ),
}


def detect(path: Path) -> str:
    """Name the format of a file, by its content and, where that says nothing, by its extension.

    Raises `DatasetError` when it cannot be read or is of no known format.
    """
    try:
        with open_file(path) as f:
            head = f.read(8)
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise DatasetError(f"{path}: cannot be read ({reason}); name a file that can") from None
    if not head:
        raise DatasetError(f"{path}: is empty; fetch or save it again")
    for name, one in FORMATS.items():
        if head.startswith(one.magic):
            return name
    for name, one in FORMATS.items():
        if one.by_extension and path.suffix.lower() in one.extensions:
            return name
    raise DatasetError(f"{path}: of no known format; known: {', '.join(_described())}")


def read(task: Task, path: Path, name: str | None = None, limit: int | None = None) -> Content:
    """Read the episodes of a file for a task, in the format called `name` or the one detected.

    `limit` is the number of steps after which episodes were cut off, where the file does not say. Raises
    `DatasetError`, naming the file and what would be right.
    """
    found = detect(path)
    if name is not None and name not in FORMATS:
        raise DatasetError(f"unknown format {name!r}; {nearest(name, FORMATS)}")
    return FORMATS[name or found].read(task, path, limit)


def _described() -> list[str]:
    return [f"{name} ({', '.join(f.extensions)}: {f.summary})" for name, f in FORMATS.items()]
