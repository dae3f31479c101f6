"""Who is measured beside whom by `peers.py`: its command line, checked, and the groups of sides that come of it."""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from peer_job import CHECKOUTS, D3RLPY, PACKAGES

from algos import get
from algos.learner.compiled import compiler
from algos.settings import SettingError

PYTHONS = {"cleanrl": "peer", "leanrl": "peer", "torchrl": "torchrl", "jax-corl": "jax"}  # whose option tells it
SAC_SCRIPTS = ("cleanrl", "leanrl", "torchrl")
SMALL = {"AWAC, 2 x 128, batch 256": ((128, 128), 256), "AWAC, 2 x 256, batch 128": ((256, 256), 128)}
UPDATES = ("compiled", "eager")


@dataclass(frozen=True)
class Side:
    """Who takes turns in a group."""

    name: str
    kind: str  # a name in PACKAGES
    python: str = sys.executable
    seeds: int = 1
    eager: bool = False  # of ours
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


def groups(arguments: argparse.Namespace) -> list[Group]:
    """What is to be measured; the sizes of a checkout only where it is given."""
    own = [Side("floor", "floor")]
    for seeds, kind in itertools.product(arguments.seeds, arguments.updates):
        eager = kind == "eager"
        own.append(Side(f"ours-{seeds}-eager" if eager else f"ours-{seeds}", "ours", seeds=seeds, eager=eager))
    out = []
    for algo in arguments.ours:
        sides = list(own)
        if arguments.d3rlpy and algo in D3RLPY:
            sides.append(Side("d3rlpy", "d3rlpy", arguments.peer_python))
        if algo == "awac":
            sides += _peers(arguments, "corl")
        title = f"{algo.upper()}, Table 2: 4 x 256, batch 1024"
        out.append(Group(algo, title, algo, (256,) * 4, 1024, tuple(sides)))
    if peers := _peers(arguments, "jax-corl"):
        for title, (hidden, batch) in SMALL.items():
            key = f"awac-{len(hidden)}x{hidden[0]}"
            out.append(Group(key, title, "awac", hidden, batch, (*own, *peers)))
    if peers := _peers(arguments, *SAC_SCRIPTS):
        title = "SAC, 2 x 256, batch 256"
        out.append(Group("sac-scripts", title, "sac", (256,) * 2, 256, (*own, *peers), act=True))
    return out


def _peers(arguments: argparse.Namespace, *names: str) -> list[Side]:
    """Those of these peers whose checkout is given."""
    given = {name: path for name in names if (path := checkout(arguments, name))}
    return [
        Side(name, name, python_for(arguments, name) or sys.executable, checkout=path) for name, path in given.items()
    ]


def checkout(arguments: argparse.Namespace, name: str) -> Path | None:
    """Path of a peer's checkout, where the command line has it."""
    path: Path | None = getattr(arguments, name.replace("-", "_"))
    return path


def python_for(arguments: argparse.Namespace, name: str) -> str | None:
    """Python that a peer's own packages are in; None for ours, or where the command line lacks it."""
    python: str | None = getattr(arguments, f"{PYTHONS[name]}_python") if name in PYTHONS else None
    return python


def parse(words: Sequence[str] | None = None, description: str | None = None) -> argparse.Namespace:
    """The command line, checked; `d3rlpy` tells whether the peers' Python has it."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", help="python of an environment with d3rlpy and what the scripts import")
    parser.add_argument("--corl", type=Path, help="checkout of CORL")
    parser.add_argument("--cleanrl", type=Path, help="checkout of CleanRL; needs --peer-python")
    parser.add_argument("--leanrl", type=Path, help="checkout of LeanRL; needs --peer-python")
    parser.add_argument("--torchrl", type=Path, help="checkout of TorchRL; needs --torchrl-python")
    parser.add_argument("--torchrl-python", help="python of an environment with torchrl; LeanRL needs an older one")
    parser.add_argument("--jax-corl", type=Path, help="checkout of JAX-CORL; needs --jax-python")
    parser.add_argument("--jax-python", help="python of an environment with jax and what JAX-CORL's AWAC imports")
    parser.add_argument("--ours", default="awac", help="algorithms to time at AWAC's sizes, comma-separated")
    parser.add_argument("--updates", default="compiled", help="how ours makes them: compiled, eager, or both")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", default="1,3", help="how many seeds to pack, comma-separated")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0, help="each side's share of a round")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "peers.json")
    arguments = parser.parse_args(words)
    try:
        arguments.seeds = list(dict.fromkeys(int(n) for n in arguments.seeds.split(",")))
    except ValueError:
        parser.error(f"--seeds {arguments.seeds}: expected numbers like 1,3")
    if min(arguments.rounds, arguments.threads, *arguments.seeds) < 1 or arguments.seconds <= 0:
        parser.error("--rounds, --threads, --seeds and --seconds must be positive")
    arguments.updates = list(dict.fromkeys(arguments.updates.split(",")))
    if unknown := [word for word in arguments.updates if word not in UPDATES]:
        parser.error(f"--updates: {unknown[0]!r} is none of {', '.join(UPDATES)}")
    if "compiled" in arguments.updates and compiler() is None:
        parser.error("--updates compiled needs a C++ compiler, and none is found; --updates eager does without")
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
    given = {name: path for name in CHECKOUTS if (path := checkout(arguments, name))}
    if not given and python is None:
        raise ValueError("give at least one peer: --peer-python, or a checkout such as --corl; --help lists them")
    for name, path in given.items():
        if not (path / CHECKOUTS[name]).is_file():
            raise ValueError(f"--{name} {path}: no checkout, {CHECKOUTS[name]} is not there")
        if name not in PYTHONS:
            continue
        own = python_for(arguments, name)
        if own is None:
            raise ValueError(f"--{name} needs --{PYTHONS[name]}-python, an environment with what its script imports")
        if problem := missing(own, PACKAGES[name]):
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
