"""Preset files: what they say stands over a profile, with its source, and stays in the record when they are gone."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from asked import resolve
from command import Bench
from searched import facts

from algos.settings import SettingError
from suite.experiment.again import repeat
from suite.experiment.experiment import Experiment
from suite.experiment.preset_file import PresetFile
from suite.experiment.request import Request
from suite.experiment.resolve import resolve_all
from suite.experiment.used import check_used
from suite.record.folders import FORMAT

TUNE = {"tasks": ["door-binary-v0"], "profile": "quick", "seeds": [1000, 1001], "trials": 20}
AWAC = {"temperature": 0.52, "tau": 0.004, "advantage_clip": None}
BY_HAND = ("temperature=0.52", "tau=0.004", "advantage_clip=none")


def file(path: Path, methods: dict[str, dict[str, Any]] | None = None, tune: dict[str, Any] | None = TUNE) -> str:
    made = PresetFile(str(path), "tuned", "20 trials on seeds 1000-1001", methods or {"awac": AWAC}, tune or {})
    made.write(path)
    return str(path)


def asked(preset: str, algo: str = "awac", env: str = "door-binary", seeds: str = "3", **more: Any) -> list[Experiment]:
    return resolve_all(Request.parse(algo=algo, env=env, seeds=seeds, preset=preset, **more))


def test_values_stand_over_the_profile_and_say_their_source(tmp_path: Path) -> None:
    (e,) = asked(file(tmp_path / "mine.toml"))
    source = "preset tuned: 20 trials on seeds 1000-1001"
    assert e.settings["temperature"] == {"value": 0.52, "source": source}
    assert e.settings["tau"] == {"value": 0.004, "source": source}, "the quick profile says 0.01"
    assert e.settings["batch_size"]["source"] == "profile quick"
    assert (e.preset, e.name) == ("tuned", "quick-tuned")


def test_set_stands_over_a_file(tmp_path: Path) -> None:
    (e,) = asked(file(tmp_path / "mine.toml"), set_=["tau=0.02"])
    assert e.settings["tau"] == {"value": 0.02, "source": "--set"}


def test_the_hash_follows_the_values_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    (first,) = asked(file(path))
    (same,) = asked(file(tmp_path / "other.toml", tune={}))
    (changed,) = asked(file(path, {"awac": {**AWAC, "tau": 0.005}}))
    by_hand = resolve("awac", "door-binary", (0, 1, 2), overrides=BY_HAND)
    assert first.hash == same.hash == by_hand.hash != changed.hash


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    odd = {"awac": {"temperature": 1e-05, "advantage_clip": None, "hidden": (64, 32), "weight_norm": "exp"}, "bc": {}}
    tune = {
        **TUNE,
        "command": ["bench", 'say "ü"\n\\'],
        "best": {"awac": {"score": 0.5}},
        "data": {"a b": "c"},
        "prune": True,
    }
    path = tmp_path / "odd.toml"
    read = PresetFile.read(file(path, odd, tune))
    assert read.tune == tune
    assert read.methods["awac"] == {**odd["awac"], "advantage_clip": "none", "hidden": [64, 32]}
    (e,) = asked(str(path))
    values = {name: e.settings[name]["value"] for name in odd["awac"]}
    assert values == {**odd["awac"], "hidden": [64, 32]}
    assert tomllib.loads(path.read_text())["tune"]["command"] == tune["command"], "to any reader of TOML"


def test_a_method_that_is_not_in_a_file_keeps_its_defaults(tmp_path: Path) -> None:
    path = file(tmp_path / "mine.toml")
    request = Request.parse(algo="awac,bc", env="door-binary", seeds="1", preset=path)
    awac, bc = experiments = resolve_all(request)
    assert (awac.preset, bc.preset, bc.name, bc.preset_file) == ("tuned", "paper", "quick", None)
    assert check_used(request, experiments) == ["preset tuned: awac only; bc keeps its defaults"]
    assert bc.hash == resolve("bc", "door-binary").hash


def test_a_method_whose_defaults_were_best_is_tuned(tmp_path: Path) -> None:
    path = file(tmp_path / "mine.toml", {"awac": {}})
    (e,) = asked(path)
    assert (e.preset, e.hash) == ("tuned", resolve("awac", "door-binary", (0, 1, 2)).hash)


def test_what_is_otherwise_than_in_the_search_is_said(tmp_path: Path) -> None:
    path = file(tmp_path / "mine.toml")
    request = Request.parse(algo="awac", env="pen-binary", seeds="999-1000", profile="smoke", preset=path)
    assert check_used(request, resolve_all(request)) == [
        "preset tuned: chosen at profile quick, here it is smoke",
        "preset tuned: chosen on door-binary-v0, not on pen-binary-v0",
        "preset tuned: chosen on seed 1000: scores of these are too good, report others",
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("source = ", "not readable as TOML"),
        ('source = "mine"', "at least one table"),
        ('source = "mine"\n[methods]', "at least one table"),
        ("[methods.awac]\ntau = 0.1", "give a source"),
        ('source = "mine"\n[methods.awac]\ntemprature = 1', "did you mean 'temperature'"),
        ('source = "mine"\n[methods.awac]\ntemperature = -1', "methods.awac.temperature=-1.0: must be above 0"),
        ('source = "mine"\n[methods.awac]\ntemperature = nan', "methods.awac.temperature=nan: expected"),
        ('source = "mine"\n[methods.awac]\ntau = "fast"', "methods.awac.tau=fast: expected a finite number"),
        ('source = "mine"\n[methods.awac]\nbatch_size = 0.5', "batch_size=0.5: expected a whole number"),
        ('source = "mine"\n[methods.awack]\ntau = 0.1', "did you mean 'awac'"),
        ('source = "mine"\n[methods.bc]\npolicy_lr = 0.1', "awac has none; in it are bc"),
        ('source = "mine"\nmethods = 3', "methods must be a table"),
        ('source = "mine"\n[methods]\nawac = 3', "methods.awac must be a table"),
        ("source = 3\n[methods.awac]", "source must be a text"),
        ('sauce = "mine"\n[methods.awac]', "did you mean 'source'"),
        ('source = "mine"\n[methods.awac]\n[tune]\nseeds = 3', "seeds must be a list"),
        ('source = "mine"\nname = "a/b"\n[methods.awac]', "cannot be a path"),
        ('source = "mine"\nname = "paper"\n[methods.awac]', "give the file another name"),
    ],
)
@pytest.mark.parametrize("command", ["run", "explain"])
def test_a_file_that_cannot_be_used_is_refused_in_a_line(bench: Bench, text: str, why: str, command: str) -> None:
    Path("mine.toml").write_text(text)
    where = ("--algo", "awac", "--env", "door-binary") if command == "run" else ("awac", "door-binary")
    said = bench(command, *where, "--preset", "mine.toml")
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert "mine.toml" in said.err
    assert why in said.err
    assert not Path("runs").exists()


def test_a_file_that_is_not_there(bench: Bench) -> None:
    said = bench("explain", "awac", "door-binary", "--preset", "mine.toml")
    assert (said.code, said.err) == (2, "bench: --preset mine.toml: no such file; `bench tune` writes one\n")


def test_a_run_is_repeated_when_its_file_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    (e,) = asked(file(path))
    folder = tmp_path / f"{e.name}-{e.hash}"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"format": FORMAT, **facts(e)}))
    (folder / "status.json").write_text('{"state": "stopped"}')
    path.unlink()
    (again,) = resolve_all(repeat(folder)[0])
    assert (again.hash, again.name, again.preset, again.settings) == (e.hash, e.name, e.preset, e.settings)


def test_a_process_reads_a_copy_that_nobody_changes(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    (e,) = asked(file(path))
    assert e.preset_file is not None
    copy = e.preset_file.kept(tmp_path / "runs")
    path.write_text("changed since")
    (again,) = asked(copy.path, name=e.name)
    assert (again.hash, again.name, again.preset) == (e.hash, e.name, e.preset)
    assert Path(copy.path).parent == tmp_path / "runs" / "presets"
    assert e.preset_file.kept(tmp_path / "runs") == copy, "written once"


def test_processes_are_given_the_copy(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run_all(cells: Any, **_: object) -> dict[str, int]:
        commands.extend(list(cell.command) for cell in cells)
        return {cell.name: 0 for cell in cells}

    monkeypatch.setattr("suite.launch.side_by_side.run_all", run_all)
    monkeypatch.setattr("suite.launch.side_by_side.build_missing", lambda *_, **__: {})
    path = file(Path("mine.toml"))
    bench("run", "--algo", "awac,bc", "--env", "door-binary", "--preset", path, "--jobs", "2", "--device", "cpu")
    presets = [command[command.index("--preset") + 1] for command in commands]
    assert presets[1] == "paper"
    assert Path(presets[0]).match("runs/presets/tuned-*.toml")


def test_a_suite_takes_a_file(bench: Bench) -> None:
    path = file(Path("mine.toml"))
    said = bench("suite", "status", "awac-fig3-dexterous", "--preset", path, "--only", "algo=awac,bc,env=door-binary")
    rows = [line for line in said.out.splitlines() if "door-binary" in line]
    assert any("quick-tuned" in row and "awac" in row for row in rows), said.out
    assert "preset tuned: not for bc, which stay as the suite has them" in said.err
    said = bench("suite", "status", "awac-fig3-dexterous", "--preset", file(Path("td3.toml"), {"td3": {}}))
    assert said.code == 2
    assert "none of the suite's methods is in it" in said.err


def test_a_path_is_only_what_ends_in_toml() -> None:
    with pytest.raises(SettingError, match="unknown preset 'oficial'; did you mean 'official'"):
        asked("oficial")
