"""HDF5: arrays of files that others may have made, and files written on a disk that fills up meanwhile."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import h5py

from disk.arrays import oversized
from envs.errors import DatasetError

__all__ = ["Arrays", "full_disk_raises"]


@contextlib.contextmanager
def full_disk_raises() -> Iterator[None]:
    """Have h5py raise `OSError` or `RuntimeError` in the block as soon as the disk does not take an array or a file.

    HDF5 keeps to itself that it could not write an array which is let go, and ends the process where it cannot write as
    it closes the file. So arrays and files are flushed before, and a file that the disk does not take is closed in
    memory. For one thread at a time.
    """
    create, close = h5py.Group.create_dataset, h5py.File.close

    def create_dataset(group: h5py.Group, *arguments: Any, **options: Any) -> h5py.Dataset:
        made = create(group, *arguments, **options)
        try:
            made.flush()
        except (OSError, RuntimeError):
            _go_on_in_memory(group.file)
            raise
        return made

    def close_file(file: h5py.File) -> None:
        try:
            if file:  # is open
                file.flush()
        except (OSError, RuntimeError):
            _go_on_in_memory(file)
            raise
        finally:
            close(file)

    h5py.Group.create_dataset, h5py.File.close = create_dataset, close_file
    try:
        yield
    finally:
        h5py.Group.create_dataset, h5py.File.close = create, close


def _go_on_in_memory(file: h5py.File) -> None:
    """Have what is written to a file from now on go nowhere else."""
    if hasattr(os, "memfd_create"):  # not on macOS
        instead = os.memfd_create("hdf5")
        os.dup2(instead, file.id.get_vfd_handle())
        os.close(instead)


class Arrays:
    """A file's arrays by group and key; `where` names the file in messages."""

    def __init__(self, where: str, file: h5py.File) -> None:
        self.where = where
        self._stored, self._announced = file.id.get_filesize(), 0

    def get(self, group: h5py.Group, key: str) -> h5py.Dataset:
        """An array, unread.

        Raises `DatasetError` where its content lies in another file, or where it or all so far announce far more than
        the file could hold.
        """
        part = group[key] if isinstance(group.get(key, getlink=True), h5py.HardLink) else None
        if not isinstance(part, h5py.Dataset) or part.is_virtual or part.external:
            raise DatasetError(f"{self.where}: {key} is not an array in this file; save its values there")
        size = part.size * part.dtype.itemsize if part.shape is not None else 0
        self._announced += size
        wrong = oversized(key, size, part.id.get_storage_size())
        wrong = wrong or oversized(f"arrays up to {key}", self._announced, self._stored)
        if wrong:
            raise DatasetError(f"{self.where}: {wrong}")
        return part

    def group(self, group: h5py.Group, key: str) -> h5py.Group | None:
        """A group within the file; None where there is none of that name."""
        here = isinstance(group.get(key, getlink=True), h5py.HardLink)
        part = group[key] if here else None
        return part if isinstance(part, h5py.Group) else None
