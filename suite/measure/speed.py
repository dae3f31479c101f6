"""How fast this machine carries out each part of an experiment, beside the arithmetic floor of the same update.

Rows are made up, so nothing has to be built first; what the numbers are does not change how long an update takes.
Environments are the task's own.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from algos.learner.actor_critic import ActorCritic
from algos.learner.replay import COLUMNS, InitialStates, Layout, Replay
from algos.settings import SettingError
from envs.stepping.vector import VectorEnv
from suite.experiment.experiment import Experiment
from suite.experiment.request import Request, parse_list
from suite.experiment.requirements import lanes, online_capacity
from suite.experiment.resolve import check_used, resolve
from suite.output import check_writable, say
from suite.record.folders import write_json
from suite.run.evaluate import collect, evaluate
from suite.run.hardware import Hardware, device_name, prepare, versions

__all__ = [
    "BURN_IN",
    "learner_on_made_up_rows",
    "measure",
    "rate",
    "speed",
    "table",
    "updates_per_second",
    "work_per_update",
]

_OFFLINE_ROWS, _DEMO_ROWS, _ONLINE_ROWS = 100_000, 5_000, 10_000
_STAGE_SAMPLE = 20  # updates of a stage by which it is timed
_COMPARED = 100  # updates after which replayed ones are compared with eager ones
BURN_IN = 5  # updates before anything is timed: the first ones allocate, and on CUDA are recorded


@dataclass(frozen=True)
class _Parts:
    """Seconds that the environment-bound parts of a run take, for all packed seeds together."""

    collect_step: float  # one step per seed
    evaluation: float  # one evaluation
    env_steps_per_s: float  # summed over the environments


def learner_on_made_up_rows(experiment: Experiment, device: torch.device, capture: bool = True) -> ActorCritic:
    """The experiment's learner, online where it learns online, with a replay of random rows."""
    e = experiment
    layout = e.layout
    offline = _OFFLINE_ROWS if e.needs.offline_data else 0
    states = torch.randn(_ONLINE_ROWS, layout.obs_dim, generator=torch.Generator().manual_seed(1))
    first = InitialStates(states, len(e.seeds), 1, device)
    replay = Replay(
        layout, _rows(layout, offline), min(_DEMO_ROWS, offline), len(e.seeds), online_capacity(e), device, first
    )
    learner = ActorCritic(
        e.objective,
        e.cfg,
        e.learner,
        e.seeds,
        layout,
        replay,
        0.0,
        e.protocol.offline_fraction,
        device,
        capture,
        e.protocol.steps_per_iteration,
        e.hindsight,
    )
    if not e.needs.offline_only:
        rows = _rows(layout, min(max(_ONLINE_ROWS, e.protocol.steps_per_iteration), replay.capacity))
        replay.append(rows.expand(len(e.seeds), *rows.shape))
        learner.set_phase("online")
    return learner


def _rows(layout: Layout, count: int) -> torch.Tensor:
    g = torch.Generator().manual_seed(0)
    obs, next_obs = torch.randn(2, count, layout.obs_dim, generator=g)
    action = torch.rand(count, layout.action_dim, generator=g) * 2 - 1
    like = {"action": action, "number": torch.zeros(count)}
    columns = {name: like[COLUMNS[name]] for name in layout.columns}
    return layout.pack(obs, action, -torch.ones(count), next_obs, torch.zeros(count), **columns)


