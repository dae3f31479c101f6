"""Locks and errors of the system: what is not there is done without, and what is no damage is not called so."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import pytest

from disk.lock import Held, is_held, lock
from disk.trouble import is_full, not_damage, unwritten


def test_a_lock_is_held_once_and_seen_by_readers(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    assert is_held(path) is False
    with lock(path) as why:
        assert why == ""
        assert is_held(path) is True
        with pytest.raises(Held), lock(path):
            pass
    assert is_held(path) is False


def test_a_passing_lock_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    for _ in range(2):
        with lock(path, passing=True) as why:
            assert why == ""
            with pytest.raises(Held), lock(path, passing=True):
                pass
            assert is_held(path) is True
        assert not list(tmp_path.iterdir())


def test_a_lock_on_a_file_that_was_taken_away_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was opened while another process held it, which let it go before this one asked."""
    path, real = tmp_path / ".lock", fcntl.flock

    def flock(*arguments: Any) -> None:
        path.unlink()
        real(*arguments)

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(Held), lock(path, passing=True):
        pass
    monkeypatch.undo()
    with lock(path, passing=True):
        assert path.exists()


@pytest.mark.parametrize("number", [errno.EBADF, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_where_there_are_no_locks_nothing_is_held_and_nothing_known(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with lock(tmp_path / ".lock") as why:
        assert why == os.strerror(number)
        assert is_held(tmp_path / ".lock") is None
        with lock(tmp_path / ".lock") as again:
            assert again


def test_a_locked_hdf5_is_in_use_and_not_damaged(tmp_path: Path) -> None:
    """Another process has it open for writing."""
    path = tmp_path / "a.hdf5"
    code = (
        f"import h5py, sys; f = h5py.File({str(path)!r}, 'w'); f.flush(); print('open', flush=True); sys.stdin.read()"
    )
    writer = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"open\n"
        with pytest.raises(OSError, match="errno") as caught:
            h5py.File(path, "r")
    finally:
        writer.communicate(b"\n")
    assert not_damage(caught.value) == f"{os.strerror(errno.EAGAIN)}; another program has it open"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied", "a"), "Permission denied"),
        (OSError(37, "No locks available"), "No locks available; another program has it open"),
        (
            OSError(errno.EINVAL, "a pipe, socket or device, where a file is needed"),
            "a pipe, socket or device, where a file",
        ),
        (MemoryError(), "not enough memory"),
        (OSError("Unable to synchronously open file (file signature not found)"), ""),
        (FileNotFoundError(2, "No such file or directory"), ""),
        (ValueError("bad"), ""),
    ],
)
def test_what_is_no_damage_has_its_own_words(error: Exception, words: str) -> None:
    assert not_damage(error).startswith(words)
    assert bool(not_damage(error)) is bool(words)


@pytest.mark.parametrize(
    ("error", "said", "full"),
    [
        (OSError(errno.ENOSPC, "x"), "No space left on device; make room there, or go", True),
        (OSError(errno.EDQUOT, "x"), "Disk quota exceeded; make room there, your quota is used up, or go", True),
        (OSError(errno.EFBIG, "x"), "File too large; raise the limit on the size of files (ulimit -f), or go", False),
        (OSError(errno.EROFS, "x"), "Read-only file system; go", False),
        (RuntimeError("Can't close file (file write failed: errno = 28, error message = 'No space left on device')"),
         "No space left on device; make room there, or go", True),
        (RuntimeError("one\ntwo"), "one; go", False),
    ],
)  # fmt: skip
def test_what_could_not_be_written_is_one_line_with_what_to_do(error: Exception, said: str, full: bool) -> None:
    assert unwritten("/a/b", error, "go") == f"cannot write /a/b: {said}"
    assert is_full(error) is full


def test_a_device_that_is_full_says_so_in_these_words() -> None:
    """As the system itself raises it."""
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with pytest.raises(OSError, match="No space") as caught, open("/dev/full", "wb", buffering=0) as full:
        full.write(b"x")
    assert is_full(caught.value)
