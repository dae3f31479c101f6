"""Spoiled content: sound files with something wrong in them, made at random from a seed."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np


def _deep(levels: int) -> Any:
    out: Any = 0
    for _ in range(levels):
        out = [out]
    return out


# what may stand where something else is meant
JUNK: tuple[Any, ...] = (
    None, True, False, 0, -1, 5, 0.5, 1e308, -1e308, float("nan"), float("inf"), 2**63, 2**70, 10**400, 10**9,
    "", "x", "0", "\ud800", "a\nb", "../../x", "x" * 5000, [], [1], ["x"], [[1, 2], [3]], [None], {}, {"a": 1},
    _deep(90),
)  # fmt: skip
# texts that are no JSON of ours
TEXTS = (
    "", "{", "[]", "null", "5", '"x"', "1" * 10_000, "[" * 100_000, '{"a":' * 5000, '{"a": 1' + "0" * 10_000 + "}",
    "\x00" * 50, "\ufeff{}",
)  # fmt: skip


def values(value: Any, rng: np.random.Generator, count: int) -> Iterator[Any]:
    """The value with one of its parts, or itself, taken out, doubled, renamed or replaced by something else."""
    for _ in range(count):
        made = [copy.deepcopy(value)]
        place, key = _some_place(made, rng)
        kind = rng.integers(6)
        if kind == 0 and place is not made:
            del place[key]
        elif kind == 1 and isinstance(place, dict):
            place[f"{key}s"] = place.pop(key)
        elif kind == 2:
            place[key] = [place[key], place[key]]
        else:
            place[key] = copy.deepcopy(JUNK[rng.integers(len(JUNK))])
        yield made[0]


def _some_place(root: list[Any], rng: np.random.Generator) -> tuple[Any, Any]:
    """A container and a key or number in it, each as likely as any other."""
    places: list[tuple[Any, Any]] = []

    def walk(container: Any) -> None:
        for key in container if isinstance(container, dict) else range(len(container)):
            places.append((container, key))
            if isinstance(container[key], (dict, list)):
                walk(container[key])

    walk(root)
    return places[rng.integers(len(places))]


def json_texts(sound: Any, rng: np.random.Generator, count: int) -> Iterator[bytes]:
    """JSON files that are none, or not of the shape of the sound one."""
    yield from (text.encode() for text in TEXTS)
    yield from (json.dumps(value).encode() for value in values(sound, rng, count))
    yield from contents(json.dumps(sound).encode(), rng, count // 4)


def contents(sound: bytes, rng: np.random.Generator, count: int) -> Iterator[bytes]:
    """Bytes with bits flipped, cut off, zeroed, doubled, or other bytes put in."""
    for _ in range(count):
        out, at = bytearray(sound), int(rng.integers(len(sound)))
        kind = rng.integers(5)
        if kind == 0:
            for place in rng.integers(0, len(out), 1 + int(rng.integers(4))).tolist():
                out[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            del out[at:]
        elif kind == 2:
            out[at : at + 64] = bytes(len(out[at : at + 64]))
        elif kind == 3:
            out[at:at] = out[at : at + 500]
        else:
            out[at:at] = rng.bytes(int(rng.integers(1, 20)))
        yield bytes(out)


def members(sound: dict[str, Any], rng: np.random.Generator, count: int) -> Iterator[bytes]:
    """An npz whose arrays are of other kinds and shapes than they should be, or that are spoiled where they lie."""
    for number in range(count):
        arrays = dict(sound)
        name = list(arrays)[rng.integers(len(arrays))]
        array = np.asarray(arrays.pop(name))
        with np.errstate(all="ignore"):
            arrays[name] = (
                array[None], array.reshape(-1)[:1], array.reshape(-1), array[..., None], array.astype("U"),
                array.astype(bool), np.full(array.shape, np.nan), np.full(array.shape, 1e300), np.zeros(0),
                np.full(array.shape, 2**62), np.asarray("text"), np.asarray(5), np.full(array.shape, 1j),
                np.zeros((3, 0, 2)), np.full((7, 7), 0.5), np.full(array.shape, np.datetime64("2020-01-01")),
                np.frombuffer(b"\1\2", "V2"),
            )[rng.integers(17)]  # fmt: skip
        yield npz(arrays, compressed=bool(number % 2))


def npz(arrays: dict[str, Any], compressed: bool = False) -> bytes:
    f = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(f, **arrays)
    return f.getvalue()


def zips(sound: bytes, name: str, texts: Iterator[bytes]) -> Iterator[bytes]:
    """A zip with one member replaced by each of these."""
    with zipfile.ZipFile(io.BytesIO(sound)) as archive:
        held = {n: archive.read(n) for n in archive.namelist()}
    for text in texts:
        f = io.BytesIO()
        with zipfile.ZipFile(f, "w") as archive:
            for n, content in held.items():
                archive.writestr(n, text if n == name else content)
        yield f.getvalue()