def rate(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """How often per second `work` is done, over at least `seconds`; waits for the device at both ends."""
    _wait(device)
    start, count = time.perf_counter(), 0
    while not count or time.perf_counter() - start < seconds:
        work()
        count += 1
        if count % 20 == 0:  # or the host would queue more than it has time for
            _wait(device)
    _wait(device)
    return count / (time.perf_counter() - start)


def updates_per_second(learner: ActorCritic, device: torch.device, seconds: float) -> float:
    """Rate of updates over at least `seconds`.

    Where iterations have stages: over a whole one, from the beginning and some updates of each stage.
    """
    iteration = learner.sampler.iteration
    if not iteration.stages:
        return rate(lambda: learner.run(1), device, seconds)
    total = 0.0
    for _ in iteration.stages:
        stage, done = iteration.now()
        iteration.advance((stage.updates - done) % stage.updates)
        stage, _ = iteration.now()
        total += 1.0 / rate(lambda: learner.run(1), device, 0.0)  # with what is prepared when it begins
        more = min(stage.updates - 1, _STAGE_SAMPLE)
        if more:
            total += (stage.updates - 1) / (more * rate(lambda n=more: learner.run(n), device, 0.0))  # type: ignore[misc]
    return iteration.updates / total


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _time_environments(experiment: Experiment, learner: ActorCritic, workers: int) -> _Parts:
    """Collect one iteration and evaluate once, with the policy choosing the actions."""
    e, p = experiment, experiment.protocol
    seeds = len(e.seeds)
    with VectorEnv(e.task.id, seeds * lanes(e), workers) as env:
        evaluate(env, learner.act, seeds, 1, e.task)  # the first steps are slower
        start = time.perf_counter()
        collect(env, learner.act, e.seeds, 0, p.steps_per_iteration, e.task.action_dim)
        collected = time.perf_counter() - start
        start = time.perf_counter()
        evaluate(env, learner.act, seeds, p.eval_episodes, e.task)
        evaluated = time.perf_counter() - start
    return _Parts(collected / p.steps_per_iteration, evaluated, seeds * p.steps_per_iteration / collected)


def measure(experiment: Experiment, hardware: Hardware, rounds: int, seconds: float, capture: bool) -> dict[str, Any]:
    """One row of `bench speed`; rates are medians over rounds in which update and floor take turns."""
    device = hardware.torch_device()
    prepare(hardware.thread_count(), experiment.learner.tf32)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    learner = learner_on_made_up_rows(experiment, device, capture)
    learner.run(BURN_IN)
    floor = _floor(experiment, device)
    turns = [
        (updates_per_second(learner, device, seconds), rate(floor.work, device, seconds / 2)) for _ in range(rounds)
    ]
    work = work_per_update(learner)
    gflop = work.flop / 1e9
    updates = statistics.median(u for u, _ in turns)
    seeds = len(experiment.seeds)
    row: dict[str, Any] = {
        "algo": experiment.algo,
        "env": experiment.task.short_name,
        "profile": experiment.profile,
        "seeds": seeds,
        "batch_size": experiment.learner.batch_size,
        "hidden": list(experiment.learner.hidden),
        "tf32": experiment.learner.tf32,
        "captured": learner.rounds.captured,
        "compiled": learner.compiled is not None and not learner.compiled.failed,
        "updates_per_s": updates,
        "updates_per_s_summed": updates * seeds,
        "gflop_per_update": gflop,
        "floor_gflop_per_s": statistics.median(f for _, f in turns) * floor.gflop,
        "share_of_floor": statistics.median(u * gflop / (f * floor.gflop) for u, f in turns),
    }
    if kernels := _kernels(learner, work):
        row["kernels_per_update"] = kernels
    if learner.rounds.captured:
        row["replay_error"] = _replay_error(experiment, device)
    row |= _protocol(experiment, _time_environments(experiment, learner, hardware.worker_count()), updates)
    row["peak_memory_mb"] = _peak_memory(device) / 1e6
    return row


def speed(
    request: Request,
    packs: str,
    hardware: Hardware,
    *,
    rounds: int,
    seconds: float,
    capture: bool = True,
    out: Path | None = None,
) -> list[dict[str, Any]]:
    """One row per algorithm, task and number of packed seeds; all are resolved before any is measured.

    `packs` are those numbers, "1,3,5", in place of the request's seeds. `capture` false: on CUDA, no graph. `out` gets
    the rows as JSON, with device and versions.
    """
    counts = _counts("--packs", packs)
    experiments = [
        resolve(dataclasses.replace(cell, seeds=tuple(range(n)))) for cell in request.cells() for n in counts
    ]
    check_used(request, experiments)  # for the error: rows show who uses what
    device = hardware.torch_device()
    facts = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "kind": device.type,
        "device": device_name(device),
        "cores": os.cpu_count(),
        "threads": hardware.thread_count(),
        "workers": hardware.worker_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "versions": versions(),
    }
    if out is not None:
        check_writable(out)
    rows = []
    for e in experiments:
        say(f"{e.cell}, {len(e.seeds)} packed seeds, profile {e.profile}")
        rows.append(measure(e, hardware, rounds, seconds, capture))
    if out is not None:
        overrides = [str(override) for override in request.overrides]
        write_json(out, {**facts, "overrides": overrides, "rounds": rounds, "seconds": seconds, "rows": rows})
    return rows


def _counts(option: str, text: str) -> list[int]:
    """'1,3,5' -> [1, 3, 5]."""
    try:
        counts = [int(part) for part in parse_list(text)]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise SettingError(f"{option} {text}: give positive numbers, e.g. 1,3,5")
    return counts


