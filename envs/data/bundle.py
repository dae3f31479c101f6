"""Datasets in one zip, to carry to a machine without a network: everything in it is checked before any is stored.

`manifest.json` comes first and lists the datasets with their fingerprints, and every file with size and SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from disk import sums
from disk.shapes import line, listing, mapping, parse_json, table, whole
from disk.trouble import is_full
from envs import tasks
from envs.data import minari_store, minari_write, stored
from envs.data.files import check_new, check_size, new_file
from envs.data.minari_store import OWN
from envs.errors import DamagedError, DatasetError, first_line

__all__ = ["add", "write"]

MANIFEST = "manifest.json"
FORMAT = 1
_FILE = table({"size": whole(0), "sha256": line})
_SHAPE = table(
    {
        "format": whole(),
        "datasets": listing(table({"id": line, "task": line, "fingerprint": line, "files": mapping(_FILE)})),
    }
)
_CHUNK = 1 << 20
_MANIFEST_BYTES = 64 * 2**20


def write(ids: Sequence[str], out: Path) -> int:
    """Put stored datasets into a new zip, complete or not at all; returns its size in bytes.

    Raises `DatasetError` where one of them is not in the store or damaged, or the file is there already.
    """
    check_new(out)  # before the datasets are read
    listed = [_listed(i) for i in dict.fromkeys(ids)]
    with (
        new_file(out) as passing,
        zipfile.ZipFile(passing, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        archive.writestr(MANIFEST, json.dumps({"format": FORMAT, "datasets": listed}, indent=1))
        for one in listed:
            for file in one["files"]:
                archive.write(minari_store.folder(one["id"]) / file, f"{one['id']}/{file}")
    return out.stat().st_size


def add(path: Path) -> dict[str, bool]:
    """Store the datasets of a zip that `write` made: all of them, or none. Returns which of them are new.

    Raises `DatasetError` where anything in it is not as its manifest says, or an id is taken by other content.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            listed = _manifest(path, archive)
            new = {one["id"]: not _is_there(path, one) for one in listed}
            with minari_write.staging_folder() as place:
                for one in listed:
                    if new[one["id"]]:
                        _unpack(path, archive, one, place)
                        _check(path, one, place)
                _publish(place, [i for i, is_new in new.items() if is_new])
            return new
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DatasetError(f"{path}: damaged zip ({first_line(error)}); copy it again") from None
    except OSError as error:
        full = is_full(error)
        why = minari_write.not_stored("its datasets", error) if full else first_line(error)
        raise DatasetError(f"{path}: {why}") from None


def _listed(dataset_id: str) -> dict[str, Any]:
    """Read a dataset in full, and return its entry of the manifest."""
    if not minari_store.exists(dataset_id):
        raise DatasetError(f"dataset {dataset_id} is not in {minari_store.root()}; `bench list datasets` shows what is")
    own = minari_store.metadata(dataset_id).get(OWN, {})
    _read_all(dataset_id, own)
    folder = minari_store.folder(dataset_id)
    files = sorted(p for p in (folder / "data").rglob("*") if p.is_file())
    return {
        "id": dataset_id,
        "task": own.get("task", ""),
        "fingerprint": own.get("fingerprint", ""),
        "files": {
            p.relative_to(folder).as_posix(): {"size": p.stat().st_size, "sha256": sums.of_file(p)} for p in files
        },
    }


def _read_all(dataset_id: str, own: dict[str, Any]) -> None:
    """Read every episode, with all checks where the task is known; raises `DatasetError` at the first fault."""
    if own.get("task") in tasks.TASKS:
        stored.read(tasks.get(own["task"]), dataset_id)
        return
    for _ in minari_store.episodes(dataset_id):
        pass


