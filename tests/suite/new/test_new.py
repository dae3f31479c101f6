"""`bench new algorithm` and `bench new task`: what they write is installed, listed and run like the suite's own."""

from __future__ import annotations

import csv
import importlib.util
import inspect
import json
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import toy_run
from command import Bench, Said

from envs.stepping.vector import VectorEnv
from suite.new import write as new
from suite.record.folders import read_run

ROOT = Path(__file__).parents[3]
NAME, MODULE = "my-method", "my_method"


@pytest.fixture
def package(tmp_path: Path, bench: Bench) -> Path:
    """The folder that `bench new algorithm my-method` wrote."""
    assert bench("new", "algorithm", NAME).code == 0
    return tmp_path / NAME


@pytest.fixture
def installed(package: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The package with what an installer makes of its pyproject.toml: metadata with the entry point, on the path."""
    project = (package / "pyproject.toml").read_text()
    table = project.split('[project.entry-points."bench.algos"]\n')[1].split("\n\n")[0]
    metadata = package / "src" / f"{MODULE}-0.1.0.dist-info"
    metadata.mkdir()
    name = re.findall(r'^name = "(.*)"$', project, re.MULTILINE)[0]
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    (metadata / "entry_points.txt").write_text("[bench.algos]\n" + table.replace('"', "") + "\n")
    monkeypatch.syspath_prepend(str(package / "src"))
    yield package
    sys.modules.pop(MODULE, None)


TASK_NAME, TASK_MODULE = "my-task", "my_task"


@pytest.fixture
def installed_task(tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What `bench new task my-task` wrote, with the entry point that an installer would make of it."""
    assert bench("new", "task", TASK_NAME).code == 0
    package = tmp_path / TASK_NAME
    table = (package / "pyproject.toml").read_text().split('[project.entry-points."bench.envs"]\n')[1].split("\n\n")[0]
    metadata = package / "src" / f"{TASK_MODULE}-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {TASK_NAME}\nVersion: 0.1.0\n")
    (metadata / "entry_points.txt").write_text("[bench.envs]\n" + table.replace('"', "") + "\n")
    monkeypatch.syspath_prepend(str(package / "src"))
    yield package
    sys.modules.pop(TASK_MODULE, None)
    gymnasium.registry.pop(f"{TASK_NAME}-v0", None)


def test_a_new_tasks_own_tests_pass(installed_task: Path, tmp_path: Path) -> None:
    tests = runpy.run_path(str(installed_task / "tests" / f"test_{TASK_MODULE}.py"))
    names = [name for name in tests if name.startswith("test_")]
    assert len(names) == 5
    for name in names:
        if "monkeypatch" not in inspect.signature(tests[name]).parameters:
            tests[name]()
        else:
            with pytest.MonkeyPatch.context() as patch:
                tests[name](tmp_path, patch)


def test_a_new_task_is_listed_and_found_in_processes_that_have_not_imported_it(
    installed_task: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = {row["env"]: row for row in json.loads(bench("list", "envs", "--json").out)}
    assert listed[f"{TASK_NAME}-v0"]["horizon"] == 50
    monkeypatch.setenv("PYTHONPATH", str(installed_task / "src"))  # of spawned workers
    made = []
    for workers in (0, 2):
        with VectorEnv(f"{TASK_NAME}-v0", 2, workers) as env:
            obs = env.reset([1, 2])
            made.append((obs, env.step(np.ones((2, 1))).next_obs))
    np.testing.assert_array_equal(made[0], made[1])
    refused(bench("run", "--algo", "bc", "--env", "my-tusk"), "did you mean 'my-task'?")
    refused(bench("new", "task", "my_task"), "there is a task 'my-task' already")
    refused(bench("new", "task", "other-v0"), "leave the version out")
    refused(bench("new", "task", "door-binary"), "there is a task 'door-binary' already")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise ImportError('no such simulator')", "cannot be imported (ImportError: no such simulator)"),
        ("TASK = 3", "my_task:TASK is int; it must be an envs.task.Task with that id"),
        ("from envs.tasks import TASKS\nTASK = TASKS['door-binary-v0']", "is a task 'door-binary-v0'"),
    ],
)
def test_a_broken_package_is_named_and_hides_no_other_task(
    text: str, message: str, installed_task: Path, bench: Bench
) -> None:
    (installed_task / "src" / f"{TASK_MODULE}.py").write_text(text)
    refused(bench("run", "--algo", "bc", "--env", TASK_NAME), message)
    listed = {row["env"]: row for row in json.loads(bench("list", "envs", "--json").out)}
    assert message in listed[f"{TASK_NAME}-v0"]["summary"]
    assert listed["door-binary-v0"]["horizon"] == 200


