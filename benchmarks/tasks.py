"""Tasks beside each other: steps per second of the environment, and what building the default dataset costs.

    python benchmarks/tasks.py [--env pen-binary,ant] [--builds 2] [--dataset default] [--profile quick] [--keep]
                               [--out tasks.json]

Every dataset is built `--builds` times, each time in an empty store; their fingerprints must agree. With `--keep`, the
last build goes into your own store, where `bench run` finds it. An `--out` that is there already is added to.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from envs import plugins, tasks
from envs.data import minari_store
from envs.errors import DatasetError
from envs.task import Task
from suite.experiment.resolve import sized
from suite.recipes import build as recipes
from suite.train.hardware import versions

SECONDS = 3.0


def steps_per_second(task: Task) -> float:
    """Of one environment in this process under uniform random actions, resets included."""
    rng = np.random.default_rng(0)
    with plugins.make(task.id) as env:
        env.action_space.seed(0)
        env.reset(seed=0)
        actions = [env.action_space.sample() for _ in range(100)]
        done = 0
        start = time.perf_counter()
        while (spent := time.perf_counter() - start) < SECONDS:
            *_, terminated, truncated, _ = env.step(actions[rng.integers(100)])
            done += 1
            if terminated or truncated:
                env.reset()
    return done / spent


def builds(task: Task, name: str, count: int, keep: bool) -> dict[str, Any]:
    """Seconds, processor seconds, size and fingerprints of `count` builds of a dataset."""
    seconds, cpu, found, size, info = [], [], set(), 0, None
    for number in range(count):
        with tempfile.TemporaryDirectory() as store:
            with mock.patch.dict(os.environ, MINARI_DATASETS_PATH=store):
                start, used = time.perf_counter(), processor_seconds()
                info = recipes.build(task, 0, name=name).info
                seconds.append(round(time.perf_counter() - start, 1))
                cpu.append(round(processor_seconds() - used, 1))
                built = minari_store.folder(info.id)
            found.add(info.fingerprint)
            size = sum(f.stat().st_size for f in built.rglob("*") if f.is_file())
            if keep and number == count - 1:
                shutil.copytree(built, minari_store.folder(info.id), dirs_exist_ok=True)
    if info is None:
        return {}
    return {
        "dataset": name,
        "episodes": info.episodes,
        "transitions": info.steps,
        "build_s": seconds,
        "build_cpu_s": cpu,
        "MB": round(size / 1e6, 1),
        "fingerprints": sorted(found),
        "return": round(info.return_mean, 1),
    }


def processor_seconds() -> float:
    """Of this process and of those it has started and that have ended."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default=",".join(tasks.TASKS))
    parser.add_argument("--dataset", default="default")
    parser.add_argument("--profile", help="whose sizes the datasets have; default: those of their recipes")
    parser.add_argument("--builds", type=int, default=2)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    out, rows = arguments.out, []
    if out is not None and out.exists():
        rows = json.loads(out.read_text())["rows"]
    for name in arguments.env.split(","):
        task = tasks.get(name)
        if arguments.profile is not None:
            task = sized(task, arguments.profile)
        row: dict[str, Any] = {"task": task.short_name, "observation": task.obs_dim, "action": task.action_dim}
        row["env_steps_per_s"] = round(steps_per_second(task))
        try:
            row |= builds(task, arguments.dataset, arguments.builds, arguments.keep)
        except DatasetError as error:  # some tasks have no data of their own
            row["dataset"] = str(error)
        rows = [one for one in rows if one["task"] != row["task"]] + [row]
        print(row, flush=True)
        if out is not None:
            out.write_text(json.dumps({"versions": versions(), "cores": os.cpu_count(), "rows": rows}, indent=1))


if __name__ == "__main__":  # workers are spawned
    main()
