"""Updates carried out by compiled code: a whole update is traced once, compiled, and called from then on.

An update is some hundreds of small operations, and on small networks Python takes longer over each than the processor.
The compiler sees all of them at once, passes, gradients, optimisers, targets and metrics, and joins what lies between
the matrix products. Its rounding is its own, so this is a setting (`compile`), and a run keeps to what it began with.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

__all__ = ["Compiled", "compiler"]

Program = Callable[..., Any]


def compiler() -> str | None:
    """Path of the C++ compiler that updates on a CPU are compiled with; None where there is none."""
    return shutil.which(os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++"))


class Compiled:
    """Calls `update(batch, noise, turn)` by compiled code.

    `update` changes nothing but the tensors that `moving()` lists (and makes some of them when it is first called), in
    place; it draws nothing, reads nothing back, counts nothing on the host and does the same for every batch of one
    shape.
    """

    def __init__(self, update: Callable[[Any, Any, int], None], moving: Callable[[], list[Tensor]]) -> None:
        self._update, self._moving = update, moving
        self._key: Hashable = None
        self._programs: dict[tuple[str | None, int], Program] = {}  # by kind and turn
        self.failed = False  # from then on updates are eager
        self._failure = ""  # why compiling failed

    def take_failure(self) -> str:
        """Why compiling failed, in one line, told once; empty when it did not."""
        failure, self._failure = self._failure, ""
        return failure

    def run(self, batch: Any, noise: Any, turn: int, key: Hashable, kind: str | None) -> None:
        """Carry out one update; a new `key` says that what was compiled no longer holds."""
        if key != self._key:
            self._key, self._programs = key, {}
        if not self.failed and (kind, turn) not in self._programs:
            self._prepare(batch, noise, turn, kind)
        if self.failed:
            self._update(batch, noise, turn)
        else:
            with torch.no_grad():
                self._programs[kind, turn](*_tensors((batch, noise)))

    def _prepare(self, batch: Any, noise: Any, turn: int, kind: str | None) -> None:
        """Compile without carrying anything out; where that fails, updates stay eager."""
        before = [(t, t.detach().clone()) for t in self._moving()]
        try:
            self._update(batch, noise, turn)  # makes what a program must find in place: optimiser state, metric sums
            program = _traced(lambda b, n: self._update(b, n, turn), batch, noise)
            with torch.no_grad(), warnings.catch_warnings():
                warnings.filterwarnings("ignore", "TensorFloat32 tensor cores")  # off unless the setting `tf32` says so
                program(*_tensors((batch, noise)))
            self._programs[kind, turn] = program
        except RuntimeError as error:
            self.failed, self._failure = True, _line(error)
        finally:
            self._restore(before)

    @torch.no_grad()
    def _restore(self, before: list[tuple[Tensor, Tensor]]) -> None:
        """Give tensors their values of before, and zero to those made since: optimisers and sums begin with it."""
        known = {id(tensor) for tensor, _ in before}
        for tensor, value in before:
            tensor.copy_(value)
        for tensor in self._moving():
            if id(tensor) not in known:
                tensor.zero_()


def _line(error: RuntimeError) -> str:
    """One line on an error; on the one inside, where a compiler wraps it."""
    inner = getattr(error, "inner_exception", error)
    return f"{type(inner).__name__}: {str(inner).strip().partition(chr(10))[0]}"


def _traced(update: Callable[[Any, Any], None], batch: Any, noise: Any) -> Program:
    """The compiled update as a function of the tensors in batch and noise."""
    from torch._inductor import compile as by_inductor  # a second to import, for runs that compile alone

    def flat(*tensors: Tensor) -> tuple[()]:
        given = iter(tensors)
        update(_filled(batch, given), _filled(noise, given))
        return ()

    traced = make_fx(flat)(*_tensors((batch, noise)))
    graph = traced.graph
    # what the update finds in place, such as weights, becomes an argument: a compiler would take it for constant
    held: list[Tensor] = []
    named: dict[str, fx.Node] = {}
    first = next(iter(graph.nodes))
    for node in list(graph.nodes):
        if node.op != "get_attr":
            continue
        if node.target not in named:
            with graph.inserting_before(first):
                named[node.target] = graph.placeholder(f"held_{len(held)}")
            held.append(getattr(traced, node.target).detach())
        node.replace_all_uses_with(named[node.target])
        graph.erase_node(node)
    # without Dynamo, which would trace once more and check before every call what it is called with
    compiled = by_inductor(fx.GraphModule({}, graph), [*held, *_tensors((batch, noise))])
    return lambda *tensors: compiled(*held, *tensors)


def _tensors(value: Any) -> Iterator[Tensor]:
    """All tensors in nested dataclasses, mappings and pairs, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping | tuple):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _tensors(part)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _tensors(getattr(value, field.name))


def _filled(value: Any, given: Iterator[Tensor]) -> Any:
    """A copy of nested dataclasses, mappings and pairs with other tensors, in the order of `_tensors`."""
    if isinstance(value, Tensor):
        return next(given)
    if isinstance(value, Mapping):
        return {name: _filled(part, given) for name, part in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: _filled(getattr(value, field.name), given) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **parts)
    return value