def test_it_says_what_it_wrote_and_what_comes_next(bench: Bench, tmp_path: Path) -> None:
    said = bench("new", "algorithm", NAME)
    assert said.code == 0
    wrote = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert {Path(line) for line in said.out.splitlines()} == wrote
    assert {path.name for path in wrote} == {"pyproject.toml", "README.md", f"{MODULE}.py", f"test_{MODULE}.py"}
    assert f"next: pip install -e '{NAME}[test]', then bench run --algo {NAME},awac --env point-reach\n" in said.err
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o755


def test_its_project_file_is_one_that_installers_read(package: Path) -> None:
    read = tomllib.loads((package / "pyproject.toml").read_text())
    assert read["project"]["name"] == NAME
    assert read["project"]["entry-points"]["bench.algos"] == {NAME: MODULE}
    assert read["project"]["dependencies"] == ["awac-bench"]
    assert read["tool"]["setuptools"]["py-modules"] == [MODULE]


def test_its_own_tests_pass(installed: Path) -> None:
    tests = runpy.run_path(str(installed / "tests" / f"test_{MODULE}.py"))
    run = [test() for name, test in tests.items() if name.startswith("test_")]
    assert len(run) == 5


def test_its_own_tests_notice_a_loss_that_mixes_seeds(installed: Path) -> None:
    module = installed / "src" / f"{MODULE}.py"
    text = module.read_text()
    mixed = text.replace("log_prob(batch.action)", "log_prob(batch.action.flip(0))")
    assert mixed != text
    module.write_text(mixed)
    tests = runpy.run_path(str(installed / "tests" / f"test_{MODULE}.py"))
    with pytest.raises(AssertionError, match="Tensor-likes are not close"):
        tests["test_a_seed_learns_the_same_alone_and_beside_others"]()


@pytest.mark.slow
def test_it_is_listed_run_and_reported_like_one_of_ours(installed: Path, bench: Bench, tmp_path: Path) -> None:
    listed = {row["algo"]: row for row in json.loads(bench("list", "algos", "--json").out)}
    assert listed[NAME] == {"algo": NAME, "actions": "continuous", "summary": f"from {NAME}", "module": MODULE}
    with toy_run.registered():
        explained = json.loads(bench("explain", NAME, toy_run.TASK.id, "--set", "q_weight=0.5", "--json").out)
        assert {"setting": "q_weight", "value": 0.5} in [{k: r[k] for k in ("setting", "value")} for r in explained]
        task = f"--env {toy_run.TASK.id} --dataset {toy_run.DATA} --seeds 2 --profile smoke"
        machine = "--device cpu --threads 1 --workers 0"
        said = bench("run", "--algo", f"{NAME},bc", *task.split(), *machine.split(), *toy_run.options(toy_run.SIZES))
        assert said.code == 0, said.err
        runs = [read_run(tmp_path / line) for line in said.out.splitlines()]
    assert [(r.algo, r.finished) for r in runs] == [(NAME, True), ("bc", True)]
    assert {"q_scale", "q_policy", "success"} <= {row.metric for row in runs[0].rows}
    said = bench("report", "runs")
    assert said.code == 0, said.err
    with (tmp_path / "report" / "results.csv").open() as f:
        assert {row["algo"] for row in csv.DictReader(f)} == {NAME, "bc"}
    assert NAME in (tmp_path / "report" / "index.html").read_text()


def test_a_broken_algorithm_is_named_and_hides_no_other(installed: Path, bench: Bench) -> None:
    (installed / "src" / f"{MODULE}.py").write_text("1 / 0")
    message = f"algorithm '{NAME}' from {NAME}: {MODULE} cannot be imported (ZeroDivisionError: division by zero, "
    refused(bench("explain", NAME, "point-reach"), message)
    listed = {row["algo"]: row for row in json.loads(bench("list", "algos", "--json").out)}
    assert message in listed[NAME]["summary"]
    assert listed["awac"]["actions"] == "any"
    assert bench("list", "presets").code == 0
    refused(bench("explain", "awac", "point-reach", "--preset", "offcial"), "did you mean 'official'?")
    refused(bench("explain", "awac", "point-reach", "--set", "temprature=1"), "did you mean 'temperature'?")


