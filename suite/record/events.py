"""Event files as TensorBoard reads them, composed in memory: on the disk they are whole or absent."""

from __future__ import annotations

import io
import os
import platform
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from disk.replace import folder_for, replacing

__all__ = ["Scalars", "check_installed", "write_events"]

Scalars = tuple[int, Mapping[str, float]]  # step, tag -> value


def check_installed() -> None:
    """Raise `ImportError` where the package that composes events is not there."""
    import torch.utils.tensorboard  # noqa: F401


def write_events(folder: Path, scalars: Iterable[Scalars], texts: Mapping[str, str], step: int) -> None:
    """Write a new event file into a folder: scalars at their steps, texts (Markdown by tag) at `step`.

    TensorBoard's own writer leaves half a file where the disk is full, and a traceback of its thread. Raises `OSError`
    where the disk does not take it; then the folder is as it was.
    """
    from torch.utils.tensorboard import summary as untyped

    summary: Any = untyped
    parts = [(step, summary.text(tag, text)) for tag, text in texts.items()]
    parts += [(at, summary.scalar(tag, value)) for at, values in scalars for tag, value in values.items()]
    # not under its own name, by which TensorBoard would read it before it is whole
    passing = folder / ".passing"
    with folder_for(passing):
        with replacing(passing) as new:
            new.write_bytes(_packed(parts))
        os.replace(passing, folder / f"events.out.tfevents.{time.time():.6f}.{platform.node()}.{os.getpid()}")


def _packed(parts: Iterable[tuple[int, object]]) -> bytes:
    """Events one after another, each with its checksums, behind the one that says the file's version."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    content, now = io.BytesIO(), time.time()
    record = RecordWriter(content)
    record.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
    for step, part in parts:
        record.write(Event(wall_time=now, step=step, summary=part).SerializeToString())
    return content.getvalue()
