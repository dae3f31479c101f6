"""Checksums, SHA-256 in hex: of a file or its beginning, of bytes, of what JSON holds."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["digest", "of_bytes", "of_file", "of_json"]

_CHUNK = 1 << 20


def of_bytes(content: bytes | memoryview) -> str:
    """Checksum of bytes."""
    return hashlib.sha256(content).hexdigest()


def of_file(path: Path, length: int | None = None) -> str:
    """Checksum of a file, or of its first `length` bytes; of a shorter one, of all that is there."""
    return digest(path, length)[0].hexdigest()


def of_json(content: Any) -> str:
    """Checksum of values that JSON can hold: the same for what was written and for what is read back."""
    return of_bytes(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def digest(path: Path, length: int | None = None) -> tuple[hashlib._Hash, int]:
    """Digest of a file's first `length` bytes (None: all), which can be updated, and how many there were."""
    out, left = hashlib.sha256(), sys.maxsize if length is None else length
    with path.open("rb") as f:
        while left > 0 and (chunk := f.read(min(_CHUNK, left))):
            out.update(chunk)
            left -= len(chunk)
        return out, f.tell()
