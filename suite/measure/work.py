"""The work of an update, counted: operations, kernels and memory, beside the matrix product that bounds its rate."""

from __future__ import annotations

import functools
import resource
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from algos.learner.actor_critic import ActorCritic
from suite.experiment.experiment import Experiment

__all__ = ["Floor", "Work", "floor_of", "kernels", "peak_memory", "work_per_update"]


@dataclass(frozen=True)
class Floor:
    """Matrix product whose rate the updates' is compared with."""

    work: Callable[[], object]
    gflop: float  # of one call


def floor_of(experiment: Experiment, device: torch.device) -> Floor:
    """Forward pass of one hidden layer of all seeds' twin critics: the matrix product that updates consist of."""
    learner = experiment.learner
    width, rows, members = max(learner.hidden), learner.batch_size, 2 * len(experiment.seeds)
    x, w = torch.randn(members, rows, width, device=device), torch.randn(members, width, width, device=device)
    out = torch.empty_like(x)
    return Floor(lambda: torch.bmm(x, w, out=out), 2 * members * rows * width * width / 1e9)


class Work(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what is done inside it: `operations` that compute or move something, and `flop` of matrix products."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = self.flop = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.operations += not func.is_view
        if formula := flop_registry.get(func.overloadpacket):
            self.flop += formula(*args, **(kwargs or {}), out_val=out)
        return out


def work_per_update(learner: ActorCritic) -> Work:
    """Count the work of sampling and updating once, for all packed seeds; with stages, the mean over an iteration."""
    total = Work()
    for share, part in _parts(learner):
        with Work() as work:
            part()
        total.operations += share * work.operations
        total.flop += share * work.flop
    return total


def _parts(learner: ActorCritic) -> Iterator[tuple[float, Callable[[], object]]]:
    """Parts of an update, each with how often it is done per update; they must be carried out in this order."""
    iteration = learner.iteration

    def update() -> None:
        learner.learn(*learner.draw())

    for stage in iteration.stages:
        yield 1.0 / iteration.updates, functools.partial(learner.begin, stage)
        learner.stage = stage
        yield stage.updates / iteration.updates, update
        learner.stage = None
    if not iteration.stages:
        yield 1.0, update


def kernels(learner: ActorCritic, work: Work) -> int:
    """Kernels that one update launches; on a CPU its operations; 0 where the profiler sees none."""
    if learner.device.type != "cuda":
        return round(work.operations)
    from torch.autograd import DeviceType  # type: ignore[attr-defined]
    from torch.profiler import ProfilerActivity, profile

    total = 0.0
    for share, part in _parts(learner):
        with profile(activities=[ProfilerActivity.CUDA]) as profiled:
            part()
            torch.cuda.synchronize(learner.device)
        events = [event for event in profiled.events() or () if event.device_type == DeviceType.CUDA]
        total += share * len(events)
    return round(total)


def peak_memory(device: torch.device) -> float:
    """Most bytes used: on the GPU, or by this process since it began."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024
    return float(unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
