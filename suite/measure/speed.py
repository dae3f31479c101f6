"""Speed of each part of an experiment on this machine, beside the arithmetic floor of the same update: `bench speed`.

Updates are made on made-up rows, so nothing has to be built first; environments are the task's own.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from algos.learner.actor_critic import ActorCritic
from algos.settings import SettingError
from envs.stepping.vector import VectorEnv
from suite.experiment.experiment import Experiment
from suite.experiment.request import Request, parse_list
from suite.experiment.requirements import compiles, lanes
from suite.experiment.resolve import resolve_all
from suite.experiment.used import check_used
from suite.measure.probe import BURN_IN, learner_on_made_up_rows, rate, updates_per_second
from suite.measure.work import floor_of, kernels, peak_memory, work_per_update
from suite.output import say
from suite.record.files import writable
from suite.record.writer import write_json
from suite.train.evaluate import collect, evaluate
from suite.train.hardware import Hardware, device_name, prepare, versions

__all__ = ["measure", "speed", "table"]

_COMPARED = 100  # updates after which replayed ones are compared with eager ones


@dataclass(frozen=True)
class _Parts:
    """Seconds that collecting and evaluating take, for all packed seeds together."""

    collect_step: float  # one step per seed
    evaluation: float  # one evaluation
    env_steps_per_s: float  # summed over the environments


def _time_environments(experiment: Experiment, learner: ActorCritic, workers: int) -> _Parts:
    """Collect one iteration and evaluate once, with the policy choosing the actions."""
    e, p = experiment, experiment.protocol
    seeds = len(e.seeds)
    with VectorEnv(e.task.id, seeds * lanes(e), workers) as env:
        evaluate(env, learner.act, seeds, 1, e.task, p.action_chunk)  # the first steps are slower
        start = time.perf_counter()
        collect(env, learner.act, e.seeds, 0, p.steps_per_iteration, e.task.action_dim, p.action_chunk)
        collected = time.perf_counter() - start
        start = time.perf_counter()
        evaluate(env, learner.act, seeds, p.eval_episodes, e.task, p.action_chunk)
        evaluated = time.perf_counter() - start
    return _Parts(collected / p.steps_per_iteration, evaluated, seeds * p.steps_per_iteration / collected)


def measure(experiment: Experiment, hardware: Hardware, rounds: int, seconds: float, capture: bool) -> dict[str, Any]:
    """Measure one row of `bench speed`; rates are medians over rounds in which update and floor take turns."""
    device = hardware.torch_device()
    prepare(hardware.thread_count(), experiment.learner.tf32)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    learner = learner_on_made_up_rows(experiment, device, capture, compiles(experiment, device.type))
    learner.run(BURN_IN)
    floor = floor_of(experiment, device)
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
    if launched := kernels(learner, work):
        row["kernels_per_update"] = launched
    if learner.rounds.captured:
        row["replay_error"] = _replay_error(experiment, device)
    row |= _protocol(experiment, _time_environments(experiment, learner, hardware.worker_count()), updates)
    row["peak_memory_mb"] = peak_memory(device) / 1e6
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
    """Measure one row per algorithm, task and number of packed seeds; all are resolved before any is measured.

    `packs` are those numbers, "1,3,5", in place of the request's seeds. `capture` false: on CUDA, no graph. `out` gets
    the rows as JSON, with device and versions.
    """
    counts = _counts("--packs", packs)
    seeded = [dataclasses.replace(cell, seeds=tuple(range(n))) for cell in request.cells() for n in counts]
    experiments = [experiment for cell in seeded for experiment in resolve_all(cell)]
    check_used(request, experiments)  # for the error: rows show who uses what
    device = hardware.torch_device()
    facts = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "kind": device.type,
        "device": device_name(device),
        "cores": os.cpu_count(),
        "threads": hardware.thread_count(),
        "workers": hardware.worker_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "versions": versions(),
    }
    with writable(out):
        rows = []
        for e in experiments:
            say(f"{e.cell}, {len(e.seeds)} packed seeds, profile {e.profile}")
            rows.append(measure(e, hardware, rounds, seconds, capture))
        if out is not None:
            overrides = [str(override) for override in request.overrides]
            write_json(out, {**facts, "overrides": overrides, "rounds": rounds, "seconds": seconds, "rows": rows})
    return rows


def _counts(option: str, text: str) -> list[int]:
    """Read '1,3,5' as numbers; raises `SettingError` where one is no positive number."""
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
    """Turn rows of `measure` into columns, one line per quantity."""
    columns = {f"{r['algo']} {r['env']} x{r['seeds']}": r for r in rows}
    return [
        {"": name, **{c: form.format(r[key]) if key in r else "-" for c, r in columns.items()}}
        for name, (key, form) in _SHOWN.items()
    ]


def _protocol(experiment: Experiment, parts: _Parts, updates_per_s: float) -> dict[str, Any]:
    """Rate of the online protocol, and each part's share of its time, over the steps from one evaluation to the next.

    The parts run one after another, so their times add up.
    """
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
    """Largest relative distance between parameters after the same updates, replayed and one by one."""
    replayed, eager = (learner_on_made_up_rows(experiment, device, capture) for capture in (True, False))
    for learner in (replayed, eager):
        learner.run(_COMPARED)
    pairs = zip(replayed.nets.parameters(), eager.nets.parameters(), strict=True)
    with torch.no_grad():
        return max(float(torch.dist(a, b) / b.norm().clamp_min(1e-3)) for a, b in pairs)
