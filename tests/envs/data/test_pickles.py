"""Pickles are read as data: what they hold comes back, and nothing in them is ever called."""

from __future__ import annotations

import collections
import io
import os
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from envs.data.formats.pickles import read_pickle
from envs.errors import DatasetError


class Call:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.made = function, arguments

    def __reduce__(self) -> Any:
        return self.made


def message(content: bytes) -> str:
    with pytest.raises(DatasetError) as caught:
        read_pickle("a.pickle", content)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("a.pickle: ")
    return str(caught.value)


ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.arange(3, dtype=">f4"),
    np.zeros((0, 3)),
    np.array(5.0),
    np.array([True, False]),
    np.array(["ab", "c"]),
    np.arange(4, dtype=np.int16)[::2],
]


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_come_back_as_numpy_itself_reads_them(protocol: int) -> None:
    for before, after in zip(ARRAYS, read_pickle("", pickle.dumps(ARRAYS, protocol)), strict=True):
        assert (after.dtype, after.shape) == (before.dtype, before.shape)
        np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("protocol", range(6))
def test_containers_scalars_and_object_arrays_come_back_plain(protocol: int) -> None:
    inner = np.array([{"x": np.ones(2)}, {"x": np.zeros(2)}], object)
    made = {"o": inner, "f": np.float32(3), "b": np.bool_(True), "t": (1, "a", None), "d": collections.OrderedDict(k=2)}
    read = read_pickle("", pickle.dumps(made, protocol))
    assert [r["x"].tolist() for r in read["o"]] == [[1, 1], [0, 0]]
    assert (read["f"], read["b"], read["t"], read["d"]) == (3.0, True, [1, "a", None], {"k": 2})


@pytest.mark.parametrize("core", ["core", "_core"])
def test_names_of_numpy_1_and_2_are_known(core: str) -> None:
    content = pickle.dumps([np.arange(3.0), np.float64(2)], 2)
    other = content.replace(b"numpy._core.", b"numpy.%s." % core.encode())
    assert f"numpy.{core}.multiarray" in {a.split()[0] for o, a, _ in pickletools.genops(other) if o.name == "GLOBAL"}
    array, scalar = read_pickle("", other)
    assert (array.tolist(), scalar) == ([0, 1, 2], 2.0)


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("wrap", ["bare", "in an object array", "in a dict"])
def test_a_call_is_refused_by_name_and_not_made(wrap: str, protocol: int, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    call: Any = Call(os.system, f"touch {touched}")
    made = {"bare": call, "in an object array": np.array([{"a": call}], object), "in a dict": {"a": [call]}}[wrap]
    content = pickle.dumps(made, protocol)
    assert "names posix.system" in message(content) or "names nt.system" in message(content)
    assert not touched.exists()
    pickle.loads(content)  # the harm is real
    assert touched.exists()


@pytest.mark.parametrize("function", [eval, open, getattr, np.load, np.array, io.BytesIO, pickle.loads, bytearray])
def test_not_even_harmless_names_are_known(function: Any) -> None:
    assert "neither an array nor a container; nothing of it was executed" in message(pickle.dumps(function))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x80\x04}r\xff\xff\xff\x7f", "cannot be read"),  # in C this reserves memory for two billion entries
        (b"\x80\x05\x96\x00\x00\x00\x00\xff\x00\x00\x00.", "cannot be read"),  # a terabyte announced
        (b"\x80\x02cnumpy\nndarray\n(J\xff\xff\xff\x7ftR.", "cannot be read"),  # an array without content
        (b"\x80\x02cnumpy\ndtype\nU\x01OK\x00K\x01\x87RbN.", "cannot be read"),
        (b"\x80\x04\x82\x01.", "cannot be read"),  # a registered extension
        (b"\x80\x04Qx.", "cannot be read"),  # a persistent id
        (pickle.dumps(ARRAYS)[:-20], "cannot be read"),
        (b"", "cannot be read"),
        (pickle.dumps(np.zeros(3, [("a", "f8")])), "dtype"),
        (pickle.dumps({1, 2}), "arrays and containers are needed"),
    ],
)
def test_damage_and_bombs_are_one_line(content: bytes, what: str) -> None:
    assert what in message(content)


def test_an_array_that_refers_to_itself_over_and_over_is_bounded() -> None:
    part: Any = np.zeros(2**17)  # a megabyte
    for _ in range(4):
        part = [part] * 20  # 160 gigabytes, in a file of one
    assert "adding up to far more than the file holds" in message(pickle.dumps(part))
    endless: list[Any] = []
    endless.append(endless)
    assert "deep" in message(pickle.dumps(endless))


def test_a_file_cannot_change_what_the_names_mean() -> None:
    poison = b"\x80\x02cnumpy\ndtype\n}U\x05valueNsb."  # state for the stand-in itself
    assert "state for something that has none" in message(poison)
    assert read_pickle("", pickle.dumps(np.ones(2))).tolist() == [1, 1]
