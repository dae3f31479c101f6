"""Broken files: each gives one line that names the file and the fix, executes nothing, and leaves nothing behind."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from brought import changed, columns, hdf5, npy, npz, paths, pickled
from toy_data import Place, isolated, toy

from envs.data import imports
from envs.errors import DatasetError

ID = "imported/toy-binary/a-v0"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    yield from isolated(tmp_path, monkeypatch)


class Call:
    def __reduce__(self) -> Any:
        return os.system, (f"touch {TOUCHED}",)


TOUCHED = "touched-by-a-pickle"


def with_entry(key: str, value: float, dtype: str = "f4") -> dict[str, Any]:
    values = columns()[key].astype(dtype)
    values.reshape(-1)[7] = value
    return changed(**{key: values})


def short(path: Path, share: float = 0.6) -> Path:
    """Cut off, as a broken download is."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def text(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def flipped(path: Path) -> Path:
    """One byte of the rewards is another."""
    return text(path, path.read_bytes().replace(b"\0\0\xa0\x40", b"\0\0\xa1\x40", 1))


def lying_npz(path: Path) -> Path:
    """The header announces a terabyte of rows."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**11, 3)})
    with zipfile.ZipFile(npz(path, changed(observations=None)), "a") as archive:
        archive.writestr("observations.npy", header.getvalue() + b"\0" * 120)
    return path


def dense_npz(path: Path) -> Path:
    """70 MB of zeros in 70 kB."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|b1", "fortran_order": False, "shape": (70_000_000,)})
    with (
        zipfile.ZipFile(npz(path, changed(terminals=None)), "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("terminals.npy", "w") as f,
    ):
        f.write(header.getvalue())
        for _ in range(7):
            f.write(bytes(10**7))
    return path


def empty_hdf5(path: Path) -> Path:
    """A terabyte announced and nothing written."""
    hdf5(path, changed(observations=None))
    with h5py.File(path, "a") as file:
        file.create_dataset("observations", shape=(10**11, 3), dtype="f4", chunks=(1024, 3))
    return path


def linked_hdf5(path: Path) -> Path:
    hdf5(path.with_name("else.h5"), columns())
    hdf5(path, changed(actions=None))
    with h5py.File(path, "a") as file:
        file["actions"] = h5py.ExternalLink(str(path.with_name("else.h5")), "actions")
    return path


def scattered_hdf5(path: Path) -> Path:
    """The actions lie in another file, by HDF5's external storage."""
    hdf5(path, changed(actions=None))
    path.with_name("raw").write_bytes(bytes(88))
    with h5py.File(path, "a") as file:
        file.create_dataset("actions", shape=(11, 2), dtype="f4", external=[(str(path.with_name("raw")), 0, 88)])
    return path


def virtual_hdf5(path: Path) -> Path:
    """The actions are a view of another file."""
    hdf5(path.with_name("else.h5"), columns())
    hdf5(path, changed(actions=None))
    layout = h5py.VirtualLayout((11, 2), "f4")
    layout[:] = h5py.VirtualSource(str(path.with_name("else.h5")), "actions", (11, 2))
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset("actions", layout)
    return path


def broken_paths(**changes: Any) -> list[dict[str, Any]]:
    made = paths()
    made[1] = {k: v for k, v in (made[1] | changes).items() if v is not None}
    return made


BROKEN: dict[str, tuple[Callable[[Path], Path], str]] = {
    "HDF5 cut off": (lambda d: short(hdf5(d / "x.hdf5", columns())), "damaged HDF5.*fetch or save it again"),
    "npz cut off": (lambda d: short(npz(d / "x.npz", columns())), "damaged npz.*fetch or save it again"),
    "npz with a byte changed": (
        lambda d: flipped(npz(d / "x.npz", columns())),
        "damaged npz",
    ),
    "npy cut off": (lambda d: short(npy(d / "x.npy", paths())), "cannot be read as a pickle"),
    "npy cut off in its header": (lambda d: short(npy(d / "x.npy", paths()), 0.01), "damaged npy"),
    "pickle cut off": (lambda d: short(pickled(d / "x.pickle", paths())), "cannot be read as a pickle"),
    "unknown content": (lambda d: text(d / "x.hdf5", b"<html>404</html>"), "no known format; known: d4rl"),
    "empty file": (lambda d: text(d / "x.npz", b""), "is empty; fetch or save it again"),
    "a folder": (lambda d: d, "Is a directory"),
    "key misspelt": (
        lambda d: npz(d / "x.npz", changed(actions=None, action=np.ones(3))),
        "has no actions; needed are",
    ),
    "no key at all": (lambda d: hdf5(d / "x.h5", {"data": np.ones(3)}), "has no observations and no actions; needed"),
    "no ends": (lambda d: hdf5(d / "x.h5", changed(terminals=None, timeouts=None)), "nothing says where episodes end"),
    "text for numbers": (
        lambda d: npz(d / "x.npz", changed(actions=np.full((11, 2), "a"))),
        "actions are of type <U1; num",
    ),
    "text in HDF5": (lambda d: hdf5(d / "x.h5", changed(actions=[["a", "b"]] * 11)), "actions are of type object; num"),
    "complex numbers": (
        lambda d: npz(d / "x.npz", changed(actions=np.ones((11, 2), "c8"))),
        "of type complex64; numbers",
    ),
    "NaN": (lambda d: npz(d / "x.npz", with_entry("observations", np.nan)), "NaN or infinity, first in row 2; fix"),
    "infinity": (lambda d: hdf5(d / "x.h5", with_entry("actions", -np.inf)), "NaN or infinity, first in row 3; fix"),
    "more than float32": (
        lambda d: npz(d / "x.npz", with_entry("observations", 1e300, "f8")),
        "infinity, first in row 2",
    ),
    "NaN in a path": (
        lambda d: npy(d / "x.npy", broken_paths(observations=np.full((1, 3), np.nan))),
        "NaN or infinity, first in row 4",
    ),
    "no steps": (lambda d: npz(d / "x.npz", {k: v[:0] for k, v in columns().items()}), "holds no steps"),
    "no paths": (lambda d: pickled(d / "x.pickle", []), "holds no list of path dictionaries"),
    "an episode without steps": (
        lambda d: npy(d / "x.npy", broken_paths(actions=np.zeros((0, 2)))),
        "path 1: has no steps; leave it out",
    ),
    "a length of zero": (
        lambda d: npz(d / "x.npz", changed(timeouts=None, episode_lengths=np.array([11, 0]))),
        "an episode has at least one",
    ),
    "lengths that do not add up": (
        lambda d: npz(d / "x.npz", changed(timeouts=None, episode_lengths=np.array([4, 4]))),
        "add up to 8 steps",
    ),
    "code in a pickle": (lambda d: pickled(d / "x.pickle", [Call()]), "names posix.system, which is neither"),
    "code in an npy": (lambda d: npy(d / "x.npy", [{"observations": Call()}]), "names posix.system, which is neither"),
    "code in an npz": (lambda d: npz(d / "x.npz", changed(rewards=np.array([Call()]))), "rewards holds Python objects"),
    "npz that announces more than it holds": (
        lambda d: lying_npz(d / "x.npz"),
        "announces 1,200,000,000,128 bytes and holds",
    ),
    "npz that unpacks to far more": (lambda d: dense_npz(d / "x.npz"), "terminals announce 70 MB and hold 0.1 MB"),
    "HDF5 that announces more than it holds": (
        lambda d: empty_hdf5(d / "x.h5"),
        "announce 1,200,000 MB and hold 0.0 MB",
    ),
    "HDF5 that points elsewhere": (lambda d: linked_hdf5(d / "x.h5"), "actions is not an array in this file"),
    "HDF5 stored elsewhere": (lambda d: scattered_hdf5(d / "x.h5"), "actions is not an array in this file"),
    "HDF5 that views another": (lambda d: virtual_hdf5(d / "x.h5"), "actions is not an array in this file"),
    "observations of another task": (
        lambda d: npz(d / "x.npz", changed(observations=np.ones((11, 5), "f4"))),
        r"shape \[11, 5\], .* needs \[rows, 3\]; --env",
    ),
    "actions of another task": (
        lambda d: npz(d / "x.npz", changed(actions=np.ones((11, 4), "f4"))),
        r"shape \[11, 4\], .* needs \[rows, 2\]; --env",
    ),
    "columns of two lengths": (
        lambda d: npz(d / "x.npz", changed(actions=np.ones((9, 2), "f4"))),
        "11 observations, 9 actions, .* cut off",
    ),
    "flags of another length": (
        lambda d: npz(d / "x.npz", changed(timeouts=np.ones(5, bool))),
        r"timeouts have shape \[5\]",
    ),
    "flags that are none": (lambda d: npz(d / "x.npz", changed(terminals=np.arange(11))), "other values than 0 and 1"),
    "rows in no order": (
        lambda d: npz(d / "x.npz", changed(next_observations=np.ones((11, 3), "f4"), timeouts=None)),
        "loose steps; episodes",
    ),
    "a path of two lengths": (
        lambda d: npy(d / "x.npy", broken_paths(next_observations=np.ones((7, 3)))),
        "path 1: 1 actions, but 7 entries",
    ),
    "a path without actions": (lambda d: npy(d / "x.npy", broken_paths(actions=None)), "path 1: has no actions, only"),
    "a plain npy": (
        lambda d: text_npy(d / "x.npy"),
        r"a plain array \[4\] of float64; AWAC's npy hold path",
    ),
    "dictionaries of unknown keys": (
        lambda d: npy(d / "x.npy", broken_paths(observations=[{"image": np.ones(3)}])),
        "dictionaries of image; state",
    ),
}


def text_npy(path: Path) -> Path:
    np.save(path, np.ones(4))
    return path


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_file_is_one_line_and_nothing_is_stored(
    how: str, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    monkeypatch.chdir(folder)
    make, complaint = BROKEN[how]
    path = make(folder)
    with pytest.raises(DatasetError, match=complaint) as caught:
        imports.import_data(toy(), str(path), ID)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert not place.root.exists()
    assert not Path(TOUCHED).exists()


def test_a_file_that_may_not_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = npz(tmp_path / "a.npz", columns())
    open_ = Path.open

    def refuse(self: Path, *args: Any, **options: Any) -> Any:  # root may read what nobody may
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return open_(self, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DatasetError, match=r"a\.npz.*Permission denied"):
        imports.import_data(toy(), str(path))


def test_rewards_are_needed_where_no_rule_gives_them(tmp_path: Path) -> None:
    dense = toy(success=None, success_rule="")
    for number, (rewards, complaint) in enumerate(
        (
            (None, "has no rewards, and toy-binary-v0 has no rule"),
            (np.ones(4), r"rewards have shape \[4\], 11 steps need"),
            (np.full(11, np.nan), "rewards hold NaN or infinity, first in row 0"),
        )
    ):
        with pytest.raises(DatasetError, match=complaint):
            imports.import_data(dense, str(npz(tmp_path / f"{number}.npz", changed(rewards=rewards))))
        assert imports.import_data(toy(), str(tmp_path / f"{number}.npz")).new  # of no matter where a rule does
