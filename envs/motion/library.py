"""Clips by name: the one that ships, and those that users bring, each a file in DeepMimic's format.

They lie in `BENCH_MOTIONS`, or ~/.minari/motions, beside Minari's datasets. A clip keeps its name and content: another
one needs another name, since runs of a task are told apart by it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from disk.reading import read_file
from disk.replace import replacing
from disk.shapes import one_of, parse_json, table
from envs.errors import MotionError, first_line, nearest
from envs.motion.clip import Clip, parse, unused

__all__ = ["DEFAULT", "Motion", "Touching", "add", "brought", "find", "folder"]

Touching = Literal["feet", "limbs"]

DEFAULT = "walk"
SUFFIX = ".txt"  # as DeepMimic's own files
_OURS = Path(__file__).parent / "clips"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MOST = 1 << 26  # bytes of a file; an hour of motion at 60 frames per second has as many
_TOUCHING = table({}, {"Touching": one_of(*get_args(Touching))})


@dataclass(frozen=True)
class Motion:
    """A clip as the library holds it."""

    name: str
    clip: Clip
    touching: Touching  # what may touch the ground: "feet", or "limbs", all but head, chest and root
    fingerprint: str  # of its content


def folder() -> Path:
    """Where users' clips lie; it need not exist."""
    named = os.environ.get("BENCH_MOTIONS")
    try:
        return Path(named) if named else Path.home() / ".minari" / "motions"
    except RuntimeError:
        raise MotionError("there is no home folder here: BENCH_MOTIONS says where clips of motion lie") from None


def brought() -> list[str]:
    """Names of the clips that users have brought, in order."""
    try:
        return sorted(path.stem for path in folder().glob(f"*{SUFFIX}") if _NAME.fullmatch(path.stem))
    except (MotionError, OSError):
        return []


def find(name: str) -> Motion:
    """The clip of that name; raises `MotionError` with the nearest name where there is none, or the file is damaged."""
    path = (_OURS if name == DEFAULT else folder()) / f"{name}{SUFFIX}"
    if not _NAME.fullmatch(name) or not path.is_file():
        raise MotionError(
            f"no clip of motion is called {name!r}; {nearest(name, [DEFAULT, *brought()])} "
            "`bench data import-motion FILE` brings one"
        )
    return _read(name, path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _read(name: str, path: Path, changed: int) -> Motion:
    return _motion(name, _content(path), str(path))


def add(source: Path, name: str | None = None, touching: str = "feet") -> tuple[Motion, bool, list[str]]:
    """Bring a clip, called as its file where no name is given: the clip, whether it is new, names of what is left out.

    Raises `MotionError` where the file holds no clip, or another one has the name.
    """
    if name is None:
        name = re.sub(r"[^a-z0-9]+", "-", source.stem.lower().removeprefix("humanoid3d_")).strip("-")
    if not _NAME.fullmatch(name):
        raise MotionError(f"{name!r} cannot name a clip: small letters and digits can, with dashes between them")
    if touching not in get_args(Touching):
        raise MotionError(f"--touching {touching}: {' or '.join(get_args(Touching))}")
    content = _content(source)
    parse(content, str(source))  # says what is wrong with it
    stored = json.dumps({**json.loads(content), "Touching": touching}).encode()
    motion, left = _motion(name, stored, str(source)), unused(content)
    target = folder() / f"{name}{SUFFIX}"
    if name == DEFAULT or target.exists():
        if find(name).fingerprint == motion.fingerprint:
            return motion, False, left
        raise MotionError(f"another clip is called {name} already: --as NAME gives this one a name of its own")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as new:
            new.write_bytes(stored)
    except OSError as error:
        raise MotionError(f"cannot write {target}: {first_line(error)}") from None
    return motion, True, left


def _content(path: Path) -> bytes:
    try:
        return read_file(path, _MOST)
    except OSError as error:
        raise MotionError(f"cannot read {path}: {first_line(error)}") from None


def _motion(name: str, content: bytes, where: str) -> Motion:
    clip = parse(content, where)
    touching = cast(Touching, parse_json(content, _TOUCHING).get("Touching", "feet"))
    parts = (clip.times.tobytes(), clip.poses.tobytes(), repr((clip.loops, touching)).encode())
    return Motion(name, clip, touching, hashlib.sha256(b"|".join(parts)).hexdigest()[:12])
