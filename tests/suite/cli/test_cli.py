"""The command line: bad input is one line and exit code 2 with nothing written; good input ends in a report."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy_run
from command import Bench

import suite.cli
import suite.launch.processes
from algos.learner.actor_critic import ActorCritic
from envs import tasks
from envs.data import datasets
from envs.data.datasets import Episode
from envs.errors import WorkerError
from envs.stepping.vector import VectorEnv
from envs.tasks import Task
from suite.launch.processes import NOT_STARTED
from suite.recipes import build as recipes
from suite.recipes.play import Progress
from suite.record.folders import read_run
from suite.record.rows import Row
from suite.record.writer import RunWriter

DOOR_DATA = "tests/door-v0"
SIZES = {**toy_run.SIZES, "eval_every_offline": 7}
TINY = toy_run.options(SIZES)
_OFFLINE = {"offline_updates", "eval_every_offline"}
_ONLINE = {"steps_per_iteration", "online_steps", "eval_every_online", "updates_per_step"}
TINY_SCRATCH = toy_run.options({name: size for name, size in SIZES.items() if name not in _OFFLINE})
TINY_OFFLINE = toy_run.options({name: size for name, size in SIZES.items() if name not in _ONLINE})


@pytest.fixture(scope="module", autouse=True)
def _toy() -> Iterator[None]:
    with toy_run.registered():
        yield


def run(*more: str, algo: str = "awac", env: str = toy_run.TASK.id) -> list[str]:
    cell = f"run --algo {algo} --env {env} --seeds 2 --device cpu --threads 1 --workers 0"
    return [*cell.split(), *more]


def door_data() -> str:
    """A few random episodes that pass for a dataset of the door task."""
    task, rng = tasks.get("door-binary"), np.random.default_rng(0)

    def one(demo: bool) -> Episode:
        obs = rng.standard_normal((21, task.obs_dim)).astype(np.float32)
        return Episode(obs, rng.uniform(-1, 1, (20, task.action_dim)).astype(np.float32), demo=demo)

    datasets.store(task, DOOR_DATA, [one(i < 2) for i in range(4)], {})
    return DOOR_DATA


# bad input


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (run(algo="awacc"), "unknown algorithm 'awacc'; did you mean 'awac'?"),
        (run(algo="awac,sacc"), "unknown algorithm 'sacc'; did you mean 'sac'?"),
        (run(env="dor-binary"), "unknown task 'dor-binary'; did you mean 'door-binary'?"),
        (run("--profile", "smok"), "unknown profile 'smok'; did you mean 'smoke'?"),
        (run("--set", "temprature=1"), "unknown setting 'temprature' of awac; did you mean 'temperature'?"),
        (run("--set", "offline_updates=many"), "--set offline_updates=many: expected a whole number"),
        (run("--set", "bc_weight=1"), "none of the chosen algorithms uses 'bc_weight'"),
        (run("--dataset", "humn", env="door-binary"), "door-binary-v0 has no dataset 'humn'; did you mean 'human'?"),
        (run("--dataset", "awac-bench/none-v0"), "`bench data build` makes a task's default one"),
        (run("--seeds", "x"), "--seeds x: give a count (5), a list (3,7,9) or a range (4-6)"),
        (run("--device", "gpu"), "--device gpu: choose auto, cpu or cuda"),
        (run("--name", "a/b"), "cannot hold a path"),
        (run(algo=","), "must each name at least one"),
        (run("--seeds", "1,1"), "--seeds 1,1: names a seed twice"),
        (run("--seeds", "99999999999999"), "99,999,999,999,999 seeds; 1,000 are the most"),
        (run("--threads", "0"), "--threads 0: give 1 or more"),
        (run("--jobs", "0"), "--jobs 0: give 1 or more"),
        (run("--workers", "-1"), "--workers -1: give 0 or more"),
        (["list"], "name what to list: algos, envs, datasets, presets, profiles, runs, suites"),
        (["list", "alogs"], "cannot list 'alogs'; did you mean 'algos'?"),
        (["list", "runs"], "runs is not a folder; runs are written there by `bench run --out runs`"),
        (["explain", "awak", "door-binary"], "did you mean 'awac'?"),
        (["explain", "awac", "door-binari"], "did you mean 'door-binary'?"),
        (["explain", "awac", "door-binary", "--set", "betta=1"], "unknown setting 'betta'"),
        (["report"], "runs is not a folder"),
        (["data", "info", "--env", "pen-binery"], "did you mean 'pen-binary'?"),
        (["data", "build", "--env", "door-binary,pen-binery"], "did you mean 'pen-binary'?"),
        (["data", "info", "--env", "door-binary"], "is not built yet: `bench data build --env door-binary`"),
    ],
)
def test_bad_input_is_one_line_that_says_what_would_be_right(
    arguments: list[str], nearest: str, bench: Bench, tmp_path: Path
) -> None:
    said = bench(*arguments)
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("bench: ")
    assert said.err.count("\n") == 1
    assert nearest in said.err
    assert not list(tmp_path.iterdir()), "nothing may be written"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_is_not_pretended(bench: Bench) -> None:
    assert (
        "torch sees no CUDA device; `bench doctor` says more"
        in bench("run", "--algo", "bc", "--env", "door-binary", "--device", "cuda").err
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["runn"],
        ["run"],
        ["run", "--algo"],
        ["run", "--algos", "awac"],
        run("--threads", "x"),
    ],
)
def test_usage_errors_end_with_code_2(arguments: list[str], bench: Bench, tmp_path: Path) -> None:
    said = bench(*arguments)
    assert said.code == 2
    assert "Traceback" not in said.err
    assert not list(tmp_path.iterdir())


def test_a_report_on_a_folder_without_runs(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    said = bench("report")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert not (tmp_path / "report").exists()


def test_where_nothing_can_be_written(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    said = bench(*run("--out", "file", "--dataset", toy_run.DATA))
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "cannot write to file" in said.err
    assert (tmp_path / "file").read_text() == "mine"


def test_an_error_of_ours_is_not_dressed_up_as_the_users(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug keeps its traceback."""
    from suite.cli import inventory

    monkeypatch.setattr(inventory, "listing", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bench("list", "algos")


# looking


def test_help_names_the_commands(bench: Bench) -> None:
    said = bench("--help")
    assert said.code == 0
    for command in ("run", "report", "list", "explain", "doctor", "data"):
        assert f"\n  {command} " in said.out


def loaded(packages: set[str], *commands: Sequence[str]) -> str:
    """Which of the packages `bench` has loaded after these commands, called one after the other."""
    program = (
        "import sys\n"
        "from suite.cli import main\n"
        f"for words in {[*map(list, commands)]}:\n"
        "    sys.argv = ['bench', *words]\n"
        "    try: main()\n"
        "    except SystemExit as end: assert not end.code, end.code\n"
        f"print(sorted({packages} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()[-1]


def test_help_does_not_wait_for_torch() -> None:
    assert loaded({"torch", "mujoco", "gymnasium", "minari", "pandas", "matplotlib"}, ["--help"]) == "[]"


def test_lists_of_what_is_no_algorithm_do_not_wait_for_torch(tmp_path: Path) -> None:
    RunWriter(tmp_path / "t" / "a" / "x").create({"algo": "a", "task": "t", "seeds": [0]})
    lists = [["list", what, "--out", str(tmp_path)] for what in ("envs", "datasets", "profiles", "suites", "runs")]
    assert loaded({"torch", "mujoco", "matplotlib"}, *lists, ["suite", "list"]) == "[]"


@pytest.mark.parametrize(
    ("what", "word"),
    [("algos", "sac-bc"), ("envs", "door-binary-v0"), ("profiles", "smoke"), ("datasets", toy_run.DATA)],
)
def test_lists(what: str, word: str, bench: Bench) -> None:
    said = bench("list", what)
    assert (said.code, said.err) == (0, "")
    assert word in said.out
    found = json.loads(bench("list", what, "--json").out)
    assert any(word in row.values() for row in found)


def test_explain_prints_every_setting_with_value_range_meaning_and_source(bench: Bench) -> None:
    said = bench("explain", "awac", "door-binary", "--profile", "paper", "--set", "tau=0.1", "--json")
    found = {row["setting"]: row for row in json.loads(said.out)}
    assert found["temperature"]["value"] == 0.5
    assert found["temperature"]["source"].startswith("task door-binary-v0: ")
    assert (found["tau"]["value"], found["tau"]["source"]) == (0.1, "--set")
    assert found["batch_size"]["value"] == 1024
    assert all(row["meaning"] and row["source"] and row["allowed"] for row in found.values())
    assert (found["tau"]["allowed"], found["q_bound"]["allowed"]) == ("in (0, 1]", "target | output | none")
    table = bench("explain", "awac", "door-binary", "--wide").out
    assert len(table.splitlines()) == len(found) + 1


def test_doctor(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    said = bench("doctor", "--json")
    found = {row["name"]: row for row in json.loads(said.out)}
    assert said.code == 0
    assert {"python", "packages", "torch", "cuda", "statistics", "datasets", "disk"} <= found.keys()
    assert {row["state"] for row in found.values()} <= {"ok", "warn"}
    assert all(row["repair"] for row in found.values() if row["state"] != "ok")
    monkeypatch.setenv("MINARI_DATASETS_PATH", "/proc/nowhere")
    from suite.measure import doctor

    monkeypatch.setattr(doctor, "_simulator", lambda: 1 / 0)
    monkeypatch.setattr(
        doctor, "_network", lambda: doctor.Check("hub", "warn", "none", "pip install 'awac-bench[hub]'")
    )
    said = bench("doctor")
    assert said.code == 1
    assert "ZeroDivisionError" in said.out, "one broken package does not hide the rest"
    assert "set MINARI_DATASETS_PATH to a folder you can write" in said.out
    assert "awac-bench[hub]" in said.out


def test_speed_prints_a_table_or_rows(bench: Bench) -> None:
    few = ["speed", "--env", toy_run.TASK.id, "--profile", "smoke", "--packs", "1", "--threads", "1", "--workers", "0"]
    few += ["--rounds", "1", "--seconds", "0.01", *TINY]
    said = bench(*few)
    assert said.code == 0
    assert "share of floor" in said.out
    (row,) = json.loads(bench(*few, "--json").out)
    assert row["seeds"] == 1
    assert row["updates_per_s"] > 0
    said = bench(*few, "--algo", "awax")
    assert (said.code, said.out) == (2, "")
    assert "did you mean 'awac'" in said.err


@pytest.mark.slow
def test_the_default_dataset_by_its_name_is_the_same_run(bench: Bench) -> None:
    arguments = run("--dry-run", *TINY, algo="bc,sac-scratch", env="door-binary")
    said, named = bench(*arguments), bench(*arguments, "--dataset", "default")
    folders = [[line for line in one.out.splitlines() if line.startswith("folder: ")] for one in (said, named)]
    assert folders[0] == folders[1]
    assert (
        "`bench data build --env door-binary"
        in bench("data", "info", "--env", "door-binary", "--dataset", "default").err
    )


@pytest.mark.slow
def test_an_estimate_for_one_seed_says_so(bench: Bench) -> None:
    said = bench(*run("--seeds", "1", "--dry-run", *TINY_SCRATCH, algo="sac-scratch"))
    assert "for 1 seed)" in said.out


def test_a_dry_run_prints_the_plan_and_writes_nothing(bench: Bench, tmp_path: Path) -> None:
    said = bench(*run("--dry-run", *TINY_OFFLINE, algo="bc", env="toy_env:point"))
    assert said.code == 0
    assert f"# bc on {toy_run.TASK.id.removesuffix('-v0')}, seeds 0, 1, profile quick" in said.out
    assert "batch_size = 8    (--set)" in said.out
    assert "estimate: about " in said.out
    assert "MB on disk" in said.out
    assert not list(tmp_path.iterdir())


# running


@pytest.mark.slow
def test_two_cells_a_report_and_again(bench: Bench, tmp_path: Path) -> None:
    arguments = run("--dataset", toy_run.DATA, *TINY, "--set", "bc_weight=0.5", algo="awac,sac-bc")
    said = bench(*arguments)
    assert said.code == 0
    assert "--set bc_weight=0.5 applies to sac-bc only" in said.err
    folders = [Path(line) for line in said.out.splitlines()]
    assert [read_run(f).algo for f in folders] == ["awac", "sac-bc"]
    assert all(read_run(f).finished for f in folders)
    assert read_run(folders[0]).run["command"] == ["bench", *arguments]
    again = bench(*arguments)
    assert again.out == said.out
    assert again.err.count("finished already") == 2
    listed = json.loads(bench("list", "runs", "--json").out)
    assert [(row["algo"], row["state"], row["step"]) for row in listed] == [
        ("awac", "finished", 64),
        ("sac-bc", "finished", 64),
    ]
    said = bench("report")
    assert said.code == 0
    assert Path(said.out.strip()) == tmp_path / "report" / "index.html"
    assert "sac-bc" in (tmp_path / "report" / "index.html").read_text()


def test_a_seed_that_has_diverged_is_not_in_the_mean_of_a_listed_run(bench: Bench, tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "runs" / "t" / "a" / "x")
    writer.create({"algo": "a", "task": "t", "seeds": [0, 1, 2]})
    writer.append(Row(seed, "offline", -4, 0, "success", 0.0) for seed in (0, 1, 2))
    writer.append(Row(seed, "online", 8, 6, "success", 1.0) for seed in (0, 2))
    (row,) = json.loads(bench("list", "runs", "--json").out)
    assert (row["success"], row["return"]) == ("1.00", "-")


def test_a_broken_run_folder_does_not_hide_the_others_from_a_list(bench: Bench, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        RunWriter(tmp_path / "runs" / "t" / "x" / name).create({"algo": "x", "task": "t", "seeds": [0]})
    (tmp_path / "runs/t/x/b/status.json").write_text('{"half')
    said = bench("list", "runs", "--json")
    rows = json.loads(said.out)
    assert (said.code, [row["state"].partition(":")[0] for row in rows]) == (
        0,
        ["interrupted", "broken", "interrupted"],
    )
    assert (rows[1]["task"], rows[1]["algo"]) == ("t", "x")
    assert rows[1].keys() == rows[0].keys()
    assert "status.json: not readable as JSON" in rows[1]["state"]


@pytest.mark.slow
def test_a_lost_status_is_written_anew_as_its_refusal_says(bench: Bench, tmp_path: Path) -> None:
    arguments = run("--dataset", toy_run.DATA, *TINY)
    folder = tmp_path / bench(*arguments).out.strip()
    results = toy_run.results(folder)
    (folder / "status.json").write_text("{")
    said = bench(*arguments)
    assert said.code == 2
    assert "policy/policy.json is there" in said.err
    (folder / "status.json").write_text('{"state": "finished", "env_step": 64}')
    assert "finished already" in bench(*arguments).err
    assert bench("report").err == ""
    assert toy_run.results(folder) == results


def test_the_same_task_by_two_names_is_one_cell(bench: Bench) -> None:
    said = bench(*run(*TINY_SCRATCH, algo="sac-scratch", env="toy_env:point,toy_env:point-v0"))
    assert (said.code, len(said.out.splitlines())) == (0, 1)
    assert "finished already" not in said.err


def test_a_stopped_run_ends_with_128_and_the_signal(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from algos.learner.actor_critic import ActorCritic

    real, arguments = ActorCritic.run, run("--dataset", toy_run.DATA, *TINY)

    def interrupted(self: ActorCritic, updates: int) -> None:
        real(self, updates)
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(ActorCritic, "run", interrupted)
        said = bench(*arguments)
    assert said.code == 143
    assert "stopped; the same command goes on from here" in said.err
    said = bench(*arguments)
    assert said.code == 0
    assert "resuming at step 0" in said.err


def test_jobs_hand_each_cell_what_is_its_own(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One process per cell, the settings that the cell has, and no dataset built for those that need none."""
    commands: dict[str, list[str]] = {}
    built: list[tuple[str, int]] = []

    def run_all(cells: list[suite.launch.processes.Command], jobs: int, **_: object) -> dict[str, int]:
        assert jobs == 3
        commands.update({cell.name: list(cell.command) for cell in cells})
        return {name: 2 if "sac-bc" in name else 0 for name in commands}

    monkeypatch.setattr("suite.launch.side_by_side.run_all", run_all)

    def build(task: Task, seed: int, workers: int, progress: Progress, name: str) -> None:
        built.append((task.id, task.recipe.rollouts))
        progress("rollouts 4/4")

    monkeypatch.setattr(recipes, "build", build)
    changed = ("--set", "bc_weight=2", "--set", "tau=0.1")
    arguments = run("--jobs", "9", *changed, "--profile", "smoke", algo="awac,sac-bc,sac-scratch", env="door-binary")
    said = bench(*arguments)
    assert said.code == 2
    assert re.search(r"door-binary-v0/sac-bc/smoke-\w+: ended with exit code 2", said.err)
    assert [Path(line).parent.name for line in said.out.splitlines()] == ["awac", "sac-scratch"]
    by_algo = {Path(name).parent.name: command for name, command in commands.items()}
    settings = {name: [text for flag, text in itertools.pairwise(c) if flag == "--set"] for name, c in by_algo.items()}
    assert settings == {"awac": ["tau=0.1"], "sac-bc": ["bc_weight=2", "tau=0.1"], "sac-scratch": ["tau=0.1"]}
    assert built == [("door-binary-v0", 4)]
    assert "door-binary: rollouts 4/4" in said.err
    for name, command in by_algo.items():
        assert command[1:7] == ["-P", "-m", "suite.cli", "run", "--algo", name]
    built.clear()
    bench(*run("--jobs", "3", "--profile", "smoke", algo="sac-scratch", env="door-binary,pen-binary,relocate-binary"))
    assert not built


@pytest.mark.parametrize("fails", [0, 2, -signal.SIGKILL, -signal.SIGHUP])
def test_jobs_build_several_datasets_side_by_side(bench: Bench, monkeypatch: pytest.MonkeyPatch, fails: int) -> None:
    """Before any cell is trained; where one cannot be built, the cells that need it are not begun."""
    calls: list[list[list[str]]] = []
    built: list[str] = []

    def run_all(cells: list[suite.launch.processes.Command], jobs: int, **_: object) -> dict[str, int]:
        assert jobs == 2
        calls.append([list(cell.command)[4:] for cell in cells])
        builds = "--data-only" in cells[0].command
        return {cell.name: fails if builds and "pen" in cell.name else 0 for cell in cells}

    monkeypatch.setattr("suite.launch.side_by_side.run_all", run_all)
    monkeypatch.setattr(recipes, "build", lambda task, *rest: built.append(task.id))
    said = bench(
        *run(
            "--jobs", "2", "--profile", "quick", "--set", "dataset_seed=7", algo="awac,bc", env="door-binary,pen-binary"
        )
    )
    for words, name in zip(calls[0], ("door", "pen"), strict=True):
        given = dict(itertools.pairwise(words))
        assert (given["--env"], given["--set"], given["--profile"]) == (f"{name}-binary", "dataset_seed=7", "quick")
    assert built == []
    if fails:
        assert said.code == 1
        assert [words[words.index("--env") + 1] for words in calls[1]] == ["door-binary", "door-binary"]
        assert said.err.count(f"no dataset: building it ended with exit code {fails}") == 2
    else:
        assert (said.code, len(calls[1])) == (0, 4)


@pytest.mark.parametrize("code", [NOT_STARTED, -signal.SIGTERM])
def test_a_stop_while_datasets_are_built_begins_nothing_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, code: int | None
) -> None:
    def run_all(cells: list[suite.launch.processes.Command], jobs: int, **_: object) -> dict[str, int | None]:
        return {cell.name: code for cell in cells}

    monkeypatch.setattr("suite.launch.side_by_side.run_all", run_all)
    monkeypatch.setattr(recipes, "build", lambda *_: pytest.fail("built"))
    said = bench(*run("--jobs", "2", "--profile", "quick", algo="bc", env="door-binary,pen-binary"))
    assert (said.code, said.err.count("no dataset: stopped"), said.err.count(": not started")) == (1, 2, 2)


def test_a_cell_in_which_all_seeds_diverge_does_not_keep_the_next_from_running(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ActorCritic.update

    def update(self: ActorCritic, *arguments: Any) -> None:
        real(self, *arguments)
        if self.objective.name == "awac":
            with torch.no_grad():
                next(self.nets.policy.parameters()).fill_(torch.nan)

    monkeypatch.setattr(ActorCritic, "update", update)
    said = bench(*run(*TINY, "--dataset", toy_run.DATA, algo="awac,bc"))
    assert said.code == 1
    assert "every seed diverged before update 7; smaller learning rates may help" in said.err
    assert [Path(line).parent.name for line in said.out.splitlines()] == ["bc"]


def test_a_dead_worker_is_one_line(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(self: VectorEnv, actions: Any) -> None:
        raise WorkerError("the worker process of environments 0 to 1 was killed by SIGKILL")

    monkeypatch.setattr(VectorEnv, "step", step)
    said = bench(*run(*TINY, "--dataset", toy_run.DATA))
    assert said.code == 1
    assert said.err.splitlines()[-1] == "bench: the worker process of environments 0 to 1 was killed by SIGKILL"
    assert "Traceback" not in said.err


@pytest.mark.slow
def test_the_whole_way_in_processes_of_their_own(tmp_path: Path) -> None:
    """Two cells of a hand task side by side."""
    command = [
        *(sys.executable, "-m", "suite.cli"),
        *("run", "--algo", "awac,bc", "--env", "door-binary", "--profile", "smoke", "--seeds", "3,5"),
        *("--dataset", door_data(), "--jobs", "2", "--device", "cpu"),
        *toy_run.options({"online_steps": 40, "offline_updates": 10, "eval_episodes": 1}),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    runs = [read_run(tmp_path / line) for line in done.stdout.splitlines()]
    assert [(r.algo, r.seeds, r.finished) for r in runs] == [("awac", (3, 5), True), ("bc", (3, 5), True)]
    assert "Warning" not in done.stderr


@pytest.mark.parametrize("algo", ["sac-bc", "dapg", "bc-demos"])
def test_data_without_demonstrations_are_refused_before_they_are_built(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, algo: str
) -> None:
    monkeypatch.setattr(recipes, "build", lambda *_: pytest.fail("built"))
    said = bench(*run("--profile", "smoke", algo=algo, env="sawyer-push"))
    assert said.code == 2
    assert f"{algo} learns from demonstrations, and the default data of sawyer-push hold none" in said.err
    assert ("--set clone=data" in said.err) is (algo == "sac-bc")


@pytest.mark.slow
def test_explain_shows_what_run_would_take(bench: Bench) -> None:
    """Both have the same defaults, profile and preset."""
    explained = {
        row["setting"]: row["source"] for row in json.loads(bench("explain", "awac", "pen-binary", "--json").out)
    }
    planned = bench("run", "--algo", "awac", "--env", "pen-binary", "--dry-run", "--workers", "0").out
    assert all(f"({source})" in planned for source in explained.values())
    assert f"batch_size = 256    ({explained['batch_size']})" in planned
