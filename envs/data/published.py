"""Files that others have published: looked for where their own package keeps them, and fetched to there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from envs.data import downloads
from envs.errors import DatasetError

__all__ = ["Shelf"]


@dataclass(frozen=True)
class Shelf:
    """Where the files of one publisher lie: on this machine, and on the network."""

    whose: str  # in messages, e.g. D4RL's
    home: tuple[str, ...]  # folder of the publisher's package, below the user's
    variable: str  # environment variable that names another folder
    mirrors: str  # environment variable with comma-separated base addresses, tried in their order
    addresses: tuple[str, ...]  # base addresses where that is not set

    def folder(self) -> Path:
        """Folder where the files are kept."""
        named = os.environ.get(self.variable)
        try:
            return Path(named) if named else Path.home().joinpath(*self.home)
        except RuntimeError:
            raise DatasetError(
                f"there is no home folder here: {self.variable} says where {self.whose} files lie"
            ) from None

    def find(self, name: str, places: Sequence[str], say: downloads.Progress, offline: bool = False) -> Path:
        """Path of the file of a dataset, fetched if it is not there, with the checksum it had when first seen.

        `places` are where it may lie below a base address. Raises `DatasetError`, saying which file is to be put where,
        when it is not there and cannot be fetched.
        """
        file = places[-1].rsplit("/", 1)[-1]
        path = self.folder() / file
        if not path.exists():
            bases = [b.strip().rstrip("/") for b in os.environ.get(self.mirrors, "").split(",") if b.strip()]
            urls = [f"{base}/{place}" for base in bases or self.addresses for place in places]
            put = f"put {file}, which is {urls[0]}, into {self.folder()}"
            if offline or downloads.offline():
                raise DatasetError(f"{name} is not at {path}, and this is offline: {put}")
            say(f"{name}: fetching {file} into {self.folder()}")
            try:
                downloads.fetch(path, urls, say)
            except DatasetError as error:
                raise DatasetError(
                    f"{name} could not be fetched ({error}); {put}, or name other mirrors in {self.mirrors}"
                ) from None
        downloads.verify(path, say)
        return path
