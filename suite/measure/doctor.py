"""Checks of what this installation can do: each ok, warn or fail, with the command that fixes it."""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from suite.measure import own_packages

__all__ = ["Check", "examine"]

_REPAIR = "pip install -c constraints.txt awac-bench"


@dataclass(frozen=True)
class Check:
    """One finding; `state` is ok | warn | fail."""

    name: str
    state: str
    found: str
    repair: str = ""


def examine() -> list[Check]:
    """Run all checks; each catches its own failure, so that one broken package does not hide the rest."""
    checks: tuple[Callable[[], Check], ...] = (
        _python,
        _packages,
        _torch,
        _cuda,
        _compiler,
        _statistics,
        _simulator,
        _drawing,
        _minari,
        _disk,
        _network,
    )
    out = []
    for check in checks:
        try:
            out.append(check())
        except Exception as error:  # a broken package may raise anything
            out.append(Check(check.__name__.strip("_"), "fail", f"{type(error).__name__}: {error}", _REPAIR))
    return out


def _python() -> Check:
    new = sys.version_info >= (3, 11)
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Check("python", "ok" if new else "fail", found, "" if new else "install Python 3.11 or newer")


def _packages() -> Check:
    """Whether our packages are our own: their names are plain words, which other distributions and folders have too."""
    others, elsewhere, changed = own_packages.claimed(), own_packages.shadowed(), own_packages.written_over()
    again = "and install awac-bench again"
    if elsewhere:
        found = "; ".join(f"package {name} is taken from {place}" for name, place in elsewhere.items())
        return Check("packages", "fail", found, "leave that folder, rename it, or take it off PYTHONPATH")
    if changed:
        by = sorted({name for names in others.values() for name in names}) or ["something"]
        found = f"{', '.join(by)} has written over {', '.join(changed[:3])}"
        return Check("packages", "fail", found, f"pip uninstall {' '.join(by)}, {again}" if others else again[4:])
    if others:
        both = "; ".join(f"{', '.join(names)} installs a package {name} too" for name, names in others.items())
        names = sorted({name for names in others.values() for name in names})
        return Check("packages", "fail", both, f"pip uninstall {' '.join(names)}, {again}")
    return Check("packages", "ok", f"{', '.join(own_packages.OURS)} are this suite's own")


def _torch() -> Check:
    import torch

    x = torch.randn(2, 8, 8)
    state = "ok" if torch.isfinite(torch.bmm(x, x)).all() else "fail"
    return Check("torch", state, f"{torch.__version__}, {torch.get_num_threads()} threads")


def _cuda() -> Check:
    import torch

    if not torch.cuda.is_available():
        return Check(
            "cuda", "warn", "no CUDA device: runs use the CPU", "install a CUDA build of torch if there is a GPU"
        )
    free, total = torch.cuda.mem_get_info()
    name = torch.cuda.get_device_name()
    return Check("cuda", "ok", f"{name}, {free / 1e9:.0f} of {total / 1e9:.0f} GB free, CUDA {torch.version.cuda}")


def _compiler() -> Check:
    from algos.learner.compiled import compiler

    found = compiler()
    if found is None:
        return Check("compiler", "warn", "no C++ compiler: updates on the CPU take up to twice as long", "install g++")
    return Check("compiler", "ok", f"{found}, for the updates of long runs on the CPU")


def _statistics() -> Check:
    from rliable import metrics  # the part that reports use; its other part wants a pandas that fits its arch

    name = f"rliable {version('rliable')}, pandas {version('pandas')}"
    half = float(metrics.aggregate_iqm(np.array([[0.0], [0.5], [0.5], [1.0]])))
    return Check("statistics", "ok" if half == 0.5 else "fail", name, "" if half == 0.5 else _REPAIR)


def _simulator() -> Check:
    import gymnasium

    import envs  # noqa: F401 - registers the tasks
    from envs.errors import SimulatorError
    from envs.tasks import TASKS

    missing: dict[str, str] = {}  # message -> what installs it
    done = 0
    for task in TASKS.values():
        try:
            task.check_simulator()
        except SimulatorError as error:
            missing[str(error)] = f"pip install 'awac-bench[{task.extra}]'" if task.extra else _REPAIR
            continue
        env = gymnasium.make(task.id)
        env.reset(seed=0)
        env.step(env.action_space.sample())
        env.close()
        done += 1
    found = f"mujoco {version('mujoco')}: {done} tasks reset and step"
    if missing:
        return Check("simulator", "warn", "; ".join((found, *missing)), " and ".join(dict.fromkeys(missing.values())))
    return Check("simulator", "ok", found)


def _drawing() -> Check:
    from suite.policies.film import REPAIR, way_of_drawing

    way = way_of_drawing()
    if way is None:
        return Check("drawing", "warn", "no OpenGL: `bench video` shows only tasks that draw themselves", REPAIR)
    return Check("drawing", "ok", f"MuJoCo draws without a display through {way}")


def _minari() -> Check:
    from envs.data import minari_store

    root = minari_store.root()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        return Check(
            "datasets", "fail", f"{root}: {error.strerror}", "set MINARI_DATASETS_PATH to a folder you can write"
        )
    return Check("datasets", "ok", f"minari {version('minari')}, {root}")


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    return Check(
        "disk", "ok" if free > 2 else "warn", f"{free:.1f} GB free in {Path.cwd()}", "" if free > 2 else "free some"
    )


def _network() -> Check:
    try:
        return Check("hub", "ok", f"huggingface_hub {version('huggingface_hub')}: remote datasets can be fetched")
    except PackageNotFoundError:
        return Check("hub", "warn", "remote Minari datasets cannot be fetched", "pip install 'awac-bench[hub]'")
