"""A pretended accelerator: what works on it, and is recorded on it, would on a CUDA device, as far as devices go.

Its tensors compute on the CPU, so that results are the CPU's to the bit. But an operation on tensors of both devices
fails. `Recording` and `Graph` stand in for CUDA's: what is recorded is not carried out, until a replay carries out
exactly that, on the memory it had; and what a host would wait for cannot be recorded.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode

NAME = "pretend"
KNOWN_TO_TORCH = hasattr(backend_registration, "_setup_privateuseone_for_python_backend")  # not in every version
# What of torch's own makes a host wait on CUDA: it asks for a value, or for a size that depends on values.
WAITS = {
    *("_local_scalar_dense", "_linalg_check_errors", "bincount", "equal", "masked_select", "nonzero"),
    *("repeat_interleave", "unique_consecutive", "unique_dim", "_unique", "_unique2"),
}
COPIES = {"copy_", "_to_copy"}


class There(Tensor):
    """A tensor on the pretended device; `raw` is what it holds."""

    raw: Tensor

    @staticmethod
    def __new__(cls, raw: Tensor) -> There:
        out: There = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            raw.size(),
            strides=raw.stride(),
            storage_offset=raw.storage_offset(),
            dtype=raw.dtype,
            device=torch.device(NAME, 0),
        )
        out.raw = raw
        return out

    def __repr__(self, **_: Any) -> str:
        return f"There({self.raw!r})"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.raw.__reduce_ex__(protocol)  # a file holds numbers; where they are loaded to, the loader says

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(
        cls, op: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return carry_out(op, args, kwargs or {})


class Generator(torch.Generator):
    """A random stream of the device it is made for; the pretended one's draws what the CPU's does."""

    there: ClassVar[set[int]] = set()  # those made for the pretended device, by what stays through torch's own code

    def __new__(cls, device: torch.device | str = "cpu") -> Generator:
        made = super().__new__(cls, "cpu")
        (cls.there.add if torch.device(device).type == NAME else cls.there.discard)(made._cdata)
        return made


class Device(TorchDispatchMode):
    """Sends what is done on the pretended device, in this thread, to `carry_out`."""

    def __torch_dispatch__(
        self, op: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return carry_out(op, args, kwargs or {})


@functools.cache
def register() -> None:
    """Tell torch of the device, and of what it does below the reach of a dispatch mode; before the first gradient."""
    if not KNOWN_TO_TORCH:
        return
    backend_registration._setup_privateuseone_for_python_backend(NAME)
    for packet, overload in (("empty", "memory_format"), ("empty_strided", ""), ("copy_", "")):
        op = getattr(getattr(torch.ops.aten, packet), overload or "default")
        name = f"{packet}.{overload}".rstrip(".")
        _LIBRARY.impl(name, lambda *a, _op=op, **k: carry_out(_op, a, k), "PrivateUse1")


_LIBRARY = torch.library.Library("aten", "IMPL")
_recording: list[Graph] = []  # the graph that is being recorded, if one is


def carry_out(op: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Carry out one operation of torch; on the pretended device if its operands are there, or it makes something there.

    Raises `RuntimeError` where CUDA would, in a recording also where the host would wait.
    """
    flat, spec = pytree.tree_flatten((args, kwargs))
    device = kwargs.get("device")
    there = any(isinstance(x, There) for x in flat)
    made_there = there if device is None else torch.device(device).type == NAME
    if not there and not made_there:
        return op(*args, **kwargs)
    name = op.overloadpacket.__name__
    here = [x for x in flat if isinstance(x, Tensor) and not isinstance(x, There)]
    _check(op, name, args, here, crosses=name in COPIES and (bool(here) or there != made_there))
    if any(x._cdata not in Generator.there for x in flat if isinstance(x, torch._C.Generator)):
        raise RuntimeError(f"{op}: a generator of another device")
    raw = [x.raw if isinstance(x, There) else x for x in flat]
    raw_args, raw_kwargs = pytree.tree_unflatten(raw, spec)
    if device is not None:
        raw_kwargs["device"] = torch.device("cpu")
    do = functools.partial(_recording[-1].note, op) if _recording and made_there else op
    out = do(*raw_args, **raw_kwargs)
    if not made_there:
        return out
    known = {id(x.raw): x for x in flat if isinstance(x, There)}  # what is changed in place stays what it is

    def wrapped(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return known[id(value)] if id(value) in known else There(value)

    return pytree.tree_map(wrapped, out)


def _check(op: Any, name: str, args: Sequence[Any], here: Sequence[Tensor], crosses: bool) -> None:
    if name not in COPIES and any(x.dim() for x in here):
        raise RuntimeError(f"{op}: tensors of two devices, of the CPU {[tuple(x.shape) for x in here]}")
    if not _recording:
        return
    masks = name == "index" and any(isinstance(i, Tensor) and i.dtype == torch.bool for i in args[1])
    moved = name == "where" and here  # numbers of the CPU are copied over first
    if name in WAITS or crosses or masks or moved:
        raise RuntimeError(f"{op}: the host would wait for the device")


class Graph:
    """Stands in for `torch.cuda.CUDAGraph`."""

    def __init__(self) -> None:
        self._generators: list[torch.Generator] = []
        self._noted: list[tuple[Any, Any, Any, Any]] = []
        self._undo: list[tuple[Tensor, Tensor]] = []
        self._streams: list[Tensor] = []

    def register_generator_state(self, generator: torch.Generator) -> None:
        self._generators.append(generator)

    def begin(self) -> None:
        self._streams = [g.get_state() for g in self._generators]
        _recording.append(self)

    def note(self, op: Any, *args: Any, **kwargs: Any) -> Any:
        """Note an operation; what it changes is changed back when the recording ends."""
        for argument, value in zip(op._schema.arguments, args, strict=False):
            if argument.alias_info is not None and argument.alias_info.is_write:
                self._undo += [(x, x.clone()) for x in pytree.tree_leaves(value) if isinstance(x, Tensor)]
        out = op(*args, **kwargs)
        self._noted.append((op, args, kwargs, out))
        return out

    def end(self) -> None:
        _recording.pop()
        for tensor, before in reversed(self._undo):
            tensor.copy_(before)
        for generator, state in zip(self._generators, self._streams, strict=True):
            generator.set_state(state)
        self._undo = []

    def replay(self) -> None:
        for op, args, kwargs, out in self._noted:
            if op.is_view:
                continue
            fresh = pytree.tree_leaves(op(*args, **kwargs))
            for old, new in zip(pytree.tree_leaves(out), fresh, strict=True):
                if isinstance(old, Tensor) and old is not new:
                    old.copy_(new)


class Recording:
    """Stands in for `torch.cuda.graph`: what is done within it is noted in the graph and not carried out."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def __enter__(self) -> None:
        self._graph.begin()

    def __exit__(self, *_: object) -> None:
        self._graph.end()


@contextmanager
def device() -> Iterator[torch.device]:
    """The device is there, in this thread, with generators and graphs of its own."""
    if not KNOWN_TO_TORCH:
        pytest.skip("this torch cannot be told of a device in Python")
    with pytest.MonkeyPatch.context() as patch, Device():
        patch.setattr(torch, "Generator", Generator)
        patch.setattr(torch.cuda, "CUDAGraph", Graph)
        patch.setattr(torch.cuda, "graph", Recording)
        yield torch.device(NAME, 0)
