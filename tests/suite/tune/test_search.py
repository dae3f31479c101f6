"""A search from its command: equal budgets, the same trials however it is run, stopped and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from asked import resolve
from command import Bench, Said
from house import ROOT
from searched import Runner, peak

from suite.experiment.preset_file import PresetFile
from suite.experiment.profiles import PROFILES
from suite.record.folders import read_status
from suite.record.trials import Search

pytest.importorskip("optuna", reason="the extra tune is not installed")

SEARCH = Path("tune/door-binary-smoke")
HERE = ("--env", "door-binary", "--profile", "smoke", "--device", "cpu")


def tune(bench: Bench, *more: str, algo: str = "awac,iql", trials: int = 8) -> Said:
    return bench("tune", "--algo", algo, "--trials", str(trials), *HERE, *more)


def chosen(path: Path = SEARCH) -> PresetFile:
    return PresetFile.read(str(path / "preset.toml"))


def tried(path: Path = SEARCH) -> dict[str, list[dict[str, Any]]]:
    search = Search.read(path)
    return {algo: [dict(t.values) for t in search.trials(algo)] for algo in search.algos}


def test_every_method_gets_the_same_trials_and_seeds(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Runner().put_in(monkeypatch)
    said = tune(bench, algo="awac,iql,bc,sac-scratch")
    assert (said.code, said.out) == (0, f"{SEARCH}/preset.toml\n"), said.err
    assert Counter(e.algo for e in runner.ran) == dict.fromkeys(("awac", "iql", "bc", "sac-scratch"), 8)
    assert {e.seeds for e in runner.ran} == {(1000, 1001, 1002)}
    assert {(e.profile, e.dataset, e.task.short_name) for e in runner.ran} == {("smoke", None, "door-binary")}
    file = chosen()
    assert file.tune["trials"] == 8
    assert file.tune["seeds"] == [1000, 1001, 1002]
    assert file.tune["data"] == {"door-binary-v0": "f"}
    assert list(file.methods) == ["awac", "iql", "bc", "sac-scratch"]


def test_the_first_trial_is_the_method_as_it_stands(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Runner().put_in(monkeypatch)
    tune(bench, algo="awac", trials=2)
    first, second = runner.ran
    assert not [s for s in first.settings.values() if s["source"].startswith("--set")]
    own = {n for n, s in second.settings.items() if s["source"] == "--set: trial 1"}
    assert own == {"policy_lr", "critic_lr", "tau", "batch_size", "temperature", "advantage_clip"}


def test_it_finds_a_known_best_value(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The score is 1 at temperature 2 and falls with the square of the distance in decades; an end is 1.3 away."""
    Runner().put_in(monkeypatch)
    assert tune(bench, "--search", "temperature", algo="awac", trials=28).code == 0
    assert chosen().methods["awac"]["temperature"] == pytest.approx(2, rel=0.15)
    best = chosen().tune["best"]["awac"]
    assert best["score"] == pytest.approx(2 / 3 * peak(chosen().methods["awac"]), rel=1e-6), "of the last three"