# what `bench speed` prints of a row, and how
_SHOWN = {
    "updates/s": ("updates_per_s", "{:,.1f}"), "updates/s x seeds": ("updates_per_s_summed", "{:,.1f}"),
    "GFLOP per update": ("gflop_per_update", "{:.2f}"), "floor, GFLOP/s": ("floor_gflop_per_s", "{:,.0f}"),
    "share of floor": ("share_of_floor", "{:.0%}"), "kernels per update": ("kernels_per_update", "{}"),
    "captured": ("captured", "{}"), "replayed against eager": ("replay_error", "{:.1e}"),
    "compiled": ("compiled", "{}"),
    "environment steps/s": ("env_steps_per_s", "{:,.0f}"),
    "protocol steps/s x seeds": ("protocol_steps_per_s_summed", "{:,.0f}"),
    "  in updates": ("share_update", "{:.0%}"), "  in collection": ("share_collection", "{:.0%}"),
    "  in evaluation": ("share_evaluation", "{:.0%}"), "peak memory, MB": ("peak_memory_mb", "{:,.0f}"),
}  # fmt: skip


def table(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The rows of `measure` as columns, one line per measure."""
    columns = {f"{r['algo']} {r['env']} x{r['seeds']}": r for r in rows}
    return [
        {"": name, **{c: form.format(r[key]) if key in r else "-" for c, r in columns.items()}}
        for name, (key, form) in _SHOWN.items()
    ]


def _protocol(experiment: Experiment, parts: _Parts, updates_per_s: float) -> dict[str, Any]:
    """The online protocol from its parts, which follow one another: over one stretch between evaluations."""
    e, p = experiment, experiment.protocol
    if e.needs.offline_only:
        return {"env_steps_per_s": parts.env_steps_per_s}
    steps = p.eval_every_online
    update, collected = steps * p.updates_per_step / updates_per_s, steps * parts.collect_step
    total = update + collected + parts.evaluation
    return {
        "env_steps_per_s": parts.env_steps_per_s,
        "protocol_steps_per_s_summed": len(e.seeds) * steps / total,
        "share_update": update / total,
        "share_collection": collected / total,
        "share_evaluation": parts.evaluation / total,
    }


def _replay_error(experiment: Experiment, device: torch.device) -> float:
    """How far apart parameters are after the same updates, replayed and carried out one by one, in |b|."""
    replayed, eager = (learner_on_made_up_rows(experiment, device, capture) for capture in (True, False))
    for learner in (replayed, eager):
        learner.run(_COMPARED)
    pairs = zip(replayed.nets.parameters(), eager.nets.parameters(), strict=True)
    with torch.no_grad():
        return max(float(torch.dist(a, b) / b.norm().clamp_min(1e-3)) for a, b in pairs)


@dataclass(frozen=True)
class _Floor:
    work: Callable[[], object]
    gflop: float  # of one call


def _floor(experiment: Experiment, device: torch.device) -> _Floor:
    """One hidden layer of all seeds' twin critics, forward: the matrix product that updates are made of."""
    learner = experiment.learner
    width, rows, members = max(learner.hidden), learner.batch_size, 2 * len(experiment.seeds)
    x, w = torch.randn(members, rows, width, device=device), torch.randn(members, width, width, device=device)
    out = torch.empty_like(x)
    return _Floor(lambda: torch.bmm(x, w, out=out), 2 * members * rows * width * width / 1e9)


class _Work(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what is done inside: operations that compute or move something, and those of matrix products."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = self.flop = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.operations += not func.is_view
        if formula := flop_registry.get(func.overloadpacket):
            self.flop += formula(*args, **(kwargs or {}), out_val=out)
        return out


def work_per_update(learner: ActorCritic) -> _Work:
    """The work of one round of sampling and update of all packed seeds; of stages, the mean over an iteration."""
    total = _Work()
    for share, part in _parts(learner):
        with _Work() as work:
            part()
        total.operations += share * work.operations
        total.flop += share * work.flop
    return total


def _parts(learner: ActorCritic) -> Iterator[tuple[float, Callable[[], object]]]:
    """What rounds consist of, each with how often it is done per update; to be carried out in this order."""
    iteration = learner.sampler.iteration

    def update() -> None:
        learner.update(*learner.draw())

    for stage in iteration.stages:
        yield 1.0 / iteration.updates, functools.partial(learner.begin, stage)
        learner.stage = stage
        yield stage.updates / iteration.updates, update
        learner.stage = None
    if not iteration.stages:
        yield 1.0, update


def _kernels(learner: ActorCritic, work: _Work) -> int:
    """Kernels that one round launches; on a CPU its operations; 0 where the profiler may not look."""
    if learner.device.type != "cuda":
        return round(work.operations)
    from torch.autograd import DeviceType  # type: ignore[attr-defined]
    from torch.profiler import ProfilerActivity, profile

    total = 0.0
    for share, part in _parts(learner):
        with profile(activities=[ProfilerActivity.CUDA]) as profiled:
            part()
            _wait(learner.device)
        events = [event for event in profiled.events() or () if event.device_type == DeviceType.CUDA]
        total += share * len(events)
    return round(total)


def _peak_memory(device: torch.device) -> float:
    """Bytes: of the device, or of this process since it began."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024
    return float(unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
