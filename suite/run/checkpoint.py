"""Checkpoints: the learner's state by atomic replacement, the online transitions as append-only chunks.

    checkpoint/state-<number>.pt       the last two; the newest readable one is resumed from
    checkpoint/online-<number>.npy     [S, n, width], written once, never again

A state names how many chunks and how many bytes of metrics.csv belong to it. Whatever lies beyond was written by a
process that died before its next checkpoint, and is overwritten.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray

from suite.record.files import leftovers, replacing
from suite.record.folders import RecordError

__all__ = ["CHECKPOINT", "Checkpoints", "drop_chunks"]

CHECKPOINT = "checkpoint"  # the folder's name within a run's


class Checkpoints:
    """The checkpoint folder of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in (*leftovers(folder), *folder.glob(".*.tmp")):  # .tmp: of earlier versions
            leftover.unlink()

    def save(self, number: int, state: dict[str, Any]) -> None:
        """Write state `number` (ever increasing) completely, then drop all but the last two."""
        content = io.BytesIO()  # torch turns the error of a full disk into an assertion about its own file
        torch.save(state, content)
        _atomic(self.folder / f"state-{number:08d}.pt", lambda f: f.write(content.getbuffer()))
        for old in self._states()[:-2]:
            old.unlink()

    def load(self) -> tuple[int, dict[str, Any]] | None:
        """Load the newest readable state, with its number; None where there is none.

        Raises `RecordError` where there are states and none can be read.
        """
        states = self._states()
        for path in reversed(states):
            try:
                return int(path.stem.partition("-")[2]), torch.load(path, weights_only=True)
            except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile):
                continue
        if states:
            raise RecordError(f"no checkpoint in {self.folder} can be read; delete {self.folder.parent} to start again")
        return None

    def write_chunk(self, number: int, rows: NDArray[np.float32]) -> None:
        """Write online chunk `number`: [S, n, width]."""
        _atomic(self._chunk(number), lambda f: np.save(f, rows, allow_pickle=False))

    def read_chunk(self, number: int) -> NDArray[np.float32]:
        """Read online chunk `number`; raises `RecordError` when it is missing or damaged."""
        try:
            rows: NDArray[np.float32] = np.load(self._chunk(number), allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            folder = self.folder.parent
            raise RecordError(f"{self._chunk(number)}: {error}; delete {folder} to start again") from None
        return rows

    def _chunk(self, number: int) -> Path:
        return self.folder / f"online-{number:06d}.npy"

    def _states(self) -> list[Path]:
        return sorted(self.folder.glob("state-*.pt"))


def drop_chunks(folder: Path) -> None:
    """Remove the online transitions from the checkpoint folder of a finished run."""
    for path in folder.glob("online-*.npy"):
        path.unlink()


def _atomic(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    with replacing(path) as new, new.open("wb") as f:
        write(f)
