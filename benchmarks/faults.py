"""Spoil files, flip bits, kill writers and nodes, and count what goes wrong: tracebacks, silent resumes, losses.

    python benchmarks/faults.py [--files 300] [--flips 1000] [--kills 200] [--losses 6] [--seed 0]
                                [--only readers,flips,kills,clusters]

Prints the tables of `benchmarks/results/faults.md`; exit status 1 where one of their last columns is not 0. A whole run
that is killed and resumed is `benchmarks/kill.py`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from faults_on_clusters import clusters

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]


def readers(folder: Path, seed: int, files: int) -> Iterator[Sequence[object]]:
    """One row per reader: files tried, read, refused in a line, tracebacks."""
    import gymnasium
    from readers import READERS

    os.environ["MINARI_DATASETS_PATH"] = str(folder / "minari")
    gymnasium.register("toy-binary-v0", entry_point="toy_data:ToyEnv", max_episode_steps=6)
    for name, reader in READERS.items():
        place, counts = folder / name.replace(" ", "-"), Counter[str]()
        place.mkdir()
        for error in reader.attempts(place, seed, files):
            plain = isinstance(error, reader.errors) and "\n" not in str(error)
            counts["read" if error is None else "refused" if plain else "traceback"] += 1
        yield name, counts.total(), counts["read"], counts["refused"], counts["traceback"]


def flips(folder: Path, seed: int, count: int) -> Iterator[Sequence[object]]:
    """One row per file that a resume relies on: bits flipped, what was resumed from, resumes from anything else."""
    from suite.record.rows import RecordError
    from suite.record.writer import RunWriter
    from suite.train.checkpoint import Checkpoints

    rng = np.random.default_rng(seed)
    written = checkpoint(RunWriter(folder / "run"), Checkpoints(folder / "run" / "checkpoint"), rng)
    files = [*sorted((folder / "run" / "checkpoint").iterdir()), folder / "run" / "metrics.csv"]
    for path in files:
        sound, counts = path.read_bytes(), Counter[str]()
        for bit in rng.integers(0, 8 * len(sound), count // len(files)).tolist():
            spoiled = bytearray(sound)
            spoiled[bit // 8] ^= 1 << bit % 8
            path.write_bytes(spoiled)
            try:
                number, state = Checkpoints(folder / "run" / "checkpoint").load() or (0, {})
                same = state.get("mark") == written.get(number)
                counts["silent" if not same else "newest" if number == max(written) else "before"] += 1
            except RecordError:
                counts["refused"] += 1
        path.write_bytes(sound)
        yield path.name, counts.total(), counts["newest"], counts["before"], counts["refused"], counts["silent"]


def checkpoint(writer: Any, checkpoints: Any, rng: np.random.Generator) -> dict[int, int]:
    """Two states of a run with a chunk each; number of the state -> what it holds."""
    import torch

    from suite.record.rows import Row

    writer.create({"algo": "awac", "task": "x", "seeds": [0]})
    out = {}
    for number in (1, 2):
        writer.append([Row(0, "online", number, number, "success", 0.5)])
        checkpoints.write_chunk(number - 1, rng.standard_normal((2, 50, 20)).astype(np.float32))
        learner = {"w": torch.from_numpy(rng.standard_normal(5000)), "n": number}
        checkpoints.save(number, {"learner": learner, "chunks": number, "mark": 10 * number}, writer.extent)
        out[number] = 10 * number
    return out


def kills(folder: Path, seed: int, count: int) -> Iterator[Sequence[object]]:
    """One row per kind of writer: kills at random calls to the system, old and new found whole, losses, leftovers."""
    from dying import killed_at

    from disk import replace

    names = ("mkdir", "rename", "replace", "fsync", "unlink", "rmdir", "open", "scandir")
    calls = [*((os, name) for name in names), (Path, "write_text")]
    rng = np.random.default_rng(seed)
    for what, write in (
        ("file", _write_file),
        ("folder", _write_folder),
        ("folder, one after the other", _write_folder),
    ):
        exchange = replace._exchanged
        if "after" in what:
            replace._exchanged = lambda one, other: False
        counts = Counter[str]()
        for number in range(count // 3):
            place = folder / f"{what}-{number}" / "report"
            place.parent.mkdir()
            write(place, "old")
            counts["kills"] += killed_at(int(rng.integers(1, 14)), write, place, calls)
            replace.settle(place)
            held = {p.read_text() for p in ([place] if place.is_file() else place.glob("*"))}
            counts["whole" if held in ({"old"}, {"new"}) else "lost"] += 1
            write(place, "again")
            counts["left"] += len(list(place.parent.iterdir())) - 1
        replace._exchanged = exchange
        yield what, counts["kills"], counts["whole"], counts["left"], counts["lost"]


def _write_file(place: Path, text: str) -> None:
    from disk.replace import replacing

    with replacing(place) as new:
        new.write_text(text)


def _write_folder(place: Path, text: str) -> None:
    from disk.replace import replacing_folder

    with replacing_folder(place) as new:
        for name in "ab":
            (new / name).write_text(text)


TABLES: dict[str, tuple[Callable[..., Iterator[Sequence[object]]], str, tuple[str, ...]]] = {
    "readers": (readers, "files", ("reader", "files", "read", "refused in a line", "tracebacks")),
    "flips": (flips, "flips", ("file", "bits flipped", "newest state", "the one before", "refused", "silent resumes")),
    "kills": (kills, "kills", ("writer", "kills", "old or new, whole", "left behind", "lost")),
    "clusters": (
        clusters,
        "losses",
        ("cluster", "cells", "jobs preempted", "nodes killed", "finished, the same bytes", "lost"),
    ),
}


def main() -> None:
    """Print a table per kind of fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=300, help="spoiled files per reader")
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--losses", type=int, default=6, help="jobs preempted, and nodes killed: minutes each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=",".join(TABLES))
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    wrong, root = 0, Path(tempfile.mkdtemp(prefix="bench-faults-"))
    for name in given.only.split(","):
        table, option, columns = TABLES[name]
        (root / name).mkdir()
        print(f"\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)
        for row in table(root / name, given.seed, getattr(given, option)):
            print(f"| {' | '.join(map(str, row))} |", flush=True)
            wrong += int(str(row[-1]))
    shutil.rmtree(root)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
