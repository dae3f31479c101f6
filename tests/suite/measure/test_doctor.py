"""The cures that `bench doctor` advises: each fault is made, its cure carried out as written, and the fault is gone."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import full_disk
import pytest
from house import ROOT

from suite.measure import doctor
from suite.measure.doctor import Check
from suite.policies import film

OK = "ok"


def nothing_else_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CXX", raising=False)


def test_no_compiler_then_one_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing_else_on_path(tmp_path, monkeypatch)
    monkeypatch.setattr("sys.platform", "linux")
    found = doctor._compiler()
    assert (found.state, found.repair) == ("warn", "install g++")
    (tmp_path / "g++").write_text("#!/bin/sh\n")
    (tmp_path / "g++").chmod(0o755)
    assert doctor._compiler().state == OK


def test_a_compiler_that_is_named_and_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another compiler is no cure while CXX names this one."""
    nothing_else_on_path(tmp_path, monkeypatch)
    for name in ("g++", "clang++"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("CXX", "icpx-2020")
    found = doctor._compiler()
    assert (found.state, found.repair) == ("warn", "unset CXX, which is icpx-2020, or have it name a C++ compiler")
    monkeypatch.setenv("CXX", str(tmp_path / "clang++"))
    assert doctor._compiler().state == OK
    monkeypatch.delenv("CXX")
    assert doctor._compiler().state == OK


@pytest.mark.parametrize(
    ("built", "hidden", "cure"),
    [
        ("12.8", None, "if there is a GPU: install or update its driver (torch is built for CUDA 12.8)"),
        ("12.8", "", "unset CUDA_VISIBLE_DEVICES, which is ''"),
        (None, None, "if there is a GPU: install torch for CUDA"),
        (None, "0", "if there is a GPU: install torch for CUDA"),
    ],
)
def test_no_device_is_told_by_what_torch_is_built_for(
    built: str | None, hidden: str | None, cure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.version.cuda", built)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if hidden is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    found = doctor._cuda()
    assert (found.state, found.repair) == ("warn", cure)


def test_a_store_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", "/proc/nowhere")
    found = doctor._minari()
    assert (found.state, found.repair) == ("fail", "set MINARI_DATASETS_PATH to a folder you can write")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "new"))
    assert doctor._minari().state == OK


def test_no_home_for_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a user that the system does not know."""

    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("MINARI_DATASETS_PATH")
    monkeypatch.setattr(Path, "home", nowhere)
    found = doctor._minari()
    assert (found.state, found.repair) == ("fail", "set MINARI_DATASETS_PATH to a folder you can write")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    assert doctor._minari().state == OK


def test_a_value_of_mujoco_gl_that_cannot_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    works = film.way_of_drawing()
    if works is None:
        assert film.cure() == "apt install libegl1 libgl1-mesa-dri", "no value of MUJOCO_GL is a cure"
        pytest.skip("nothing draws here")
    monkeypatch.setenv("MUJOCO_GL", "disabled")
    found = doctor._drawing()
    assert (found.state, found.repair) == ("warn", f"unset MUJOCO_GL, which is disabled, or set it to {works}")
    monkeypatch.setenv("MUJOCO_GL", works)
    assert doctor._drawing().state == OK


def test_too_little_room_and_a_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if why := full_disk.why_not(small):
        pytest.skip(f"no file system can be mounted here: {why.strip().splitlines()[-1]}")
    found = full_disk.on_it(small, lambda: vars(doctor._disk()))
    assert (found["state"], found["repair"]) == ("warn", "make room there, 2 GB or more, or go elsewhere")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    missing = doctor._disk()
    assert (missing.state, missing.repair) == ("fail", "go to another folder")
    monkeypatch.chdir(tmp_path)
    assert doctor._disk().repair != missing.repair


def checked(name: str, python: Path | str = sys.executable, **environment: str) -> Check:
    """One check of the doctor in a process of its own."""
    program = f"import json; from suite.measure import doctor; print(json.dumps(vars(doctor.{name}())))"
    known = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run([str(python), "-c", program], env=known, cwd="/", capture_output=True, text=True, check=True)
    return Check(**json.loads(done.stdout.splitlines()[-1]))


def test_an_older_python_is_one_line_for_every_command() -> None:
    """It came to no check: the packages that they rest on, or modules of Python's own, are not there."""
    program = "import sys; sys.version_info = (3, 10, 13, 'final', 0); sys.argv = ['bench', 'doctor']; import suite.cli"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "bench: Python 3.11 or newer is needed, and this is 3.10.13; make an environment with a newer one, and install "
        "there\n"
    )


def test_a_folder_on_pythonpath_with_a_package_of_our_name(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "__init__.py").write_text("raise ImportError('not yours')")
    both = f"{tmp_path}{os.pathsep}{ROOT}"
    found = checked("_packages", PYTHONPATH=both)
    assert (found.state, found.repair) == ("fail", "leave that folder, rename it, or take it off PYTHONPATH")
    assert checked("_packages").state == OK, "taken off PYTHONPATH"
    (tmp_path / "reports").rename(tmp_path / "theirs")
    assert checked("_packages", PYTHONPATH=both).state == OK, "renamed"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with this suite from a wheel, and `pip`; what the suite needs comes from the one that tests it."""
    place = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    own = next((place / "lib").glob("python*")) / "site-packages"
    theirs = [path for path in sys.path if path.endswith("site-packages")]
    (own / "more.pth").write_text("\n".join(theirs))
    pip = place / "bin" / "pip"
    pip.write_text(f'#!/bin/sh\nexec {sys.executable} -m pip --python {place}/bin/python -q "$@"\n')
    pip.chmod(0o755)
    return place / "bin" / "python"


def wheel(folder: Path, name: str, files: dict[str, str]) -> Path:
    """A wheel with these files."""
    path, info = folder / f"{name}-1.0-py3-none-any.whl", f"{name}-1.0.dist-info"
    files |= {f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"}
    files |= {f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    record = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(file, text)
    return path


def cured(repair: str, python: Path) -> None:
    """Carry a cure out as it is written, and say yes where it asks."""
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"yes | {{ {repair}; }}"], env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_distribution_that_wrote_over_our_files(python: Path, tmp_path: Path) -> None:
    """Uninstalling it alone takes our files away, and pip says that ours is installed: it has to be written again."""
    source = {str(f.relative_to(ROOT)): f.read_text() for f in (ROOT / "suite" / "measure").glob("*.py")}
    source |= {f"{n}/__init__.py": (ROOT / n / "__init__.py").read_text() for n in ("algos", "disk", "envs", "suite")}
    source |= {"reports/__init__.py": "", "disk/trouble.py": (ROOT / "disk" / "trouble.py").read_text()}
    ours = wheel(tmp_path, "awac_bench", dict(source))
    theirs = wheel(tmp_path, "their_envs", {"envs/__init__.py": "raise ImportError('not yours')\n"})
    for built in (ours, theirs):
        cured(shlex.join(["pip", "install", "--no-deps", "--no-index", str(built)]), python)
    found = checked("_packages", python, PYTHONPATH="")
    assert (found.state, "their_envs" in found.repair.replace("-", "_")) == ("fail", True), found
    cured(found.repair, python)
    assert checked("_packages", python, PYTHONPATH="").state == OK
