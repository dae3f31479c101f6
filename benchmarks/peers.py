"""Updates per second here and in other implementations, each group of sides at the same shapes, batch and threads.

    python benchmarks/peers.py [--peer-python VENV/bin/python] [--corl PATH] [--cleanrl PATH] [--leanrl PATH]
                               [--ours awac,sac,bc] [--seeds 1,3] [--threads 2] [--rounds 5] [--out FILE.json]

AWAC, and what else `--ours` names, at the sizes of AWAC's Table 2: this project, d3rlpy (AWAC, SAC, BC) and CORL
(AWAC). SAC with 2 x 256 networks and batch 256: this project, CleanRL, LeanRL. The environments and checkouts are
yours; README.md says how to set them up and what is compared.

The sides take turns, one at a time, so that whatever else slows the machine slows all: compare the ratios, which are
taken within a round. Beside them runs the matrix product an update is made of: the floor no update can beat.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from peer_worker import CHECKOUTS, D3RLPY, PACKAGES

from algos import get
from algos.settings import SettingError

HERE = Path(__file__).parent
OBS, ACTION = 39, 30  # relocate
EPISODES, STEPS = 500, 200
ROWS = EPISODES * (STEPS - 1)
BURN_IN_SECONDS = 2.0
SCRIPTS = ("cleanrl", "leanrl")  # the peers of SAC; run by the peers' Python, as d3rlpy is

Round = dict[str, float]  # side -> updates per second, counting one update of all packed seeds once


@dataclass(frozen=True)
class Side:
    """Who takes turns in a group."""

    name: str
    kind: str  # of peer_worker.SIDES
    python: str = sys.executable
    seeds: int = 1
    checkout: Path | None = None  # of a peer

    @property
    def peer(self) -> bool:
        return self.kind not in ("ours", "floor")


@dataclass(frozen=True)
class Group:
    """Sides that do the same work; the floor is the first of them."""

    key: str
    title: str
    algo: str  # what ours and the peers train
    hidden: tuple[int, ...]
    batch: int
    sides: tuple[Side, ...]
    act: bool = False  # whether ours, like its peers, chooses an action per update


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
        command += ["--act"] if group.act else []
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


def groups(arguments: argparse.Namespace) -> list[Group]:
    """What is to be measured; SAC at the scripts' sizes only where one of the scripts is given."""
    python = arguments.peer_python
    own = (Side("floor", "floor"), *(Side(f"ours-{n}", "ours", seeds=n) for n in arguments.seeds))
    out = []
    for algo in arguments.ours:
        sides = list(own)
        if arguments.d3rlpy and algo in D3RLPY:
            sides.append(Side("d3rlpy", "d3rlpy", python))
        if arguments.corl and algo == "awac":
            sides.append(Side("corl", "corl", checkout=arguments.corl))
        title = f"{algo.upper()}, Table 2: 4 x 256, batch 1024"
        out.append(Group(algo, title, algo, (256,) * 4, 1024, tuple(sides)))
    if scripts := [Side(name, name, python, checkout=path) for name in SCRIPTS if (path := getattr(arguments, name))]:
        title = "SAC, 2 x 256, batch 256"
        out.append(Group("sac-scripts", title, "sac", (256,) * 2, 256, (*own, *scripts), act=True))
    return out


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


def show(result: Round) -> str:
    """One round on one line."""
    return ", ".join(f"{name} {value:.1f}/s" for name, value in result.items())


def gflop_per_seed(group: Group, told: Mapping[str, float]) -> dict[str, float]:
    """Matrix-product work of a side's update of one seed; a peer's update is worth what ours needs for the same."""
    own = next(told[s.name] / s.seeds for s in group.sides if s.kind == "ours")
    return {s.name: own if s.peer else told[s.name] / s.seeds for s in group.sides}


