"""The package as others install it: from the wheel, beside the newest versions that resolve and the oldest declared."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import pytest
from house import PACKAGES, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
QUIET = ("-q", "--disable-pip-version-check", "--no-input")


def lowest(requirements: Sequence[str]) -> list[str]:
    """The oldest release that each requirement allows, with its patches: those may mend what was broken."""
    out = []
    for requirement in requirements:
        name, least = re.fullmatch(r"([\w\-]+)(?:\[[\w,]+\])?>=([\d.]+)", requirement.strip()).groups()
        parts = least.split(".")
        out.append(f"{name}=={least}" if len(parts) > 2 else f"{name}=={least}.*")
    return out


def test_every_dependency_declares_its_oldest_version_and_no_cap() -> None:
    """A cap here keeps a user's other packages old; those that only tests need stand in the extra `dev`."""
    for requirement in PROJECT["dependencies"]:
        assert re.fullmatch(r"[\w\-]+(\[[\w,]+\])?>=[\d.]+", requirement), requirement
    assert lowest(["numpy>=1.26", "minari[hdf5]>=0.5.3"]) == ["numpy==1.26.*", "minari==0.5.3"]


def test_the_metadata_are_whole() -> None:
    assert PROJECT["authors"] == [{"name": "The awac-bench authors"}]
    assert PROJECT["requires-python"] == ">=3.11"
    pythons = [c.rpartition(" :: ")[2] for c in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d", c)]
    assert pythons == ["3.11", "3.12", "3.13", "3.14"]
    for package in PACKAGES:
        assert (ROOT / package / "py.typed").is_file(), package
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {PROJECT['version']}" in citation
    assert PROJECT["license"] in citation


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from what is under version control or would be."""
    place = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (place / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            (place / "source" / name).write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", *QUIET, "--no-deps", "-w", str(place), str(place / "source")]
    subprocess.run(build, check=True)
    (built,) = place.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_what_is_typed_read_and_written_from(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    kept = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(kept.stdout.split()) <= names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "docs/"))]


@pytest.mark.slow
@pytest.mark.parametrize("which", ["newest", "oldest"])
def test_it_installs_trains_and_reports(which: str, wheel: Path, tmp_path: Path) -> None:
    """In a folder that has packages of our names, by its console script, side by side: children start safely too.

    torch is the one that is here: its newest would fetch gigabytes for GPUs.
    """
    venv, place = tmp_path / "venv", tmp_path / "a folder with spaces"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pins = [f"torch=={version('torch')}"]
    if which == "oldest":
        pins += [pin for pin in lowest(PROJECT["dependencies"]) if not pin.startswith("torch=")]
    (tmp_path / "pins.txt").write_text("\n".join(pins) + "\n", encoding="utf-8")
    install = [str(venv / "bin" / "pip"), "install", *QUIET, "-c", str(tmp_path / "pins.txt"), str(wheel)]
    subprocess.run(install, check=True)
    for name in PACKAGES:
        (place / name).mkdir(parents=True)
        (place / name / "__init__.py").write_text("raise ImportError('of another project')\n", encoding="utf-8")

    def bench(*words: str) -> str:
        home = {"PATH": f"{venv / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [str(venv / "bin" / "bench"), *words], cwd=place, env=home, capture_output=True, text=True, timeout=900
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    # what hints say: extras of an installed package need no index that has it
    extra = [str(venv / "bin" / "pip"), "install", *QUIET, "-c", str(tmp_path / "pins.txt"), "awac-bench[slurm]"]
    subprocess.run(extra, check=True)
    found = {check["name"]: check["state"] for check in json.loads(bench("doctor", "--json"))}
    assert "fail" not in found.values(), found
    cells = ("--algo", "sac-scratch,awac", "--env", "point-reach")
    folders = bench("run", *cells, "--seeds", "2", "--profile", "smoke", "--jobs", "2").split("\n")
    assert len([line for line in folders if line]) == 2
    assert (place / bench("report", "runs").strip()).is_file()
