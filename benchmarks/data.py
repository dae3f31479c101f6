"""How long a million transitions take to import and to load, and how much memory.

    python benchmarks/data.py [--steps 1000000] [--length 200] [--folder NEW] [--formats flat.npz ...]

Random transitions of the widths of relocate-binary (39 + 30 float32) are written, imported and loaded: `whole`
is the first load of a dataset, from its HDF5, `packed` every later one. Each measurement runs in a process of its
own. `data` is observations, actions and rewards as float32, once; memory is the peak above that of the bare process.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from envs import tasks
from envs.data import datasets, imports, minari_store, packed

TASK = tasks.get("relocate-binary")


def columns(steps: int, length: int) -> dict[str, Any]:
    """Random flat arrays under D4RL's names."""
    rng = np.random.default_rng(0)
    obs = rng.standard_normal((steps + 1, TASK.obs_dim), dtype=np.float32)
    timeouts = np.arange(steps) % length == length - 1
    return {
        "observations": obs[:-1],
        "next_observations": obs[1:],
        "timeouts": timeouts,
        "actions": rng.random((steps, TASK.action_dim), dtype=np.float32) * 2 - 1,
        "rewards": np.zeros(steps, np.float32),
        "terminals": np.zeros(steps, np.bool_),
    }


def paths(flat: dict[str, Any], length: int) -> list[dict[str, Any]]:
    """The same as path dictionaries."""
    names = [n for n in flat if n != "timeouts"]
    return [{n: flat[n][i : i + length] for n in names} for i in range(0, len(flat["actions"]), length)]


def write_hdf5(path: Path, flat: dict[str, Any], length: int) -> None:
    """D4RL's layout."""
    with h5py.File(path, "w") as file:
        for name, values in flat.items():
            file.create_dataset(name, data=values)


def write_gzip(path: Path, flat: dict[str, Any], length: int) -> None:
    """D4RL's layout, compressed as D4RL's own files are."""
    with h5py.File(path, "w") as file:
        for name, values in flat.items():
            file.create_dataset(name, data=values, compression="gzip", compression_opts=1)


def write_npz(path: Path, flat: dict[str, Any], length: int) -> None:
    """Uncompressed npz."""
    np.savez(path, **flat)


def write_npy(path: Path, flat: dict[str, Any], length: int) -> None:
    """AWAC's layout."""
    np.save(path, np.array(paths(flat, length), object), allow_pickle=True)


def write_pickle(path: Path, flat: dict[str, Any], length: int) -> None:
    """DAPG's layout."""
    made = [{k: v for k, v in p.items() if k in ("observations", "actions", "rewards")} for p in paths(flat, length)]
    path.write_bytes(pickle.dumps(made, 4))


WRITERS: dict[str, Callable[[Path, dict[str, Any], int], None]] = {
    "d4rl.hdf5": write_hdf5,
    "d4rl-gzip.hdf5": write_gzip,
    "flat.npz": write_npz,
    "awac.npy": write_npy,
    "dapg.pickle": write_pickle,
}


def measure(what: str, argument: str) -> dict[str, float]:
    """What `--only` runs in a process of its own."""
    bare, wall, cpu = memory("VmRSS"), time.perf_counter(), time.process_time()
    if what == "import":
        imports.import_data(TASK, argument)
    else:
        datasets.load(TASK, argument)
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak": memory("VmHWM") - bare,
    }


def memory(field: str) -> float:
    """Resident memory of this process in bytes. Not by getrusage, which begins at the parent's peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * float(next(line.split()[1] for line in lines if line.startswith(field)))


def apart(what: str, argument: str) -> dict[str, float]:
    """`measure` in a new process."""
    command = [sys.executable, __file__, "--only", what, argument]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    found: dict[str, float] = json.loads(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout
    )
    return found


def main() -> None:
    """Print one line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--length", type=int, default=200, help="of an episode")
    parser.add_argument("--folder", type=Path, help="a new one, written to and deleted; default: a temporary one")
    parser.add_argument("--formats", nargs="*", default=list(WRITERS), choices=list(WRITERS))
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(measure(*arguments.only)))
        return
    folder = arguments.folder or Path(tempfile.gettempdir()) / f"bench-data-{os.getpid()}"
    folder.mkdir(parents=True)
    os.environ["MINARI_DATASETS_PATH"] = str(folder / "store")
    data = arguments.steps * (TASK.obs_dim + TASK.action_dim + 1) * 4
    print(f"{arguments.steps:,} steps in episodes of {arguments.length}, data {data / 1e6:.0f} MB")
    print(f"{'':26}{'file':>9}{'CPU':>8}{'wall':>8}{'peak':>9}{'peak':>8}{'load':>7}")
    print(f"{'':26}{'MB':>9}{'s':>8}{'s':>8}{'MB':>9}{'data':>8}{'avg':>7}")
    try:
        for name in arguments.formats:
            path = folder / name
            WRITERS[name](path, columns(arguments.steps, arguments.length), arguments.length)
            line(f"import {name}", path.stat().st_size, apart("import", str(path)), data)
            path.unlink()
            stored = imports.default_id(TASK, str(path))
            if name == "d4rl.hdf5":
                line("load packed", 0, apart("load", stored), data)
                shutil.rmtree(minari_store.folder(stored) / packed.FOLDER, ignore_errors=True)
                line("load whole", 0, apart("load", stored), data)
            shutil.rmtree(minari_store.folder(stored))
    finally:
        shutil.rmtree(folder)


def line(what: str, size: int, found: dict[str, float], data: int) -> None:
    """One row of the table."""
    print(
        f"{what:26}{size / 1e6:9.0f}{found['cpu']:8.1f}{found['wall']:8.1f}{found['peak'] / 1e6:9.0f}"
        f"{found['peak'] / data:8.1f}{os.getloadavg()[0]:7.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
