"""Packages of other people with our names: found by `bench doctor`, and in the way of no process that is started."""

from __future__ import annotations

import subprocess
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from suite.launch.data import BENCH
from suite.measure import doctor, own_packages


def stranger(folder: Path, name: str) -> None:
    """A package of that name which cannot be imported."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text("raise ImportError('not yours')")


@pytest.mark.parametrize("name", own_packages.OURS)
def test_a_folder_of_the_users_own_is_not_taken_for_a_package(name: str, tmp_path: Path) -> None:
    stranger(tmp_path, name)
    done = subprocess.run([*BENCH, "new", "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_all_is_well_here() -> None:
    assert own_packages.shadowed() == {}
    assert doctor._packages().state == "ok"


def test_a_shadowed_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger(tmp_path, "benchmark_of_ours")
    monkeypatch.syspath_prepend(str(tmp_path))
    name = "benchmark_of_ours"
    assert own_packages.shadowed([name]) == {name: str(tmp_path / name / "__init__.py")}
    monkeypatch.setattr(own_packages, "shadowed", lambda: {"envs": "/x/envs/__init__.py"})
    check = doctor._packages()
    assert (check.state, check.found) == ("fail", "package envs is taken from /x/envs/__init__.py")
    assert check.repair


def installed(folder: Path, name: str, text: str) -> PathDistribution:
    """A distribution with one file, envs/task.py, as an installer leaves it."""
    (folder / "envs").mkdir(exist_ok=True)
    file, info = folder / "envs" / "task.py", folder / f"{name}-1.0.dist-info"
    file.write_text(text)
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text(f"envs/task.py,sha256={own_packages._digest(file)},{len(text)}\n")
    return PathDistribution(info)


def test_a_distribution_that_wrote_over_ours_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = installed(tmp_path, "awac_bench", "ours")
    assert own_packages.written_over(ours) == []
    installed(tmp_path, "envs", "theirs")
    assert own_packages.written_over(ours) == ["envs/task.py"]
    monkeypatch.syspath_prepend(str(tmp_path))
    assert own_packages.claimed() == {"envs": ["envs"]}
    monkeypatch.setattr(own_packages, "distribution", lambda name: ours)
    check = doctor._packages()
    assert (check.state, check.found) == ("fail", "envs has written over envs/task.py")
    assert check.repair == "pip uninstall envs, and install awac-bench again"
