"""Reads pickles of arrays and containers, and nothing else: no name in the file is ever imported or called.

A pickle is a program. This reader knows the handful of names that numpy's arrays, scalars and dtypes are pickled
under, of numpy 1 and 2, and puts stand-ins of its own in their place; any other name is refused before anything is
done with it. Arrays come back as numpy arrays, scalars as Python's, object arrays as lists.
"""

from __future__ import annotations

import io
import mmap
import pickle
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from envs.errors import DatasetError, first_line

__all__ = ["read_pickle"]

_KINDS = "?biufcSU"  # dtypes of plain values; arrays of "O" become lists
_DEPTH = 30  # of containers in containers
_SHARED = 4  # arrays may be referred to more than once, but not add up to more than so many times the file
_ROOM = 64 * 2**20  # bytes that a file may add up to whatever its size


class _Refused(pickle.UnpicklingError):
    """A pickle names something that is not known here."""


class _StandIn:
    """Base of what stands in for known names; it takes no state, so that a file cannot change it."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("state for something that has none")


class _NdArray(_StandIn):
    """Stand-in for `numpy.ndarray`, which is only an argument of `_Reconstruct`."""

    __slots__ = ()


class _Dtype:
    """A dtype in the making: its code, then its byte order as state."""

    __slots__ = ("value",)

    def __init__(self, code: Any) -> None:
        self.value = np.dtype(code if isinstance(code, str) else "V")
        if self.value.kind not in _KINDS + "O":
            raise pickle.UnpicklingError(f"a dtype {code!r}; numbers are needed")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order, structure = state[1], state[2:5]
        if order not in ("<", ">", "=", "|") or any(part is not None for part in structure):
            raise pickle.UnpicklingError("a structured dtype; plain numbers are needed")
        self.value = self.value.newbyteorder(order)


class _MakeDtype(_StandIn):
    __slots__ = ()

    def __call__(self, code: Any, *_: Any) -> _Dtype:
        return _Dtype(code)


class _Array:
    """An array in the making: empty, then its shape, dtype and content as state."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: Any = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        shape, dtype, fortran, content = state[-4:]
        self.value = _filled(shape, dtype, content, "F" if fortran else "C")


class _Reconstruct(_StandIn):
    __slots__ = ()

    def __call__(self, kind: Any, *_: Any) -> _Array:
        if not isinstance(kind, _NdArray):
            raise pickle.UnpicklingError("an array of a class of its own")
        return _Array()


class _FromBuffer(_StandIn):
    """Stand-in for the function that makes arrays in pickle protocol 5."""

    __slots__ = ()

    def __call__(self, content: Any, dtype: Any, shape: Any, order: Any) -> _Array:
        array = _Array()
        array.value = _filled(shape, dtype, content, "F" if order == "F" else "C")
        return array


class _Scalar(_StandIn):
    __slots__ = ()

    def __call__(self, dtype: Any, content: Any) -> Any:
        return _filled((1,), dtype, content, "C")[0].item()


class _Encode(_StandIn):
    """Stand-in for `codecs.encode`, by which Python 3 writes bytes in protocol 2 and below."""

    __slots__ = ()

    def __call__(self, text: Any, encoding: Any) -> bytes:
        if not isinstance(text, str) or encoding != "latin1":
            raise pickle.UnpicklingError("bytes that are not latin1")
        return text.encode("latin1")


class _NoBytes(_StandIn):
    """Stand-in for `bytes`, by which Python 3 writes empty bytes in protocol 2 and below."""

    __slots__ = ()

    def __call__(self) -> bytes:
        return b""


def _filled(shape: Any, dtype: Any, content: Any, order: Any) -> Any:
    """Make an array whose content lies in the file in full; for an object array, the list of what it holds."""
    if not isinstance(dtype, _Dtype) or not all(isinstance(n, int) and n >= 0 for n in shape):
        raise pickle.UnpicklingError("an array without dtype or shape")
    if dtype.value.kind == "O":
        if not isinstance(content, list) or len(shape) > 1:
            raise pickle.UnpicklingError("an object array of more than one axis")
        return content if shape else content[0]
    raw = content.encode("latin1") if isinstance(content, str) else content  # Python 2 wrote bytes as text
    if not isinstance(raw, (bytes, bytearray)):
        raise pickle.UnpicklingError("an array without content")
    return np.frombuffer(raw, dtype.value).reshape(tuple(shape), order=order)


_NUMPY: dict[str, Any] = {
    "ndarray": _NdArray(),
    "dtype": _MakeDtype(),
    "_reconstruct": _Reconstruct(),
    "scalar": _Scalar(),
    "_frombuffer": _FromBuffer(),
}
_KNOWN: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _NUMPY["ndarray"],
    ("numpy", "dtype"): _NUMPY["dtype"],
    **{
        (f"numpy.{core}.{m}", n): _NUMPY[n]
        for core in ("core", "_core")
        for m, n in (("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer"))
    },
    ("_codecs", "encode"): _Encode(),
    ("__builtin__", "bytes"): _NoBytes(),
    ("collections", "OrderedDict"): dict,
}


# in Python, as the one in C reserves memory for any number that a file may name
class _Unpickler(pickle._Unpickler):
    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(pickle._Unpickler.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise _Refused(f"{module}.{name}") from None

    def load_bytearray8(self) -> None:
        size = int.from_bytes(self.read(8), "little")  # type: ignore[attr-defined]
        content = bytearray(self.read(size))  # type: ignore[attr-defined]
        if len(content) < size:
            raise EOFError("cut off")
        self.append(content)  # type: ignore[attr-defined]

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8


class _Walk:
    """Replaces stand-ins by their arrays, and counts what the result adds up to."""

    def __init__(self, room: int) -> None:
        self.room = room

    def __call__(self, part: Any, depth: int = 0) -> Any:
        if isinstance(part, _Array):
            part = part.value
        if depth > _DEPTH:
            raise pickle.UnpicklingError(f"containers more than {_DEPTH} deep")
        self.room -= part.nbytes if isinstance(part, np.ndarray) else 8
        if self.room < 0:
            raise pickle.UnpicklingError("the same arrays over and over, adding up to far more than the file holds")
        if isinstance(part, Mapping):
            return {str(k): self(v, depth + 1) for k, v in part.items()}
        if isinstance(part, (list, tuple)):
            return [self(v, depth + 1) for v in part]
        if part is None or isinstance(part, (np.ndarray, str, bytes, bool, int, float, complex)):
            return part
        raise pickle.UnpicklingError(f"a {type(part).__name__.strip('_')}; arrays and containers are needed")


def read_pickle(where: str, content: bytes | mmap.mmap) -> Any:
    """Read what a pickle holds: dicts, lists, numpy arrays, numbers, text. Nothing in it is executed.

    A file mapped into memory is read from its present position; `where` names it in messages. Raises `DatasetError`
    when it is damaged, names anything but numpy's arrays, or adds up to far more than it holds.
    """
    try:
        source = io.BytesIO(content) if isinstance(content, bytes) else content
        loaded = _Unpickler(source, encoding="latin1").load()
        return _Walk(_SHARED * len(content) + _ROOM)(loaded)
    except _Refused as error:
        raise DatasetError(
            f"{where}: names {error}, which is neither an array nor a container; nothing of it was executed. "
            "Save plain numpy arrays, best as .npz"
        ) from None
    except Exception as error:  # a damaged pickle fails in any way
        raise DatasetError(
            f"{where}: cannot be read as a pickle of arrays ({first_line(error)}); fetch or save it again"
        ) from None