def test_defaults_that_are_best_are_chosen(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    default = resolve("awac", "door-binary", profile="smoke").cfg.temperature
    Runner(lambda values, seed: float(values["temperature"] == default)).put_in(monkeypatch)
    said = tune(bench, algo="awac", trials=4)
    assert chosen().methods == {"awac": {}}
    assert chosen().tune["best"]["awac"] == {"trial": 0, "score": pytest.approx(2 / 3)}
    assert "its defaults" in said.err


@pytest.mark.parametrize("stop", [0, 1, 5, 9])
def test_a_stopped_search_goes_on_as_if_nothing_had_happened(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    Runner().put_in(monkeypatch)
    assert tune(bench, "--name", "whole").code == 0
    first = Runner(stop_before=stop).put_in(monkeypatch)
    said = tune(bench, "--name", "parts")
    assert said.code == 1
    assert "the same command goes on from here" in said.err
    assert not Path("tune/parts/preset.toml").exists()
    second = Runner().put_in(monkeypatch)
    assert tune(bench, "--name", "parts").code == 0
    assert len(first.ran) + len(second.ran) == 16
    assert not {e.hash for e in first.ran} & {e.hash for e in second.ran}, "none is run twice"
    assert tried(Path("tune/parts")) == tried(Path("tune/whole"))
    assert chosen(Path("tune/parts")).methods == chosen(Path("tune/whole")).methods


def test_a_finished_search_runs_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    Runner().put_in(monkeypatch)
    tune(bench)
    before = chosen()
    again = Runner().put_in(monkeypatch)
    assert tune(bench).code == 0
    assert not again.ran
    assert chosen().methods == before.methods


def test_more_trials_go_on_with_those_that_are_there(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    Runner().put_in(monkeypatch)
    tune(bench, "--name", "whole", trials=14)
    tune(bench, "--name", "parts", trials=6)
    runner = Runner().put_in(monkeypatch)
    assert tune(bench, "--name", "parts", trials=14).code == 0
    assert len(runner.ran) == 16
    assert tried(Path("tune/parts")) == tried(Path("tune/whole"))


def test_a_recorded_trial_counts_whatever_the_sampler_would_say(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    Runner(stop_before=2).put_in(monkeypatch)
    tune(bench, algo="awac")
    before = tried()["awac"]
    monkeypatch.setattr("suite.tune.sampler.propose", lambda space, *_, **how: [{"temperature": 3.0}] * 4)
    Runner().put_in(monkeypatch)
    assert tune(bench, algo="awac").code == 0
    assert tried()["awac"][:2] == before


def test_trials_below_the_median_are_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Runner().put_in(monkeypatch)
    said = tune(bench, "--search", "temperature", algo="awac", trials=20)
    trials = Search.read(SEARCH).trials("awac")
    ended = [t for t in trials if t.state == "given up"]
    assert ended
    assert said.err.count("given up, below the median of the trials before it") == len(ended)
    assert all(t.number >= 4 for t in ended), "of the first round none"
    assert {read_status(folder)["state"] for t in ended for folder in t.folders.values()} == {"stopped"}
    assert len(runner.ran) == 20, "and are not run again"
    assert all(t.score is not None for t in trials if t.state == "complete")
    Runner().put_in(monkeypatch)
    assert tune(bench, "--name", "all", "--no-prune", "--search", "temperature", algo="awac", trials=20).code == 0
    assert {t.state for t in Search.read(Path("tune/all")).trials("awac")} == {"complete"}


def test_a_diverged_trial_is_never_chosen(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    Runner(diverged=True).put_in(monkeypatch)
    said = tune(bench, algo="awac", trials=2)
    assert said.code == 1
    assert "awac: no trial is complete, so that none can be chosen; it is not in the preset" in said.err
    assert not (SEARCH / "preset.toml").exists()


def test_what_set_fixes_is_in_every_trial_and_in_the_preset(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Runner().put_in(monkeypatch)
    tune(bench, "--set", "tau=0.02", "--set", "eval_episodes=3", "--set", "iql.expectile=0.9", trials=2)
    assert {e.learner.tau for e in runner.ran} == {0.02}
    assert {e.protocol.eval_episodes for e in runner.ran} == {3}
    methods = chosen().methods
    assert methods["awac"]["tau"] == methods["iql"]["tau"] == 0.02
    assert methods["iql"]["expectile"] == 0.9
    assert "eval_episodes" not in methods["awac"], "that is of how long and how well a run is judged"
    assert "tau" not in chosen().tune["space"]["awac"]


def test_at_the_switch_nothing_runs_online(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Runner().put_in(monkeypatch)
    assert tune(bench, "--at", "switch", algo="awac", trials=2).code == 0
    assert {e.protocol.online_steps for e in runner.ran} == {0}
    assert chosen().tune["criterion"] == "mean success at the switch"


def test_a_trial_runs_on_every_task_and_is_judged_by_their_mean(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Runner(lambda values, seed: seed / 1001).put_in(monkeypatch)
    more = ("--env", "door-binary,pen-binary", "--seeds", "1001,1003")
    assert tune(bench, *more, algo="awac", trials=3).code == 0
    assert Counter(e.task.short_name for e in runner.ran) == {"door-binary": 3, "pen-binary": 3}
    by_trial: dict[str, set[float]] = {}
    for e in runner.ran:
        by_trial.setdefault(e.name, set()).add(e.learner.policy_lr)
    assert [len(values) for values in by_trial.values()] == [1, 1, 1], "the same settings on both"
    file = chosen(Path("tune/door-binary+pen-binary-smoke"))
    assert file.tune["criterion"] == "mean success over the last evaluations, over 2 tasks"
    assert file.tune["best"]["awac"]["score"] == pytest.approx(2 / 3 * (1001 + 1003) / 2 / 1001)
    assert file.tune["data"] == {"door-binary-v0": "f", "pen-binary-v0": "f"}


def test_the_preset_is_taken_by_a_run_on_other_seeds(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    Runner().put_in(monkeypatch)
    tune(bench, "--search", "temperature", trials=6, algo="awac")
    said = bench("explain", "awac", "door-binary", "--profile", "smoke", "--preset", f"{SEARCH}/preset.toml", "--json")
    row = next(row for row in json.loads(said.out) if row["setting"] == "temperature")
    assert row["source"] == "preset tuned: 6 trials on seeds 1000-1002, door-binary-v0, profile smoke"
    assert row["value"] == chosen().methods["awac"]["temperature"]


def test_dry_run_says_what_it_would_take(bench: Bench) -> None:
    said = tune(bench, "--dry-run", algo="sac-scratch", trials=5)
    assert said.code == 0
    assert (
        "policy_lr in 0.0001 to 0.001, evenly in its logarithm    (default 0.0003: default: AWAC Table 2)" in said.out
    )
    assert "alpha in auto | 0.0 | 0.01 | 0.1" in said.out
    assert "estimate: 5 runs, about " in said.out
    assert f"folder: {SEARCH}" in said.out
    assert not Path("tune").exists()


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--trials", "0"), "--trials 0: give 1 or more"),
        (("--round", "0"), "--round 0: give 1 or more"),
        (("--at", "middle"), "--at middle: give end"),
        (("--sampler", "grid"), "--sampler grid: give tpe or random"),
        (("--metric", "final_reward"), "not a score of door-binary-v0; it has success,"),
        (("--seeds", "x"), "--seeds x: give a count (3: seeds 1000 to 1002)"),
        (("--algo", "awak"), "did you mean 'awac'"),
        (("--algo", ""), "must each name at least one"),
        (("--set", "temprature=1"), "did you mean 'temperature'"),
        (("--search", "temprature"), "did you mean 'temperature'"),
        (("--search", "tau", "--set", "tau=0.1"), "nothing is left to search of awac"),
        (("--search", "tau", "--search", "batch_size", "--set", "tau=0.1"), "--search tau: --set fixes it"),
        (("--search", "iql.tau"), "iql is not tuned"),
        (("--env", "door-binary,lunarlander-continuous", "--metric", "return"), "cannot be averaged"),
        (("--algo", "sac-scratch", "--at", "switch"), "sac-scratch learns nothing before the switch"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_a_line(bench: Bench, more: tuple[str, ...], why: str) -> None:
    said = bench("tune", "--algo", "awac", *HERE, *more)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1), said.err
    assert why in said.err
    assert not Path("tune").exists()


def test_seeds_that_reports_begin_with_are_cautioned_against(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Runner().put_in(monkeypatch)
    said = tune(bench, "--seeds", "1-2", algo="awac", trials=1)
    assert "not to be reported, as settings are chosen on them: seeds 1, 2\n" in said.err
    assert [e.seeds for e in runner.ran] == [(1, 2)]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--seeds", "2"), "was begun with seeds [1000, 1001, 1002], not [1000, 1001]"),
        (("--algo", "awac"), "was begun with spaces"),
        (("--no-prune",), "was begun with prune True, not False"),
        (("--set", "eval_episodes=3"), "was begun with set"),
    ],
)
def test_another_search_needs_another_name(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], why: str
) -> None:
    Runner().put_in(monkeypatch)
    tune(bench, trials=2)
    said = bench("tune", "--algo", "awac,iql", "--trials", "2", *HERE, *more)
    assert said.code == 2
    assert why in said.err
    assert said.err.endswith("give this search another --name\n")


def test_a_folder_of_something_else_is_left_alone(bench: Bench) -> None:
    SEARCH.mkdir(parents=True)
    (SEARCH / "notes.txt").write_text("mine")
    said = tune(bench)
    assert said.code == 2
    assert "exists and holds no tune.json" in said.err
    assert os.listdir(SEARCH) == ["notes.txt"]


def test_a_trial_whose_defaults_have_changed_is_not_mixed_with_the_rest(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    Runner(until=40).put_in(monkeypatch)
    tune(bench, algo="awac", trials=1)
    monkeypatch.setitem(PROFILES["smoke"], "hidden", (8, 8))
    said = tune(bench, algo="awac", trials=1)
    assert said.code == 2
    assert "was begun with other defaults" in said.err


def test_trials_on_different_data_are_not_compared(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    Runner().put_in(monkeypatch)
    tune(bench, algo="awac", trials=2)
    record = next(SEARCH.rglob("run.json"))
    facts = json.loads(record.read_text())
    facts["dataset"]["fingerprint"] = "g"
    del facts["checksum"]  # as a run of an earlier version
    record.write_text(json.dumps(facts))
    said = tune(bench, algo="awac", trials=2)
    assert said.code == 2
    assert "cannot be compared; delete its folder to run it again" in said.err


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def wait_for(what: Any, seconds: float = 300) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


REAL = ("tune", "--algo", "sac-scratch", "--env", "point-reach", "--profile", "smoke", "--trials", "2", "--seeds", "1",
        "--round", "1", "--no-prune", "--workers", "0", "--threads", "1", "--device", "cpu", "--name", "s")  # fmt: skip


def begin(out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "suite.cli", *REAL, "--out", str(out)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for child processes in /proc")
def test_a_killed_search_goes_on_and_repeats_no_finished_trial(tmp_path: Path) -> None:
    """kill -9 of the search and of the run that it waits for, in the middle of the second trial."""
    whole = begin(tmp_path / "whole")
    assert whole.wait(600) == 0, whole.communicate()[1]
    parts = begin(tmp_path / "parts")
    folder = tmp_path / "parts" / "s" / "point-reach-v0" / "sac-scratch"

    def running(number: int) -> bool:
        return any(p.name == "metrics.csv" for p in folder.glob(f"trial-{number:03d}-*/*"))

    wait_for(lambda: running(1))
    for pid in (parts.pid, *children(parts.pid)):
        os.kill(pid, signal.SIGKILL)
    parts.wait()
    parts.communicate()
    first = next(folder.glob("trial-000-*"))
    before = (first / "metrics.csv").stat().st_mtime_ns
    again = begin(tmp_path / "parts")
    assert again.wait(600) == 0, again.communicate()[1]
    again.communicate()
    whole.communicate()
    assert (first / "metrics.csv").stat().st_mtime_ns == before
    one, other = (PresetFile.read(str(tmp_path / name / "s" / "preset.toml")) for name in ("whole", "parts"))
    assert (one.methods, one.tune["best"]) == (other.methods, other.tune["best"])
    for path in folder.glob("trial-*"):
        twin = tmp_path / "whole" / path.relative_to(tmp_path / "parts")
        assert (path / "metrics.csv").read_bytes() == (twin / "metrics.csv").read_bytes()


@pytest.mark.slow
def test_ctrl_c_stops_cleanly(tmp_path: Path) -> None:
    search = begin(tmp_path)
    # rows, not the header: a signal before the run listens for it ends it at once
    wait_for(lambda: [path for path in tmp_path.rglob("metrics.csv") if path.read_text().count("\n") > 1])
    search.send_signal(signal.SIGINT)
    _, err = search.communicate(timeout=120)
    assert search.returncode in (130, 143), err
    assert "Traceback" not in err
    assert not list(tmp_path.rglob("preset.toml"))
    states = [read_status(path.parent)["state"] for path in tmp_path.rglob("run.json")]
    assert set(states) <= {"stopped", "finished"}, states
