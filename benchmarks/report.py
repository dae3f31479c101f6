"""How long a report takes: 10 methods x 12 tasks x 10 seeds x 100 evaluations of made-up runs.

    python benchmarks/report.py [--methods 10] [--tasks 12] [--seeds 10] [--evaluations 100] [--out FILE.json]

Run folders are written by `suite.record` into a temporary folder: two scores and twelve learning metrics
per evaluation. `whole` is `reports.build`, with its processes; `reading` is `collect` alone, `statistics` everything
that is computed from the cells, without tables and figures, in CPU seconds. Each is measured in a process of its own;
memory is the largest of it and its children.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

LEARNING = (
    "critic_loss",
    "actor_loss",
    "q_data",
    "q_policy",
    "td_target",
    "advantage",
    "advantage_std",
    "weight_ess",
    "log_prob_data",
    "policy_std",
    "mse_data",
    "entropy",
)
OFFLINE = 25_000


def write(root: Path, methods: int, tasks: int, seeds: int, evaluations: int) -> None:
    """All run folders; a fifth of the evaluations are offline."""
    from suite.record.rows import Row
    from suite.record.writer import RunWriter

    steps = [*np.linspace(-OFFLINE, 0, evaluations // 5, dtype=int)]
    steps += [*np.linspace(0, 100_000, evaluations - len(steps) + 1, dtype=int)[1:]]
    for method in range(methods):
        for task in range(tasks):
            rng = np.random.default_rng([method, task])
            writer = RunWriter(root / f"task-{task:02}" / f"method-{method:02}" / "made-00000000")
            settings = {"offline_updates": {"value": OFFLINE, "source": "made up"}}
            settings |= {f"setting_{i}": {"value": i, "source": "made up"} for i in range(40)}
            writer.create(
                {
                    "algo": f"method-{method:02}",
                    "task": f"task-{task:02}",
                    "seeds": list(range(seeds)),
                    "name": "made",
                    "hash": "00000000",
                    "profile": "paper",
                    "settings": settings,
                    "success_rule": "made up",
                }
            )
            pace = rng.uniform(0.2, 2, seeds)
            rows = []
            for seed in range(seeds):
                noise = rng.normal(0, 0.05, len(steps))
                for step, slip in zip(steps, noise, strict=True):
                    phase, update = "offline" if step <= 0 else "online", int(step) + OFFLINE
                    score = float(np.clip(1 - np.exp(-pace[seed] * update / 50_000) + slip, 0, 1))
                    values = {"success": round(score * 20) / 20, "return": 200 * score - 200}
                    values |= {name: float(x) for name, x in zip(LEARNING, rng.random(len(LEARNING)), strict=True)}
                    rows += [Row(seed, phase, int(step), update, name, x) for name, x in values.items()]
            writer.append(rows)
            writer.status({"state": "finished", "phase": "online", "env_step": 100_000, "update": 125_000})


def statistics(cells: Any, metric: str = "success", seed: int = 0) -> dict[str, float]:
    """CPU seconds of every part of what is computed from the cells."""
    from reports.numbers.notes import warnings
    from reports.numbers.power import seeds_note
    from reports.numbers.results import Results
    from reports.numbers.shares import profile

    results, taus = Results(cells, metric, seed), np.linspace(0, 1, 101)
    parts: dict[str, Callable[[], Any]] = {
        "usable scores": lambda: results.finals,
        "common grid": lambda: results.grid,
        "curves": lambda: results.lines,
        "before and after": lambda: results.before_after,
        "online phase": lambda: results.online,
        "aggregates": lambda: results.aggregates,
        "profiles": lambda: [profile(runs, taus) for runs in results.grid.scores.values()],  # type: ignore[union-attr]
        "improvements": lambda: results.improvements,
        "efficiency": lambda: results.efficiency,
        "verdicts per task": lambda: results.per_task,
        "verdict over tasks": lambda: results.over_tasks,
        "averages": lambda: results.averages,
        "warnings": lambda: warnings(cells, results.before_after[0]),
        "seeds needed": lambda: seeds_note(results.per_task, results.before_after[0], metric),
    }
    out = {}
    for name, part in parts.items():
        start = time.process_time()  # all of it is one thread's own work; each part once, in the order of its needs
        part()
        out[name] = time.process_time() - start
    return out


def measure(what: str, root: Path) -> dict[str, Any]:
    """What `--only` runs in a process of its own: `reports.build`, or reading and statistics."""
    start = time.perf_counter()
    if what == "whole":
        import reports

        page = reports.build(root / "runs", root / "report")
        size = sum(p.stat().st_size for p in page.parent.rglob("*") if p.is_file())
        out: dict[str, Any] = {"page_mb": page.stat().st_size / 1e6, "folder_mb": size / 1e6}
    else:
        from reports.runs.collect import collect

        cells = collect([root / "runs"]).cells
        out = {"reading_s": time.perf_counter() - start, "parts_s": statistics(cells)}
        out["statistics_s"] = sum(out["parts_s"].values())
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(one.ru_utime + one.ru_stime for one in spent)
    return {f"{what}_s": time.perf_counter() - start, **out, "cpu_s": cpu, "peak_mb": peak / 1e3}


def apart(what: str, root: Path) -> dict[str, Any]:
    """`measure` in a new process."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, __file__, "--only", what, str(root)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    return {
        "cpu": cpu,
        "cores": cores,
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def main() -> None:
    """Print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, size in (("methods", 10), ("tasks", 12), ("seeds", 10), ("evaluations", 100)):
        parser.add_argument(f"--{name}", type=int, default=size)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(measure(arguments.only[0], Path(arguments.only[1]))))
        return
    size = {name: getattr(arguments, name) for name in ("methods", "tasks", "seeds", "evaluations")}
    found: dict[str, Any] = {"size": size, "machine": machine()}
    with tempfile.TemporaryDirectory(prefix="bench-report-") as folder:
        write(Path(folder) / "runs", **size)
        found["whole"], found["parts"] = apart("whole", Path(folder)), apart("parts", Path(folder))
    whole, parts = found["whole"], found["parts"]
    print(" x ".join(f"{count} {name}" for name, count in size.items()))
    print(f"{'whole report':24}{whole['whole_s']:8.1f} s, CPU {whole['cpu_s']:.1f} s, peak {whole['peak_mb']:.0f} MB")
    print(f"{'page':24}{whole['page_mb']:8.1f} MB of {whole['folder_mb']:.1f} MB in the folder")
    print(f"{'reading':24}{parts['reading_s']:8.1f} s\n{'statistics, CPU':24}{parts['statistics_s']:8.1f} s")
    for name, seconds in parts["parts_s"].items():
        print(f"  {name:22}{seconds:8.2f} s")
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
