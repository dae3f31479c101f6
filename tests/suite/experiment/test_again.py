"""`bench run --like`: what a record says is done again, whatever the defaults have become."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest
from asked import resolve
from command import Bench

import algos
from algos.settings import SettingError
from envs import tasks
from suite.experiment.again import repeat
from suite.experiment.effect import without_effect
from suite.experiment.experiment import Experiment
from suite.experiment.profiles import PROFILES
from suite.experiment.resolve import resolve_all
from suite.record.folders import FORMAT

ONE = ("--algo", "sac-scratch", "--env", "point-reach", "--seeds", "4-4", "--profile", "smoke", "--workers", "0")


def recorded(experiment: Experiment, folder: Path) -> Path:
    """A run folder of an experiment that has just begun."""
    e = experiment
    folder.mkdir(exist_ok=True)
    facts = {
        "format": FORMAT,
        **e.facts,
        "dataset": {"asked": e.dataset},
        "device": {"kind": "cpu", "threads": 1},
    }
    (folder / "run.json").write_text(json.dumps(facts))
    (folder / "status.json").write_text(json.dumps({"state": "stopped"}))
    return folder


def again(folder: Path) -> Experiment:
    request, _ = repeat(folder)
    (experiment,) = resolve_all(request)
    return experiment


@pytest.mark.slow
def test_a_repeated_run_gives_the_same_bytes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    assert bench("run", *ONE, "--set", "tau=0.1 # faster targets", "--set", "batch_size=12").code == 0
    first = next(Path("runs").rglob("run.json")).parent
    monkeypatch.setitem(PROFILES["smoke"], "hidden", (8,))  # what it stood for has changed since
    assert bench("run", "--like", str(first), "--out", "again", "--workers", "0").code == 0
    second = next(Path("again").rglob("run.json")).parent
    assert second.relative_to("again") == first.relative_to("runs")
    assert (second / "metrics.csv").read_bytes() == (first / "metrics.csv").read_bytes()
    settings = json.loads((second / "run.json").read_text())["settings"]
    assert settings["tau"]["source"] == "--set: faster targets"
    assert settings["hidden"] == {"value": [16, 16], "source": f"--set: as in {first.name}: profile smoke"}
    assert settings["batch_size"] == {"value": 12, "source": "--set"}


@pytest.mark.slow
def test_seeds_and_settings_stand_over_the_record(bench: Bench, tmp_path: Path) -> None:
    folder = recorded(resolve("awac", "point-reach", (0, 1), "smoke", ["temperature=0.5"]), tmp_path / "r")
    said = bench("run", "--like", str(folder), "--dry-run")
    assert "seeds 0, 1," in said.out
    assert "temperature = 0.5 " in said.out
    said = bench("run", "--like", str(folder), "--dry-run", "--seeds", "2-3", "--set", "temperature=0.25")
    assert "seeds 2, 3," in said.out
    assert "temperature = 0.25 " in said.out


@pytest.mark.parametrize("name", list(algos.names()))
def test_every_method_is_itself_again(name: str, tmp_path: Path) -> None:
    """Also with the settings of its own authors, and with a setting of every kind moved."""
    task = "lunarlander" if algos.load(name).default_needs.actions == "any" else "door-binary"
    for n, preset in enumerate(("paper", *(("official",) if "official" in algos.load(name).presets else ()))):
        sets = ["hidden=8,8", "q_bound=none", "copy_targets=false", "discount=0.5"]
        experiment = resolve(name, task, (3,), "quick", sets, "mine", None, preset)
        repeated = again(recorded(experiment, tmp_path / str(n)))
        assert repeated.hash == experiment.hash
        idle = {one.name for one in experiment.overrides} & without_effect(experiment).keys()
        for setting, said in repeated.settings.items():
            kept = {"source": f"--set: as in {n}"} if setting in idle else {}  # else it would be refused today
            assert said == experiment.settings[setting] | kept


def test_numbers_without_end_and_nothing_at_all_are_spelled_as_set_reads_them(tmp_path: Path) -> None:
    experiment = resolve("awac", "door-binary", (0, 5), "smoke", ["temperature=inf", "offline_fraction=none"])
    request, threads = repeat(recorded(experiment, tmp_path))
    assert [str(override) for override in request.overrides] == ["offline_fraction=none", "temperature=inf"]
    assert (request.seeds, threads) == ((0, 5), 1)


def test_sizes_that_a_task_bends_are_repeated_as_they_were_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Collection takes whole episodes: what is not set by hand becomes a multiple of theirs, what is has to be one."""
    task = dataclasses.replace(tasks.get("door-binary"), horizon=150)
    monkeypatch.setattr(tasks, "get", lambda name: task)
    assert resolve("awac", "door-binary", (0,)).protocol.steps_per_iteration == 1050
    with pytest.raises(SettingError, match="steps_per_iteration"):
        resolve("awac", "door-binary", (0,), overrides=["steps_per_iteration=1000"])
    sets = ["steps_per_iteration=300", "online_steps=3000", "eval_every_online=600"]
    experiment = resolve("awac", "door-binary", (0,), "quick", sets)
    assert again(recorded(experiment, tmp_path / "r")).hash == experiment.hash


def test_a_setting_that_is_no_more_is_named(tmp_path: Path) -> None:
    folder = recorded(resolve("bc", "door-binary", (0,), "smoke"), tmp_path / "old")
    facts: dict[str, Any] = json.loads((folder / "run.json").read_text())
    facts["settings"]["warmth"] = {"value": [1, None], "source": "default"}
    (folder / "run.json").write_text(json.dumps(facts))
    with pytest.raises(SettingError, match=r"old: was run with warmth=1,none, a setting that is no more"):
        repeat(folder)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--algo", "awac"), "--like says what a run's --algo is"),
        (("--profile", "quick"), "--like says what a run's --profile is"),
        ((), "run.json"),
    ],
)
def test_what_cannot_be_repeated(arguments: tuple[str, ...], why: str, bench: Bench) -> None:
    said = bench("run", "--like", "nowhere", *arguments)
    assert said.code == 2
    assert why in said.err
    assert said.err.count("\n") == 1


def test_a_run_needs_names_or_a_record(bench: Bench) -> None:
    for arguments in ((), ("--algo", "awac"), ("--env", "door-binary")):
        said = bench("run", *arguments)
        assert said.code == 2
        assert said.err.startswith("bench: name what to train, e.g. --algo awac --env pen-binary")
