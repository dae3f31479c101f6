"""Files fetched over the network: complete, checked, resumed where they broke off, from the first mirror that works.

A file arrives as `NAME.part` and is renamed in the end. When it is first seen, its SHA-256 is noted beside it, in
`sha256.json`; from then on it has to be the same.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from disk import sums
from disk.reading import read_file
from disk.replace import replacing
from disk.shapes import ShapeError, mapping, parse_json, table, text, whole
from disk.trouble import is_full, unwritten
from envs.errors import DatasetError, first_line

__all__ = ["Progress", "fetch", "offline", "verify"]

Progress = Callable[[str], None]

KNOWN = "sha256.json"  # beside the files: name -> checksum when it was first seen
ATTEMPTS = 5  # per mirror, as long as each brings something
TIMEOUT = 30.0  # seconds without a byte
REPORT_SECONDS = 5.0
_CHUNK = 1 << 20
_IDENTITY = table({"url": text, "version": text, "size": whole()})


def offline() -> bool:
    """Whether the user has forbidden the network with BENCH_OFFLINE=1."""
    return os.environ.get("BENCH_OFFLINE", "") not in ("", "0")


def fetch(target: Path, urls: Sequence[str], say: Progress, known: str | None = None) -> Path:
    """Bring a file to `target` from the first of `urls` that has it; raises `DatasetError` where none does.

    `known` is its SHA-256, where it is published. Only one process at a time fetches a file; the others wait.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if not target.exists():
                _from_any(target, urls, say, known)
    except OSError as error:
        raise DatasetError(unwritten(target, error, "have its folder elsewhere")) from None
    return target


def verify(path: Path, say: Progress, known: str | None = None, found: str | None = None) -> str:
    """Compare a file's SHA-256 with the one known or noted, and return it; where there is none, note it and say so."""
    found = found or sums.of_file(path)
    book = path.parent / KNOWN
    seen = _book(book)
    expected = known or seen.get(path.name)
    if expected is None:
        say(f"{path.name}: first seen, with SHA-256 {found[:16]}...; remembered in {book}")
        with (
            contextlib.suppress(OSError),
            replacing(book) as new,
        ):  # a folder that cannot be written to remembers nothing
            new.write_text(json.dumps({**seen, path.name: found}, indent=1, sort_keys=True), encoding="utf-8")
    elif found != expected:
        raise DatasetError(
            f"{path}: SHA-256 is {found[:16]}..., {expected[:16]}... was expected; delete it to fetch it again, or its "
            f"line in {book} if the file was changed on purpose"
        )
    return found


def _book(path: Path) -> Mapping[str, str]:
    try:
        content: Mapping[str, str] = parse_json(read_file(path), mapping(text))
    except OSError:
        return {}
    except ShapeError as error:
        raise DatasetError(f"{path}: {error}; delete it, and checksums are remembered anew") from None
    return content


def _from_any(target: Path, urls: Sequence[str], say: Progress, known: str | None) -> None:
    failed = []
    part = target.with_name(f"{target.name}.part")
    for url in urls:
        try:
            _complete(url, part, say)
            expected = known or _book(target.parent / KNOWN).get(target.name)
            if expected is not None and (found := sums.of_file(part)) != expected:
                _drop(part)
                raise OSError(f"SHA-256 is {found[:16]}..., {expected[:16]}... was expected")
            part.replace(target)
            _drop(part)
            return
        except (OSError, ValueError, http.client.HTTPException) as error:  # ValueError: of a bad address
            if is_full(error):  # of which no other mirror is a cure; what came takes the room that is needed
                _drop(part)
                raise
            failed.append(f"{url}: {_reason(error)}")
    raise DatasetError("; ".join(failed))


def _complete(url: str, part: Path, say: Progress) -> None:
    """Fetch a file in as many attempts as it takes, as long as each brings some more of it."""
    for attempt in range(ATTEMPTS):
        before = _size(part)
        try:
            return _some(url, part, say)
        except urllib.error.HTTPError as error:
            if error.code != 416 or not before:  # nothing there at that place: the file has changed
                raise
            _drop(part)
        except (OSError, http.client.HTTPException) as error:
            if is_full(error) or _size(part) <= before or attempt == ATTEMPTS - 1:
                raise
            say(f"{url}: broke off after {_size(part) / 1e6:.1f} MB ({_reason(error)}); resuming")
    raise OSError(f"not whole after {ATTEMPTS} attempts; the next one goes on from {part}")


@dataclass(frozen=True)
class _Identity:
    """Source, version and length of a file: equal for the part that is there and for a rest that continues it."""

    url: str
    version: str  # ETag or Last-Modified
    size: int  # in bytes; -1 where the server does not say


def _some(url: str, part: Path, say: Progress) -> None:
    """Make one request, appended where it continues what is there; raises OSError when it ends before the file does."""
    have, known = _resumable(url, part)
    request = urllib.request.Request(url, headers={"User-Agent": "awac-bench"})
    if have and known:
        request.add_header("Range", f"bytes={have}-")
        if known.version:
            request.add_header("If-Range", known.version)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        headers = answer.headers
        version = headers.get("ETag") or headers.get("Last-Modified") or ""
        appends = _continues(answer, have, known)
        if not appends:
            have = 0
        length = headers.get("Content-Length")
        now = _Identity(url, version, have + int(length) if length else -1)
        _note(part).write_text(json.dumps(vars(now)), encoding="utf-8")
        with part.open("ab" if appends else "wb") as f:
            _copy(answer, f, have, now, say)
    if now.size >= 0 and _size(part) != now.size:
        raise OSError(f"{_size(part)} of {now.size} bytes came; the next attempt goes on from {part}")


def _resumable(url: str, part: Path) -> tuple[int, _Identity | None]:
    """Number of bytes that are there and the file that they are of; 0 and None where no rest can be asked for."""
    try:
        known = _Identity(**parse_json(read_file(_note(part)), _IDENTITY))
    except (OSError, ShapeError, TypeError):  # TypeError: more than that
        return 0, None
    return (_size(part), known) if known.url == url and known.size > _size(part) else (0, None)


def _continues(answer: Any, have: int, known: _Identity | None) -> bool:
    """Whether an answer is the rest that was asked for; servers without ranges send the whole file."""
    if not have or known is None or getattr(answer, "status", None) != 206:
        return False
    said = answer.headers.get("Content-Range", "")
    if said != f"bytes {have}-{known.size - 1}/{known.size}":
        raise OSError(f"sent {said or 'no range'} where bytes from {have} of {known.size} were asked for")
    return True


def _copy(source: Any, sink: Any, have: int, what: _Identity, say: Progress) -> None:
    """Copy an answer to its end, and say now and then how far it is."""
    said = time.monotonic()
    while chunk := source.read(_CHUNK):
        sink.write(chunk)
        have += len(chunk)
        if time.monotonic() - said > REPORT_SECONDS:
            said = time.monotonic()
            say(f"{what.url}: {have / 1e6:.1f}{f' of {what.size / 1e6:.1f}' if what.size > 0 else ''} MB")


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _drop(part: Path) -> None:
    for path in (part, _note(part)):
        path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: BaseException) -> str:
    """An HTTP or network error in a few words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"{error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        error = error.reason if isinstance(error.reason, BaseException) else error
    return first_line(error)
