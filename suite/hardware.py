"""What a run computes on, and with which packages: recorded, but no part of what names it."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import torch

from algos.settings import SettingError
from envs.vector import default_workers

__all__ = ["Hardware", "device_name", "versions"]

_PACKAGES = ("awac-bench", "torch", "numpy", "gymnasium", "gymnasium-robotics", "mujoco", "minari")


@dataclass(frozen=True)
class Hardware:
    """The device, threads and processes that were asked for."""

    device: str = "auto"  # auto | cpu | cuda
    threads: int | None = None  # of torch; None: all cores
    workers: int | None = None  # environment processes; None: one per core, 0: none

    def torch_device(self) -> torch.device:
        """The device to train on; raises `SettingError` when CUDA is asked for and absent."""
        if self.device not in ("auto", "cpu", "cuda"):
            raise SettingError(f"--device {self.device}: auto, cpu or cuda")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise SettingError("--device cuda: torch sees no CUDA device; `bench doctor` says more")
        return torch.device("cuda" if self.device != "cpu" and torch.cuda.is_available() else "cpu")

    def worker_count(self) -> int:
        """Environment processes: the recorded choice, else one per core where there are several."""
        if self.workers is not None:
            return self.workers
        return cores if (cores := default_workers()) > 1 else 0


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
    """The GPU's name, or the processor's architecture."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
