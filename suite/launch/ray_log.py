"""What cells on a Ray cluster say: a file each in shared storage, whose new lines are passed on here."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["Log", "log_path"]


def log_path(name: str, out: Path) -> Path:
    """Where a cell, or a dataset, has its lines: a file in OUT/ray."""
    inside = Path(name).relative_to(out) if Path(name).is_relative_to(out) else Path(name)
    return out / "ray" / f"{'--'.join(inside.parts)}.log"


class Log:
    """A file that a process elsewhere adds lines to; those of earlier commands are left out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._before = self._read = path.stat().st_size if path.exists() else 0

    @property
    def begun(self) -> bool:
        """Whether there is a line since this was made: the task says where it runs before anything else."""
        return self._read > self._before

    def pass_on(self) -> None:
        """Print the whole lines that are new, on stderr."""
        with suppress(OSError, ValueError):  # not there yet; nobody reads
            with self.path.open("rb") as file:
                file.seek(self._read)
                text = file.read()
            whole = text[: text.rfind(b"\n") + 1]
            self._read += len(whole)
            if whole:
                sys.stderr.write(whole.decode(errors="replace"))
                sys.stderr.flush()
