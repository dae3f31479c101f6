"""Updates per second here and in other implementations, each group of sides at the same shapes, batch and threads.

    python benchmarks/peers.py [--peer-python VENV/bin/python] [--corl PATH] [--cleanrl PATH] [--leanrl PATH]
                               [--jax-corl PATH --jax-python VENV/bin/python]
                               [--torchrl PATH --torchrl-python VENV/bin/python]
                               [--ours awac,sac,bc] [--updates compiled,eager] [--seeds 1,3]
                               [--threads 2] [--rounds 5] [--out FILE.json]

AWAC, and what else `--ours` names, at the sizes of AWAC's Table 2: this project, d3rlpy (AWAC, SAC, BC) and CORL
(AWAC). AWAC with 2 x 128 networks and batch 256, and with 2 x 256 and batch 128: this project, JAX-CORL. SAC with
2 x 256 networks and batch 256: this project, CleanRL, LeanRL, TorchRL. The environments and checkouts are yours;
README.md says how to set them up and what is compared.

The sides take turns, one at a time and on the same cores, as many as `--threads`, so that whatever else slows the
machine slows all: compare the ratios, which are taken within a round. Beside them runs the matrix product an update is
made of: the floor no update can beat.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from peer_groups import Group, Side, groups, parse
from peer_results import Round, gflop_per_seed, show, summary, table

HERE = Path(__file__).parent
OBS, ACTION = 39, 30  # relocate
EPISODES, STEPS = 500, 200
ROWS = EPISODES * (STEPS - 1)
BURN_IN_SECONDS = 2.0


class Worker:
    """A side in a process of its own, idle between its turns."""

    def __init__(self, side: Side, group: Group, data: Path, threads: int) -> None:
        self.name = side.name
        options = {
            "hidden": ",".join(map(str, group.hidden)),
            "batch": group.batch,
            "threads": threads,
            "algo": group.algo,
            "seeds": side.seeds,
            "checkout": side.checkout or ".",
        }
        command = [side.python, str(HERE / "peer_worker.py"), side.kind, str(data)]
        command += [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        command += ["--act"] * group.act + ["--eager"] * side.eager
        # progress bars would fill the log
        own = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "TQDM_DISABLE": "1"}
        self.errors = data.with_name(f"{group.key}-{side.name}.log")
        pipe = subprocess.PIPE
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=errors, text=True, env=os.environ | own
            )
        hello = self._answer()
        self.versions: dict[str, str] = hello["versions"]
        self.gflop: float | None = hello["gflop"]
        if side.checkout is not None:
            self.versions["commit"] = commit(side.checkout)

    def per_second(self, seconds: float) -> float:
        """Let the side work for so long; its updates, or products, per second."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        answer = self._answer()
        return float(answer["count"]) / float(answer["seconds"])

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            raise SystemExit(f"{self.errors.read_text()}\n{self.name} stopped with status {status}, see above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process and wait for it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def pin(threads: int) -> list[int]:
    """Keep this process, and with it all sides, to as many cores: some libraries use all that they may."""
    if not hasattr(os, "sched_setaffinity"):  # not on Linux: each side's own settings have to do
        return []
    cores = sorted(os.sched_getaffinity(0))[:threads]
    os.sched_setaffinity(0, cores)
    return cores


def commit(checkout: Path) -> str:
    """Which version of a peer a path holds."""
    if not (checkout / ".git").exists():  # or git would tell of a repository around it
        return "unknown"
    command = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def write_data(path: Path) -> None:
    """Random episodes in relocate's shapes; what the numbers are does not change how long an update takes."""
    rng = np.random.default_rng(0)
    rows = (EPISODES, STEPS)
    np.savez(
        path,
        obs=rng.standard_normal((*rows, OBS), dtype=np.float32),
        action=rng.uniform(-1, 1, (*rows, ACTION)).astype(np.float32),
        reward=-(rng.random(rows) < 0.9).astype(np.float32),
    )


def measure(group: Group, arguments: argparse.Namespace, data: Path) -> dict[str, Any]:
    """All rounds of a group, their medians, and what each side used."""
    print(f"\n{group.title}: starting {', '.join(side.name for side in group.sides)}", flush=True)
    rounds: list[Round] = []
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for side in group.sides:
            workers[side.name] = Worker(side, group, data, arguments.threads)
            stack.callback(workers[side.name].close)
            workers[side.name].per_second(BURN_IN_SECONDS)
        for n in range(arguments.rounds):
            rounds.append({name: worker.per_second(arguments.seconds) for name, worker in workers.items()})
            print(f"round {n + 1} of {arguments.rounds}: {show(rounds[-1])}", flush=True)
        gflop = gflop_per_seed(group, {name: w.gflop for name, w in workers.items() if w.gflop is not None})
        versions = {name: worker.versions for name, worker in workers.items()}
    sizes = {"obs": OBS, "action": ACTION, "hidden": group.hidden, "batch": group.batch, "rows": ROWS}
    return {
        "title": group.title,
        "sizes": sizes,
        "versions": versions,
        "medians": summary(group, rounds, gflop),
        "rounds": rounds,
    }


def machine(threads: int) -> dict[str, Any]:
    """What the figures depend on besides the code."""
    info = Path("/proc/cpuinfo")
    models = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return {
        "device": "cpu",
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }


def main() -> None:
    """Measure, print the tables, write the JSON."""
    arguments = parse(description=__doc__)
    facts = machine(arguments.threads)
    if facts["load_before"] > 0.5:
        print(f"other processes keep the machine busy (load {facts['load_before']:.1f}): trust the ratios only")
    facts["pinned_to"] = pin(arguments.threads)
    asked = groups(arguments)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "rows.npz"
        write_data(data)
        # scripts first: they may ask for other packages than those found, and nothing is lost yet
        measured = {group.key: measure(group, arguments, data) for group in reversed(asked)}
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": facts,
        "seconds_per_turn": arguments.seconds,
        "groups": measured,
    }
    print(f"\n{facts['cpu']}, {facts['cores']} cores, threads: {facts['threads']}")
    for group in asked:
        print(f"\n{table(group, measured[group.key]['medians'])}")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\nwritten: {arguments.out}")


if __name__ == "__main__":
    main()
