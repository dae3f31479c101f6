"""Commands on a file system that is full: a small tmpfs in a mount namespace, which goes with its process."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

PAGE = 4096  # bytes that a tmpfs gives at a time
SIZE = 1 << 25  # bytes of the whole file system
_NEWNS, _NEWUSER = 0x00020000, 0x10000000  # of unshare(2)
_PRIVATE = 0x4000 | 1 << 18  # MS_REC | MS_PRIVATE of mount(2)
_FILLER = ".filler"

Tree = Mapping[str, str]  # path below a folder -> content in hex; "/" for a folder


class Outcome(NamedTuple):
    """What a command did with the room that it had."""

    code: int
    err: str
    before: Tree  # what lay on the disk, and then
    after: Tree


def why_not(place: Path) -> str:
    """Why nothing can be mounted here; "" where it can."""
    return str(_in_a_child(lambda: _mount(place)).get("raised", ""))


def bench_with(room: int, disk: Path, before: Path, *arguments: str) -> Outcome:
    """`bench ...` where `disk` is a file system that holds what lies in `before`, and has so many bytes left."""
    return Outcome(**_said(_in_a_child(lambda: _command(room, disk, before, arguments))))


def on_it(place: Path, work: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """What `work` returns in a process that stands in `place`, which is an empty small file system to it."""

    def there() -> Mapping[str, Any]:
        _mount(place)
        os.chdir(place)
        return work()

    return _said(_in_a_child(there))


def fill(disk: Path, room: int) -> None:
    """Leave so many bytes of a file system."""
    with (disk / _FILLER).open("wb") as filler:
        if (taken := _free(disk) - room) > 0:
            os.posix_fallocate(filler.fileno(), 0, taken)


def left(disk: Path) -> list[str]:
    """Names of all files and folders on a file system but what fills it."""
    return list(_tree(disk))


def _command(room: int, disk: Path, before: Path, arguments: tuple[str, ...]) -> dict[str, Any]:
    """Run a command in this process, whose output goes into a file beside the disk."""
    import suite.cli

    _mount(disk)
    shutil.copytree(before, disk, dirs_exist_ok=True)
    fill(disk, room)
    was, err = _tree(disk), disk.with_name("err")
    for number, file in ((1, Path(os.devnull)), (2, err)):
        os.dup2(os.open(file, os.O_CREAT | os.O_TRUNC | os.O_WRONLY), number)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    sys.argv, code = ["bench", *arguments], 0
    try:
        suite.cli.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:  # what Python itself would print, and end with 1
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    return {"code": code, "err": err.read_text(), "before": was, "after": _tree(disk)}


def _tree(folder: Path) -> Tree:
    """Everything below a folder, hidden files too, but what fills it."""
    found = {str(p.relative_to(folder)): p for p in sorted(folder.rglob("*")) if p.name != _FILLER}
    return {name: "/" if p.is_dir() else p.read_bytes().hex() for name, p in found.items()}


def _free(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_bsize


def _said(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    assert "raised" not in answer, answer["raised"]
    return answer


def _in_a_child(work: Callable[[], Mapping[str, Any] | None]) -> Mapping[str, Any]:
    """What `work` returns in a process of its own; what it raises, or how it died, under "raised"."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        try:
            answer = work() or {}
        except BaseException:
            answer = {"raised": traceback.format_exc()}
        with os.fdopen(theirs, "w") as out:
            json.dump(answer, out)
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as answered:
        said = answered.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    found: Mapping[str, Any] = json.loads(said) if said else {"raised": f"the process ended with {code}"}
    return found


def _mount(place: Path) -> None:
    """Mount an empty tmpfs that this process and its children see; raises `OSError` where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    _checked(libc.unshare(_NEWNS | (_NEWUSER if user else 0)))
    if user:  # as who may mount in a namespace of its own
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _checked(libc.mount(b"none", b"/", None, _PRIVATE, None))
    _checked(libc.mount(b"tmpfs", os.fsencode(place), b"tmpfs", 0, f"size={SIZE}".encode()))


def _checked(failed: int) -> None:
    if failed:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
