"""Updates per second of AWAC here and in d3rlpy, at the sizes of AWAC's Table 2 on relocate's shapes.

    python benchmarks/peers.py --peer-python VENV/bin/python [--rounds 5] [--seeds 1,3] [--threads 2] [--out FILE.json]

Both sides draw each batch from their own replay of the same synthetic rows and make one critic and one policy step.
The sides take turns, one at a time, so that whatever else slows the machine slows both: compare the ratios, which are
taken within a round. Beside them runs the matrix product an update is made of: the floor no update can beat.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from peer_worker import BATCH, HIDDEN

HERE = Path(__file__).parent
OBS, ACTION = 39, 30  # relocate
EPISODES, STEPS = 500, 200
BURN_IN_SECONDS = 2.0

Round = dict[str, float]  # side -> updates per second, counting one update of all packed seeds once


class Worker:
    """A side in a process of its own, idle between its turns."""

    def __init__(self, name: str, python: str, side: str, data: Path, seeds: int, threads: int) -> None:
        self.name = name
        command = [
            python,
            str(HERE / "peer_worker.py"),
            side,
            str(data),
            "--seeds",
            str(seeds),
            "--threads",
            str(threads),
        ]
        environ = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        self.errors = data.with_name(f"{name}.log")
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environ
            )
        self.versions: dict[str, str] = self._answer()

    def per_second(self, seconds: float) -> float:
        """Let the side work for so long; how often it did its piece of work per second."""
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


def gflop_per_update() -> float:
    """Matrix-product work of one AWAC update of one seed when nothing is computed twice: 14 network passes.

    Policy: at s and s', and the gradient with its two products per layer. Each of two critics: target at s', at the
    data's and at the policy's actions, and the gradient. The gradient stops at the first layer's inputs.
    """

    def products(inputs: int, outputs: int) -> tuple[int, int]:
        sizes = [i * o for i, o in itertools.pairwise((inputs, *HIDDEN, outputs))]
        return sum(sizes), sizes[0]

    policy, policy_first = products(OBS, ACTION)
    critic, critic_first = products(OBS + ACTION, 1)
    multiply_adds = (4 * policy - policy_first) + 2 * (5 * critic - critic_first)
    return 2 * BATCH * multiply_adds / 1e9


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


def measure(arguments: argparse.Namespace, folder: Path) -> tuple[list[Round], dict[str, dict[str, str]]]:
    """All rounds, and the versions each side used."""
    data = folder / "rows.npz"
    write_data(data)
    here, peer = sys.executable, arguments.peer_python
    sides = [("floor", here, "floor", 1), *((f"ours-{n}", here, "ours", n) for n in arguments.seeds)]
    sides.append(("d3rlpy", peer, "d3rlpy", 1))
    rounds: list[Round] = []
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for name, python, side, seeds in sides:
            workers[name] = Worker(name, python, side, data, seeds, arguments.threads)
            stack.callback(workers[name].close)
            workers[name].per_second(BURN_IN_SECONDS)
        for n in range(arguments.rounds):
            rounds.append({name: worker.per_second(arguments.seconds) for name, worker in workers.items()})
            print(f"round {n + 1} of {arguments.rounds}: {show(rounds[-1])}", flush=True)
        return rounds, {name: worker.versions for name, worker in workers.items()}


def show(result: Round) -> str:
    """One round on one line."""
    return ", ".join(f"{name} {value:.1f}/s" for name, value in result.items())


def summary(rounds: Sequence[Round], packs: Sequence[int]) -> dict[str, dict[str, float]]:
    """Medians over the rounds; ratios and shares are taken within each round first."""
    product = 2 * 2 * BATCH * HIDDEN[0] * HIDDEN[1] / 1e9  # GFLOP of one product of the floor
    floors = [r["floor"] * product / gflop_per_update() for r in rounds]  # single-seed updates per second
    out = {"floor": {"gflop_per_s": statistics.median(r["floor"] for r in rounds) * product}}
    for name, seeds in [*((f"ours-{n}", n) for n in packs), ("d3rlpy", 1)]:
        rates = [r[name] for r in rounds]
        out[name] = {
            "updates_per_s": statistics.median(rates),
            "updates_per_s_per_seed": statistics.median(rates) * seeds,
            "share_of_floor": statistics.median(v * seeds / f for v, f in zip(rates, floors, strict=True)),
            "times_d3rlpy": statistics.median(r[name] * seeds / r["d3rlpy"] for r in rounds),
        }
    return out


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


def parse() -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", required=True, help="python of an environment with d3rlpy (README.md)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", default="1,3", help="how many seeds to pack, comma-separated")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0, help="each side's share of a round")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "peers.json")
    arguments = parser.parse_args()
    try:
        arguments.seeds = [int(n) for n in arguments.seeds.split(",")]
    except ValueError:
        parser.error(f"--seeds {arguments.seeds}: expected numbers like 1,3")
    if min(arguments.rounds, arguments.threads, *arguments.seeds) < 1 or arguments.seconds <= 0:
        parser.error("--rounds, --threads, --seeds and --seconds must be positive")
    try:
        subprocess.run([arguments.peer_python, "-c", "import d3rlpy"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        parser.error(f"{arguments.peer_python} cannot import d3rlpy; benchmarks/README.md says how to set it up")
    return arguments


def main() -> None:
    """Measure, print the table, write the JSON."""
    arguments = parse()
    facts = machine(arguments.threads)
    if facts["load_before"] > 0.5:
        print(f"other processes keep the machine busy (load {facts['load_before']:.1f}): trust the ratios only")
    with tempfile.TemporaryDirectory() as folder:
        rounds, versions = measure(arguments, Path(folder))
    medians = summary(rounds, arguments.seeds)
    gflop = gflop_per_update()
    result = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": facts,
        "versions": versions,
        "sizes": {"obs": OBS, "action": ACTION, "hidden": HIDDEN, "batch": BATCH, "rows": EPISODES * (STEPS - 1)},
        "gflop_per_update": gflop,
        "seconds_per_turn": arguments.seconds,
        "medians": medians,
        "rounds": rounds,
    }
    print(f"\n{facts['cpu']}, {facts['cores']} cores, threads: {facts['threads']}; versions {versions}")
    print(f"one update: {gflop:.2f} GFLOP; floor: {medians['floor']['gflop_per_s']:.0f} GFLOP/s\n")
    print(f"{'':10}{'updates/s':>12}{'x seeds':>10}{'of floor':>10}{'x d3rlpy':>10}")
    for name, row in medians.items():
        if name != "floor":
            rate, per_seed, share, times = row.values()
            print(f"{name:10}{rate:12.2f}{per_seed:10.2f}{share:10.0%}{times:10.2f}")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\nwritten: {arguments.out}")


if __name__ == "__main__":
    main()