def _manifest(path: Path, archive: zipfile.ZipFile) -> list[dict[str, Any]]:
    """Read the manifest, which must list exactly the members of the archive, all of them safe to unpack."""
    try:
        if archive.getinfo(MANIFEST).file_size > _MANIFEST_BYTES:
            raise ValueError("far too long")
        content = parse_json(archive.read(MANIFEST), _SHAPE)
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}; this version reads {FORMAT}")
        listed: list[dict[str, Any]] = content["datasets"]
        wanted = {f"{d['id']}/{f}": about["size"] for d in listed for f, about in d["files"].items()}
        ids = [d["id"] for d in listed]
    except (KeyError, ValueError) as error:
        raise DatasetError(f"{path}: {MANIFEST}: {first_line(error)}; `bench data bundle` writes such files") from None
    for dataset_id in ids:
        minari_store.check_id(dataset_id)
    _check_names(path, [*wanted, *archive.namelist()])
    members = {m.filename: m for m in archive.infolist() if m.filename != MANIFEST}
    if members.keys() != wanted.keys() or len(members) != len(archive.namelist()) - 1 or len(set(ids)) != len(ids):
        odd = sorted(members.keys() ^ wanted.keys())[:1] or ["a name that comes twice"]
        raise DatasetError(f"{path}: {MANIFEST} and content differ in {odd[0]}; copy it again")
    for name, member in members.items():
        if member.file_size != wanted[name]:
            raise DatasetError(
                f"{path}: {name} has {member.file_size} bytes, {MANIFEST} says {wanted[name]}; copy it again"
            )
        check_size(str(path), name, member.file_size, member.compress_size)
        if stat.S_ISLNK(member.external_attr >> 16):
            raise DatasetError(f"{path}: {name} is a link; nothing was unpacked")
    return listed


def _check_names(path: Path, names: Sequence[str]) -> None:
    """Refuse names that would leave the folder they are unpacked into."""
    for name in names:
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or "\\" in name or ":" in name or ".." in parts or "\0" in name:
            raise DatasetError(f"{path}: {name!r} would be written outside its dataset; nothing was unpacked")


def _is_there(path: Path, one: dict[str, Any]) -> bool:
    """Whether the store holds the same dataset already; raises `DatasetError` where it holds another under the id."""
    if not minari_store.exists(one["id"]):
        return False
    folder = minari_store.folder(one["id"])
    own = minari_store.metadata(one["id"]).get(OWN, {})
    same = bool(one["fingerprint"]) and own.get("fingerprint") == one["fingerprint"]
    if same or all((folder / f).is_file() and sums.of_file(folder / f) == a["sha256"] for f, a in one["files"].items()):
        return True
    raise DatasetError(
        f"{path}: {one['id']} is in the store already with other content; delete {folder} first; nothing was added"
    )


def _unpack(path: Path, archive: zipfile.ZipFile, one: dict[str, Any], place: Path) -> None:
    """Unpack a dataset's files into the staging folder, each with the checksum of the manifest."""
    for file, about in one["files"].items():
        target = place / one["id"] / file
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with archive.open(f"{one['id']}/{file}") as source, target.open("wb") as sink:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                sink.write(chunk)
            sink.flush()
            os.fsync(sink.fileno())
        if digest.hexdigest() != about["sha256"]:
            raise DatasetError(f"{path}: {one['id']}/{file} is not what {MANIFEST} says (SHA-256); copy it again")


def _check(path: Path, one: dict[str, Any], place: Path) -> None:
    """Refuse an unpacked folder that is not the dataset that the manifest names, or cannot be read."""
    with minari_write.minari_root(place):
        try:
            about = minari_store.metadata(one["id"])
            own = about.get(OWN, {})
            if about.get("dataset_id") != one["id"] or own.get("fingerprint", "") != one["fingerprint"]:
                raise DatasetError("its metadata name another dataset")
            _read_all(one["id"], own)
        except DatasetError as error:
            why = error.reason if isinstance(error, DamagedError) else first_line(error)
            raise DatasetError(f"{path}: {one['id']}: {why}; nothing was added") from None


def _publish(place: Path, ids: Sequence[str]) -> None:
    """Rename all datasets into the store; where one cannot be renamed, remove those before it again."""
    done = []
    try:
        for dataset_id in ids:
            minari_write.publish(place, dataset_id)
            done.append(dataset_id)
    except BaseException:
        for dataset_id in done:
            shutil.rmtree(minari_store.folder(dataset_id), ignore_errors=True)
        raise
