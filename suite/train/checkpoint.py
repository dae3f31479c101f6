"""Checkpoints: the learner's state by atomic replacement, the online transitions as append-only chunks.

    checkpoint/state-<number>.pt       the last two: a line of checksums, then what torch wrote
    checkpoint/online-<number>.npy     [S, n, width], written once, never again

The line holds the checksums of all that the state relies on: itself, its chunks, and metrics.csv up to its length. A
run goes on from the newest state of which all is as it was. Whatever lies beyond was written by a process that died
before its next checkpoint, and is overwritten. States of earlier versions have no such line, and are taken as they are.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from disk import sums
from disk.replace import leftovers, replacing
from suite.record.rows import RecordError
from suite.record.writer import Extent

__all__ = ["CHECKPOINT", "Checkpoints", "drop_chunks"]

CHECKPOINT = "checkpoint"  # the folder's name within a run's
_MARK = b"awac-bench checkpoint "  # what the line of checksums begins with


class _Damaged(Exception):  # noqa: N818 - never leaves this module
    """A state that cannot be relied on; the message says why."""


class Checkpoints:
    """The checkpoint folder of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._chunk_sums: list[str] = []  # of all chunks so far
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in (*leftovers(folder), *folder.glob(".*.tmp")):  # .tmp: of earlier versions
            leftover.unlink()

    def save(self, number: int, state: Mapping[str, Any], metrics: Extent) -> None:
        """Write state `number` (ever increasing) completely, then drop all but the last two.

        It relies on `state["chunks"]` chunks and on metrics.csv as it is now.
        """
        content = io.BytesIO()  # torch turns the error of a full disk into an assertion about its own file
        torch.save(dict(state), content)
        line = {
            "state": sums.of_bytes(content.getbuffer()),
            "chunks": self._chunk_sums[: state["chunks"]],
            "metrics": list(metrics),
        }
        with replacing(self._state(number)) as new, new.open("wb") as f:
            f.write(_MARK + json.dumps(line).encode() + b"\n")
            f.write(content.getbuffer())
        for old in self._states()[:-2]:
            old.unlink()

    def load(self, say: Callable[[str], object] = lambda line: None) -> tuple[int, dict[str, Any]] | None:
        """Load the newest state that can be relied on, with its number; None where there is none.

        Says which newer one cannot be, and why. Raises `RecordError` where there are states and none can be relied on,
        or where one cannot be read at the moment, though it may be good.
        """
        states, wrong = self._states(), []
        for path in reversed(states):
            try:
                state = self._relied_on(path)
            except _Damaged as error:
                wrong.append(f"{path.name} ({error})")
                continue
            except OSError as error:
                why = error.strerror or error
                raise RecordError(f"{error.filename or path} cannot be read ({why}); nothing was changed") from None
            if wrong:
                say(f"damaged: {', '.join(wrong)}; going on from {path.name}, the one before")
            return int(path.stem.partition("-")[2]), state
        if states:
            run = self.folder.parent
            raise RecordError(
                f"no checkpoint of {run} can be relied on: {', '.join(wrong)}; bring the files back from a copy, or "
                f"delete {run} to start again"
            )
        return None

    def write_chunk(self, number: int, rows: NDArray[np.float32]) -> None:
        """Write online chunk `number`, the next one: [S, n, width]."""
        content = io.BytesIO()
        np.save(content, rows, allow_pickle=False)
        with replacing(self._chunk(number)) as new:
            new.write_bytes(content.getbuffer())
        self._chunk_sums = [*self._chunk_sums[:number], sums.of_bytes(content.getbuffer())]

    def read_chunk(self, number: int) -> NDArray[np.float32]:
        """Read online chunk `number`; raises `RecordError` when it is missing or damaged."""
        try:
            rows: NDArray[np.float32] = np.load(self._chunk(number), allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            folder = self.folder.parent
            raise RecordError(f"{self._chunk(number)}: {error}; delete {folder} to start again") from None
        return rows

    def _relied_on(self, path: Path) -> dict[str, Any]:
        """Read a state; raises `_Damaged` unless all that it relies on is as it was when it was written."""
        with path.open("rb") as f:
            marked = f.read(len(_MARK)) == _MARK
            line = f.readline() if marked else b""
            f.seek(len(_MARK) * marked + len(line))
            content = f.read()
        self._chunk_sums = self._checked(line, content) if marked else self._sums_of_chunks()
        try:
            state = torch.load(io.BytesIO(content), weights_only=True)
        except Exception as error:  # damaged files make torch raise anything
            raise _Damaged(f"not a state: {str(error).partition(chr(10))[0][:80]}") from None
        if not isinstance(state, dict) or not {"learner", "chunks"} <= state.keys():
            raise _Damaged("not a state of a run")
        return state

    def _checked(self, line: bytes, content: bytes) -> list[str]:
        """The checksums of the chunks; raises `_Damaged` where anything is not as the line says."""
        try:
            known = json.loads(line)
            state, chunks, (length, metrics) = known["state"], list(known["chunks"]), known["metrics"]
            found, there = sums.digest(self.folder.parent / "metrics.csv", length)
        except FileNotFoundError:
            raise _Damaged("metrics.csv is missing") from None
        except (ValueError, TypeError, LookupError):
            raise _Damaged("its line of checksums") from None
        if sums.of_bytes(content) != state:
            raise _Damaged("its content is not what was written")
        if there < length:
            raise _Damaged(f"metrics.csv holds {there:,} of {length:,} bytes")
        if found.hexdigest() != metrics:
            raise _Damaged(f"metrics.csv is not what it was in its first {length:,} bytes")
        for number, expected in enumerate(chunks):
            if not self._chunk(number).exists():
                raise _Damaged(f"{self._chunk(number).name} is missing")
            if sums.of_file(self._chunk(number)) != expected:
                raise _Damaged(f"{self._chunk(number).name} is not what was written")
        return chunks

    def _sums_of_chunks(self) -> list[str]:
        """Checksums of the chunks as they are, which states of earlier versions do not have."""
        return [sums.of_file(path) for path in sorted(self.folder.glob("online-*.npy"))]

    def _chunk(self, number: int) -> Path:
        return self.folder / f"online-{number:06d}.npy"

    def _state(self, number: int) -> Path:
        return self.folder / f"state-{number:08d}.pt"

    def _states(self) -> list[Path]:
        return sorted(p for p in self.folder.glob("state-*.pt") if p.stem.partition("-")[2].isdecimal())


def drop_chunks(folder: Path) -> None:
    """Remove the online transitions from the checkpoint folder of a finished run."""
    for path in folder.glob("online-*.npy"):
        path.unlink()
