"""Checks of what this installation can do: each ok, warn or fail, with the command that fixes it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from disk.trouble import remedy
from suite.measure import own_packages

__all__ = ["Check", "examine"]

_ROOM = 2.0  # GB below which the folder one stands in is called full
_STORE = "set MINARI_DATASETS_PATH to a folder you can write"


@dataclass(frozen=True)
class Check:
    """One finding; `state` is ok | warn | fail."""

    name: str
    state: str
    found: str
    repair: str = ""


def examine() -> list[Check]:
    """Run all checks; each catches its own failure, so that one broken package does not hide the rest."""
    checks: dict[Callable[[], Check], tuple[str, ...]] = {  # with the distributions that it rests on
        _python: (),
        _packages: (),
        _torch: ("torch",),
        _cuda: ("torch",),
        _compiler: ("torch",),
        _statistics: ("rliable", "pandas", "scipy"),
        _simulator: ("mujoco", "gymnasium", "gymnasium-robotics"),
        _drawing: ("mujoco",),
        _minari: ("minari", "h5py"),
        _disk: (),
        _network: ("huggingface-hub",),
    }
    out = []
    for check, names in checks.items():
        try:
            out.append(check())
        except Exception as error:  # a broken package may raise anything
            found = f"{type(error).__name__}: {error}"
            out.append(Check(check.__name__.strip("_"), "fail", found, _repair(error, names)))
    return out


def _repair(error: Exception, names: Sequence[str]) -> str:
    """How to mend what raised an error: what is missing is installed, what is there and broken is installed anew."""
    if isinstance(error, ModuleNotFoundError | PackageNotFoundError) or not names:
        return own_packages.install()  # which brings all that it needs
    return own_packages.pip_install("--force-reinstall", "--no-deps", *names)


def _python() -> Check:
    new = sys.version_info >= (3, 11)
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Check("python", "ok" if new else "fail", found, "" if new else "make an environment with 3.11 or newer")


def _packages() -> Check:
    """Whether our packages are our own: their names are plain words, which other distributions and folders have too."""
    others, elsewhere, changed = own_packages.claimed(), own_packages.shadowed(), own_packages.written_over()
    by = sorted({name for names in others.values() for name in names})
    away, again = f"pip uninstall {' '.join(by)}", own_packages.reinstall()
    if elsewhere:
        found = "; ".join(f"package {name} is taken from {place}" for name, place in elsewhere.items())
        folder = "leave that folder, rename it, or take it off PYTHONPATH"
        return Check("packages", "fail", found, away if elsewhere.keys() <= others.keys() else folder)
    if changed:
        found = f"{', '.join(by) or 'something'} has written over {', '.join(changed[:3])}"
        return Check("packages", "fail", found, f"{away} && {again}" if others else again)
    if others:
        both = "; ".join(f"{', '.join(names)} installs a package {name} too" for name, names in others.items())
        return Check("packages", "fail", both, f"{away} && {again}")
    if (clone := own_packages.another_clone()) is not None:
        here = f"`bench` is what is installed in {own_packages.ROOT}, not the clone {clone}"
        return Check("packages", "warn", here, own_packages.install(clone=clone))
    return Check("packages", "ok", f"{', '.join(own_packages.OURS)} are this suite's own")


def _torch() -> Check:
    import torch

    x = torch.randn(2, 8, 8)
    found = f"{torch.__version__}, {torch.get_num_threads()} threads"
    if torch.isfinite(torch.bmm(x, x)).all():
        return Check("torch", "ok", found)
    return Check("torch", "fail", found, own_packages.pip_install("--force-reinstall", "--no-deps", "torch"))


def _cuda() -> Check:
    import torch

    if not torch.cuda.is_available():
        built, hidden = torch.version.cuda, os.environ.get("CUDA_VISIBLE_DEVICES")
        if built and hidden is not None:
            cure = f"unset CUDA_VISIBLE_DEVICES, which is {hidden!r}"
            return Check("cuda", "warn", "no CUDA device that may be seen: runs use the CPU", cure)
        cure = f"install or update its driver (torch is built for CUDA {built})" if built else "install torch for CUDA"
        return Check("cuda", "warn", "no CUDA device: runs use the CPU", f"if there is a GPU: {cure}")
    free, total = torch.cuda.mem_get_info()
    name = torch.cuda.get_device_name()
    return Check("cuda", "ok", f"{name}, {free / 1e9:.0f} of {total / 1e9:.0f} GB free, CUDA {torch.version.cuda}")


def _compiler() -> Check:
    from algos.learner.compiled import compiler

    found = compiler()
    if found is None:
        named = os.environ.get("CXX")
        install = "xcode-select --install" if sys.platform == "darwin" else "install g++"
        cure = f"unset CXX, which is {named}, or have it name a C++ compiler" if named else install
        return Check("compiler", "warn", "no C++ compiler: updates on the CPU take up to twice as long", cure)
    return Check("compiler", "ok", f"{found}, for the updates of long runs on the CPU")


def _statistics() -> Check:
    from rliable import metrics  # the part that reports use; its other part wants a pandas that fits its arch

    name = f"rliable {version('rliable')}, pandas {version('pandas')}"
    half = float(metrics.aggregate_iqm(np.array([[0.0], [0.5], [0.5], [1.0]])))
    if half == 0.5:
        return Check("statistics", "ok", name)
    return Check("statistics", "fail", name, own_packages.pip_install("--force-reinstall", "--no-deps", "rliable"))


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
            missing[str(error)] = own_packages.install(task.extra)
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
    from suite.policies.film import cure, way_of_drawing

    way = way_of_drawing()
    if way is None:
        return Check("drawing", "warn", "no OpenGL: `bench video` shows only tasks that draw themselves", cure())
    return Check("drawing", "ok", f"MuJoCo draws without a display through {way}")


def _minari() -> Check:
    from envs.data import minari_store
    from envs.errors import DatasetError

    try:
        root = minari_store.root()
    except DatasetError as error:  # there is no home
        return Check("datasets", "fail", str(error), _STORE)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        return Check("datasets", "fail", f"{root}: {error.strerror}", remedy(error, _STORE))
    return Check("datasets", "ok", f"minari {version('minari')}, {root}")


def _disk() -> Check:
    try:
        here = Path.cwd()
        free = shutil.disk_usage(here).free / 1e9
    except OSError as error:
        return Check("disk", "fail", f"the folder that you stand in: {error.strerror}", "go to another folder")
    if free > _ROOM:
        return Check("disk", "ok", f"{free:.1f} GB free in {here}")
    return Check(
        "disk", "warn", f"{free:.1f} GB free in {here}", f"make room there, {_ROOM:g} GB or more, or go elsewhere"
    )


def _network() -> Check:
    try:
        return Check("hub", "ok", f"huggingface_hub {version('huggingface_hub')}: remote datasets can be fetched")
    except PackageNotFoundError:
        return Check("hub", "warn", "remote Minari datasets cannot be fetched", own_packages.install("hub"))