@pytest.mark.parametrize("kind", ["algorithm", "task"])
@pytest.mark.parametrize("name", [NAME, "x", "An_other-Method-with-quite-a-long-name-42"])
def test_what_it_writes_is_tidy(kind: str, name: str, bench: Bench, tmp_path: Path) -> None:
    pytest.importorskip("ruff")
    assert bench("new", kind, name).code == 0
    options = ["--isolated", "--no-cache", "--line-length=120"]
    rules = "--extend-select=I,B,UP,SIM,RUF,PT"
    for check in (["check", rules], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *check, *options], cwd=tmp_path / name, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout


SPELLING = "cannot name a package: use letters, digits and single dashes, a letter first, no word of Python"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("awac", "there is an algorithm 'awac' already; choose another name"),
        ("sac_bc", "there is an algorithm 'sac-bc' already"),
        ("AWAC", "there is an algorithm 'awac' already"),
        ("torch", "a module 'torch' is installed already and would be hidden"),
        ("json", "a module 'json' is installed already and would be hidden"),
        *((name, SPELLING) for name in ("lambda", "2nd", "a--b", "a-", "_a", "a.b", "a/b", "../a", "a b", "né", "")),
    ],
)
def test_a_name_that_cannot_be_used_is_one_line_and_writes_nothing(
    name: str, message: str, bench: Bench, tmp_path: Path
) -> None:
    refused(bench("new", "algorithm", name), message)
    assert not list(tmp_path.iterdir())


def refused(said: Said, message: str) -> None:
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("bench: ")
    assert said.err.count("\n") == 1
    assert message in said.err


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_is_there_is_left_alone(kind: str, bench: Bench, tmp_path: Path) -> None:
    there = tmp_path / NAME
    if kind == "folder":
        there.mkdir()
    elif kind == "file":
        there.write_text("mine")
    else:
        there.symlink_to("nowhere")
    refused(bench("new", "algorithm", NAME), "my-method is there already; choose another name, or remove it")
    assert list(tmp_path.iterdir()) == [there]
    assert kind != "file" or there.read_text() == "mine"


def test_the_name_of_an_installed_one_is_taken(installed: Path, bench: Bench) -> None:
    refused(bench("new", "algorithm", MODULE), f"there is an algorithm '{NAME}' already")
    assert list(installed.parent.iterdir()) == [installed]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_nothing_is_left_half_written(
    error: BaseException, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = Path.write_text, [0]

    def write_text(self: Path, *arguments: Any, **named: Any) -> int:
        calls[0] += 1
        if calls[0] == 3:
            raise error
        return real(self, *arguments, **named)

    monkeypatch.setattr(Path, "write_text", write_text)
    said = bench("new", "algorithm", NAME)
    if isinstance(error, OSError):
        refused(said, "cannot write my-method: No space left on device")
    assert said.code != 0
    assert not list(tmp_path.iterdir())


def test_the_templates_are_part_of_what_is_installed() -> None:
    templates = {path.name for path in (ROOT / "suite/new").glob("*/*.j2")}
    assert templates == set(new._FILES.values())
    assert 'suite = ["new/*/*.j2",' in (ROOT / "pyproject.toml").read_text()
    for kind in ("algorithm", "task"):
        assert {p.name for p in (ROOT / "suite/new" / kind).iterdir()} == templates


def test_looking_for_a_module_imports_nothing(bench: Bench) -> None:
    assert importlib.util.find_spec("antigravity") is not None
    bench("new", "algorithm", "antigravity")
    assert "antigravity" not in sys.modules


@pytest.mark.slow
def test_its_folder_does_not_stand_for_its_module(bench: Bench, tmp_path: Path) -> None:
    """Also where both have one name: the folder would be found before what an editable installation points to."""
    assert bench("new", "algorithm", "softq").code == 0
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    quiet = ["-q", "--no-deps", "--disable-pip-version-check"]
    subprocess.run([python, "-m", "pip", "install", *quiet, "-e", "softq"], check=True, cwd=tmp_path)
    done = subprocess.run(
        [python, "-c", "import importlib.util as u; print(u.find_spec('softq').origin)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str(tmp_path / "softq" / "src" / "softq.py"), done.stderr
