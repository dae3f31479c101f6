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
    pins = Path(__file__).parents[3] / "constraints.txt"
    assert check.repair == (f"pip uninstall envs && pip install -c {pins} --force-reinstall --no-deps awac-bench"), (
        "pip would leave alone what it thinks is there"
    )


@pytest.mark.parametrize(
    ("origin", "named"),
    [
        ('{"url": "file:///a/clone", "dir_info": {"editable": true}}', "-e /a/clone"),
        ('{"url": "file:///a/my%20clone", "dir_info": {}}', "'/a/my clone'"),
        ('{"url": "https://example.org/x.whl"}', "'awac-bench @ https://example.org/x.whl'"),
        (None, "awac-bench"),
        ("{", "awac-bench"),
    ],
)
def test_we_are_installed_again_from_where_we_came(origin: str | None, named: str, tmp_path: Path) -> None:
    ours = installed(tmp_path, "awac_bench", "ours")
    if origin is not None:
        (tmp_path / "awac_bench-1.0.dist-info" / "direct_url.json").write_text(origin)
    assert own_packages.reinstall(ours).endswith(f" --force-reinstall --no-deps {named}")


def test_a_package_that_a_distribution_shadows_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As beside a clone, whose folder stands last: its package is found first, and no folder can be left."""
    monkeypatch.setattr(own_packages, "shadowed", lambda: {"envs": "/x/site-packages/envs/__init__.py"})
    monkeypatch.setattr(own_packages, "claimed", lambda: {"envs": ["their-envs"]})
    assert doctor._packages().repair == "pip uninstall their-envs"
    monkeypatch.setattr(own_packages, "claimed", dict)
    assert "PYTHONPATH" in doctor._packages().repair


def test_a_clone_that_is_not_what_runs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a wheel was installed, perhaps long ago, and one stands in a newer clone."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "awac-bench"\n')
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path / "docs")
    check = doctor._packages()
    assert check.state == "warn"
    assert check.found.endswith(f"not the clone {tmp_path}")
    assert check.repair == f"pip install -e {tmp_path}"
    (tmp_path / "constraints.txt").touch()
    assert doctor._packages().repair == f"pip install -c {tmp_path / 'constraints.txt'} -e {tmp_path}"
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'another'\n")
    assert doctor._packages().state == "ok"
    (tmp_path / "pyproject.toml").write_text("[")
    assert doctor._packages().state == "ok"


def test_what_is_missing_in_a_clone_is_installed_from_it() -> None:
    """An index may not have us, and pip leaves alone what is installed: an older wheel, which needed less."""
    root = Path(__file__).parents[3]
    assert own_packages.install().endswith(f" -e {root}")
    assert own_packages.install("hub").endswith(f" -e '{root}[hub]'")
    assert doctor._repair(ModuleNotFoundError("minari"), ["minari"]) == own_packages.install()
