"""`bench` where terminals, homes and locales are not as one has them: it works, or says in one line what is missing."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = shlex.join([sys.executable, "-P", "-m", "suite.cli"])
TRAIN = "run --env point-reach --profile smoke --seeds 1 --threads 1 --workers 0"


def shell(line: str, cwd: Path, **environment: str | None) -> subprocess.CompletedProcess[str]:
    """A line for a shell, in which BENCH starts the command; a variable that is None is not there."""
    known = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line.replace('BENCH', BENCH)}"],
        cwd=cwd,
        env={name: value for name, value in known.items() if value is not None},
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=300,
    )


def test_a_list_that_nobody_reads_to_its_end_is_no_error(tmp_path: Path) -> None:
    done = shell("BENCH list suites --json | head -1", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[\n", "")


@pytest.mark.slow
def test_training_goes_on_when_nobody_reads(tmp_path: Path) -> None:
    """Two cells: the second begins after both streams are dead, and both finish."""
    done = shell(f"BENCH {TRAIN} --algo sac-scratch,rlpd 2>&1 | head -1", tmp_path)
    states = [path.read_text(encoding="utf-8") for path in (tmp_path / "runs").rglob("status.json")]
    assert len(states) == 2, done
    assert all('"finished"' in state for state in states)
    assert done.returncode == 0


@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "POSIX"},
    ],
)
def test_a_locale_without_the_letters(locale: dict[str, str], tmp_path: Path) -> None:
    """What the locale cannot show is shown as an escape."""
    place = tmp_path / "größe"
    place.mkdir()
    (place / "plan.toml").write_text(
        'title = "Läufe – zwei"\nseeds = { value = 2, source = "ours" }\n'
        '[[grid]]\nalgos = ["bc", "awac"]\nenvs = ["point-reach"]\n',
        encoding="utf-8",
    )
    done = shell("BENCH suite show plan.toml", place, **locale)
    assert done.returncode == 0, done.stderr
    assert "point-reach" in done.stdout
    done = shell("BENCH list runs --out größe", place, **locale)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


@pytest.mark.slow
def test_a_folder_with_spaces_and_other_letters(tmp_path: Path) -> None:
    place = tmp_path / "ein Ordner – 名前"
    place.mkdir()
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = shell(f"BENCH {TRAIN} --algo sac-scratch,rlpd --jobs 2 --out 'Läufe 1' --name 'é 1'", place, **locale)
    assert done.returncode == 0, done.stderr
    done = shell("BENCH report 'Läufe 1' --out 'Bericht é'", place, **locale)
    assert done.returncode == 0, done.stderr
    assert (place / "Bericht é" / "index.html").is_file()


@pytest.mark.parametrize("nobody", ["import pwd; pwd.getpwuid = lambda number: {}[number]", ""])
def test_without_a_home(nobody: str, tmp_path: Path) -> None:
    """Also of a user that the system does not know, as in containers: one line says which variable names a folder."""
    (tmp_path / "sitecustomize.py").write_text(nobody, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    away = {"HOME": None, "MINARI_DATASETS_PATH": None, "PYTHONPATH": path, "USER": None, "LOGNAME": None}
    assert shell("BENCH list profiles", tmp_path, **away).returncode == 0
    done = shell("BENCH list datasets", tmp_path, **away)
    if nobody:
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert "MINARI_DATASETS_PATH" in done.stderr
    else:
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"COLUMNS": "60"}, {"COLUMNS": "1"}])
def test_a_plain_or_narrow_terminal(environment: dict[str, str], tmp_path: Path) -> None:
    done = shell("BENCH list suites && BENCH run", tmp_path, **environment)
    assert "awac-fig3-dexterous" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 60 or environment.get("COLUMNS") != "60"
    assert done.stderr.startswith("bench: name what to train")