def summary(group: Group, rounds: Sequence[Round], gflop: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Medians over the rounds; ratios and shares are taken within each round first."""
    floors = [r["floor"] * gflop["floor"] for r in rounds]  # GFLOP/s
    out = {"floor": {"gflop_per_s": statistics.median(floors)}}
    for side in group.sides[1:]:
        per_seed = [r[side.name] * side.seeds for r in rounds]
        shares = [v * gflop[side.name] / f for v, f in zip(per_seed, floors, strict=True)]
        out[side.name] = {
            "updates_per_s": statistics.median(r[side.name] for r in rounds),
            "updates_per_s_per_seed": statistics.median(per_seed),
            "gflop_per_update": gflop[side.name],
            "share_of_floor": statistics.median(shares),
        }
        for peer in (s.name for s in group.sides if s.peer):
            ratios = [v / r[peer] for v, r in zip(per_seed, rounds, strict=True)]
            out[side.name][f"times_{peer}"] = statistics.median(ratios)
    return out


# what the table shows of a side, and how; then come the ratios to each peer
COLUMNS = {
    "updates/s": ("updates_per_s", ".2f"),
    "x seeds": ("updates_per_s_per_seed", ".2f"),
    "GFLOP": ("gflop_per_update", ".2f"),
    "of floor": ("share_of_floor", ".0%"),
}


def table(group: Group, medians: Mapping[str, Mapping[str, float]]) -> str:
    """A line per side."""
    columns = COLUMNS | {f"x {s.name}": (f"times_{s.name}", ".2f") for s in group.sides if s.peer}
    lines = [f"{group.title}; floor: {medians['floor']['gflop_per_s']:.0f} GFLOP/s"]
    lines.append(f"{'':12}" + "".join(f"{name:>11}" for name in columns))
    for side in group.sides[1:]:
        row = medians[side.name]
        cells = [format(row[key], form) if key in row else "-" for key, form in columns.values()]
        lines.append(f"{side.name:12}" + "".join(f"{cell:>11}" for cell in cells))
    return "\n".join(lines)


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


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, checked; `d3rlpy` tells whether the peers' Python has it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", help="python of an environment with d3rlpy and what the scripts import")
    parser.add_argument("--corl", type=Path, help="checkout of CORL")
    parser.add_argument("--cleanrl", type=Path, help="checkout of CleanRL; needs --peer-python")
    parser.add_argument("--leanrl", type=Path, help="checkout of LeanRL; needs --peer-python")
    parser.add_argument("--ours", default="awac", help="algorithms to time at AWAC's sizes, comma-separated")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", default="1,3", help="how many seeds to pack, comma-separated")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0, help="each side's share of a round")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "peers.json")
    arguments = parser.parse_args(words)
    try:
        arguments.seeds = list(dict.fromkeys(int(n) for n in arguments.seeds.split(",")))
    except ValueError:
        parser.error(f"--seeds {arguments.seeds}: expected numbers like 1,3")
    if min(arguments.rounds, arguments.threads, *arguments.seeds) < 1 or arguments.seconds <= 0:
        parser.error("--rounds, --threads, --seeds and --seconds must be positive")
    try:
        arguments.ours = list(dict.fromkeys(arguments.ours.split(",")))
        for algo in arguments.ours:
            get(algo)
    except SettingError as error:
        parser.error(f"--ours: {error}")
    try:
        arguments.d3rlpy = check_peers(arguments)
    except ValueError as error:
        parser.error(str(error))
    return arguments


def check_peers(arguments: argparse.Namespace) -> bool:
    """Whether d3rlpy can be measured; raises `ValueError` where a peer that was asked for cannot."""
    python = arguments.peer_python
    given = {name: path for name in CHECKOUTS if (path := getattr(arguments, name))}
    if not given and python is None:
        raise ValueError("give at least one peer: --peer-python, --corl, --cleanrl or --leanrl")
    for name, path in given.items():
        if not (path / CHECKOUTS[name]).is_file():
            raise ValueError(f"--{name} {path}: no checkout, {CHECKOUTS[name]} is not there")
        if name in SCRIPTS and python is None:
            raise ValueError(f"--{name} needs --peer-python, an environment with what its script imports")
        if name in SCRIPTS and (problem := missing(python, PACKAGES[name])):
            raise ValueError(f"--{name}: {problem}; benchmarks/README.md says how to set it up")
    problem = missing(python, PACKAGES["d3rlpy"]) if python else "it needs --peer-python"
    if problem and not given:
        raise ValueError(f"{problem}; benchmarks/README.md says how to set it up")
    if problem:
        print(f"d3rlpy is left out: {problem}")
    return not problem


def missing(python: str, packages: Sequence[str]) -> str:
    """Why a Python cannot import these packages, in one line; empty if it can."""
    try:
        done = subprocess.run([python, "-c", f"import {', '.join(packages)}"], capture_output=True, text=True)
    except OSError as error:
        return f"{python} cannot be run: {error.strerror}"
    return f"{python}: {(done.stderr.strip() or 'failed').splitlines()[-1]}" if done.returncode else ""


def main() -> None:
    """Measure, print the tables, write the JSON."""
    arguments = parse()
    facts = machine(arguments.threads)
    if facts["load_before"] > 0.5:
        print(f"other processes keep the machine busy (load {facts['load_before']:.1f}): trust the ratios only")
    asked = groups(arguments)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "rows.npz"
        write_data(data)
        # scripts first: they may ask for other packages than those found, and nothing is lost yet
        measured = {group.key: measure(group, arguments, data) for group in reversed(asked)}
    result = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
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
