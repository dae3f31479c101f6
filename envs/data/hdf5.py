"""Arrays of an HDF5 file that others may have made: each lies in it, and holds about what it announces."""

from __future__ import annotations

import h5py

from disk.arrays import oversized
from envs.errors import DatasetError

__all__ = ["Arrays"]


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
