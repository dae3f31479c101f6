"""Device, threads, processes and package versions of a run: recorded, but no part of its hash."""

from __future__ import annotations

import ctypes
import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from algos.settings import SettingError
from envs.stepping.vector import default_workers

__all__ = ["Engine", "Hardware", "device_name", "prepare", "versions"]

_PACKAGES = ("awac-bench", "torch", "numpy", "gymnasium", "gymnasium-robotics", "mujoco", "minari")


@dataclass(frozen=True)
class Engine:
    """What a run is computed with. It keeps it to its end, or its numbers would change on the way."""

    device: torch.device
    threads: int
    compiled: bool

    def record(self) -> dict[str, Any]:
        """Entry of run.json."""
        name = device_name(self.device)
        return {"kind": self.device.type, "name": name, "threads": self.threads, "compiled": self.compiled}


@dataclass(frozen=True)
class Hardware:
    """The device, threads and processes that were asked for."""

    device: str = "auto"  # auto | cpu | cuda
    threads: int | None = None  # of torch; None: as OMP_NUM_THREADS says, or all cores
    workers: int | None = None  # environment processes; None: one per core, 0: none

    def torch_device(self) -> torch.device:
        """The device to train on; raises `SettingError` when CUDA is asked for and absent."""
        if self.device not in ("auto", "cpu", "cuda"):
            raise SettingError(f"--device {self.device}: choose auto, cpu or cuda")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise SettingError("--device cuda: torch sees no CUDA device; `bench doctor` says more")
        return torch.device("cuda" if self.device != "cpu" and torch.cuda.is_available() else "cpu")

    def gpus(self) -> list[str]:
        """The CUDA devices to choose from, as CUDA_VISIBLE_DEVICES names them; none where training is on the CPU."""
        if self.torch_device().type != "cuda":
            return []
        named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        return [name.strip() for name in named.split(",") if name.strip()] or [
            str(number) for number in range(torch.cuda.device_count())
        ]

    def thread_count(self, cores: int | None = None) -> int:
        """Threads of torch: as asked for, here or by OMP_NUM_THREADS, else one per core (of `cores`, or all here)."""
        return self.threads or _openmp_threads() or cores or default_workers()

    def worker_count(self, cores: int | None = None) -> int:
        """Environment processes: as asked for, else one per core (of `cores`, or all here); none on a single core."""
        if self.workers is not None:
            return self.workers
        cores = default_workers() if cores is None else cores
        return cores if cores > 1 else 0


def _openmp_threads() -> int | None:
    """Threads that OMP_NUM_THREADS asks for; None where it asks for none.

    It may be a list with one entry per level of nesting: the first counts.
    """
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) or None if first.isdecimal() else None


def prepare(threads: int, tf32: bool) -> None:
    """Set this process up for training."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    torch.backends.cuda.matmul.allow_tf32 = tf32
    _keep_freed_memory()
    _keep_compiled_code()


def _keep_compiled_code() -> None:
    """Have torch keep what it compiles where it outlives a restart; by itself it keeps it below /tmp."""
    with suppress(OSError, RuntimeError):  # no home, or none to write to: torch's own place
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "awac-bench" / "compiled"
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))


def _keep_freed_memory() -> None:
    """Have glibc keep large freed blocks: given back to the system, every update would fault them in anew."""
    trim_threshold, mmap_threshold = -1, -3  # of malloc.h
    with suppress(OSError, AttributeError):  # another C library: nothing to set
        libc = ctypes.CDLL(None)
        libc.mallopt(mmap_threshold, 1 << 30)
        libc.mallopt(trim_threshold, (1 << 31) - 1)


def versions() -> dict[str, str]:
    """Versions of the packages that decide results."""
    out = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            out[package] = version(package)
        except PackageNotFoundError:
            out[package] = "not installed"
    return out


def device_name(device: torch.device) -> str:
    """The GPU's name, or the processor's model where the system tells it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
