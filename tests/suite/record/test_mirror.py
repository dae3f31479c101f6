"""Records passed on to TensorBoard, whose own reader reads them back, and to Weights & Biases, played by a list."""

from __future__ import annotations

import json
import shutil
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import toy_data
from command import Bench
from toy_run import experiment, registered, train

from suite.record import mirror
from suite.record.folders import read_run
from suite.train.cell import run_folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A finished run of two seeds, in `runs`."""
    for _ in toy_data.isolated(tmp_path / "store", monkeypatch):
        with registered():
            cell = experiment("awac")
            train(cell, tmp_path / "runs")
            yield run_folder(cell, tmp_path / "runs")


def shortened(folder: Path, lines: int) -> str:
    """Take the end off a record, as it was while the run was going on; returns all of it."""
    whole = (folder / "metrics.csv").read_text()
    (folder / "metrics.csv").write_text("".join(whole.splitlines(keepends=True)[:lines]))
    status = json.loads((folder / "status.json").read_text())
    del status["sums"]  # which come with the end
    (folder / "status.json").write_text(json.dumps(status))
    return whole


def test_tensorboard_reads_what_was_recorded(folder: Path, bench: Bench) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    assert bench("mirror", "--out", "board").code == 0
    run = read_run(folder)
    for seed in run.seeds:
        place = Path("board") / run.task / "awac" / folder.name / f"seed-{seed}"
        events = event_accumulator.EventAccumulator(str(place))
        events.Reload()
        own = [row for row in run.rows if row.seed == seed]
        assert set(events.Tags()["scalars"]) == {row.metric for row in own}
        for metric in events.Tags()["scalars"]:
            expected = [(row.env_step, row.value) for row in own if row.metric == metric]
            found = [(event.step, event.value) for event in events.Scalars(metric)]
            assert [step for step, _ in found] == [step for step, _ in expected]
            assert [v for _, v in found] == pytest.approx([v for _, v in expected], rel=1e-6)
        (text,) = events.Tensors("settings/text_summary")
        assert b"| temperature | 0.3 |" in text.tensor_proto.string_val[0]


def test_only_what_is_new_is_passed_on(folder: Path, bench: Bench) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    moments = len({(row.env_step, row.update) for row in read_run(folder).rows})
    rows = (folder / "metrics.csv").read_text().splitlines()
    first = 1 + sum(",offline,-7," in row for row in rows)
    whole = shortened(folder, first)
    (folder / "status.json").write_text((folder / "status.json").read_text().replace("finished", "stopped"))
    bench("mirror", "--out", "board")
    (folder / "metrics.csv").write_text(whole)
    said = bench("mirror", "--out", "board", "--json")
    assert f'"evaluations": {moments},\n  "new": {moments - 1}' in said.out
    assert '"new": 0' in bench("mirror", "--out", "board", "--json").out
    place = next(path.parent for path in Path("board").rglob("events*"))
    events = event_accumulator.EventAccumulator(str(place))
    events.Reload()
    steps = [event.step for event in events.Scalars("success")]
    assert len(steps) == len(set(steps)) == moments


def test_weights_and_biases_is_told_who_it_is_and_what_was_recorded(
    folder: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    session = types.SimpleNamespace(
        define_metric=lambda *names, **more: told.append(("metric", more)),
        log=lambda values: told.append(("log", values)),
        finish=lambda: told.append(("finish", {})),
    )

    def init(**settings: Any) -> Any:
        told.append(("init", settings))
        return session

    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=init, Settings=dict))
    assert bench("mirror", "--to", "wandb", "--out", "w", "--project", "hands").code == 0
    run = read_run(folder)
    begun = [settings for what, settings in told if what == "init"]
    assert [(b["id"], b["project"], b["resume"]) for b in begun] == [
        (f"{run.run['hash']}-{seed}", "hands", "allow") for seed in run.seeds
    ]
    assert begun[0]["config"]["temperature"] == 0.3
    logged = [values for what, values in told if what == "log"]
    for row in run.rows:
        assert any(v.get(row.metric) == row.value and v["env_step"] == row.env_step for v in logged), row
    assert [what for what, _ in told].count("finish") == len(run.seeds)


def test_what_is_still_going_on_is_looked_at_again(folder: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    states = iter(["running", "running", "finished"])
    waited: list[float] = []
    monkeypatch.setattr("suite.record.mirror.read_status", lambda path: {"state": next(states)})
    monkeypatch.setattr("suite.record.mirror.time.sleep", waited.append)
    said = bench("mirror", "--out", "board", "--every", "5")
    assert said.code == 0
    assert waited == [5, 5]
    assert "runs going on: 1" in said.err


def test_what_a_run_writes_as_it_finishes_is_passed_on(
    folder: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends just after a look at its record, so that its last rows take another."""
    pytest.importorskip("tensorboard")
    whole, state, once = shortened(folder, 20), ["running"], mirror.pass_on

    def pass_on(*arguments: Any) -> list[dict[str, Any]]:
        rows = once(*arguments)
        (folder / "metrics.csv").write_text(whole)
        state[:] = ["finished"]
        return rows

    monkeypatch.setattr("suite.record.mirror.pass_on", pass_on)
    monkeypatch.setattr("suite.record.mirror.read_status", lambda path: {"state": state[0]})
    monkeypatch.setattr("suite.record.mirror.time.sleep", lambda seconds: None)
    assert bench("mirror", "--out", "board", "--every", "5").code == 0
    moments = len({(row.env_step, row.update) for row in read_run(folder).rows})
    assert set(json.loads(Path("board/passed-on.json").read_text()).values()) == {moments}


@pytest.mark.parametrize("damage", ['{"a": ', "[3]", '{"a": {}}', "\xff"])
def test_a_damaged_ledger_is_one_line(folder: Path, bench: Bench, damage: str) -> None:
    pytest.importorskip("tensorboard")
    Path("board").mkdir()
    ledger = Path("board/passed-on.json")
    ledger.write_bytes(damage.encode("latin-1"))
    said = bench("mirror", "--out", "board")
    assert (said.code, said.out) == (2, "")
    assert said.err == f"bench: {ledger} cannot be read; delete it, and everything is passed on anew\n"
    ledger.unlink()
    assert bench("mirror", "--out", "board").code == 0


def test_targets_and_packages_that_are_not_there(folder: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bench("mirror", "--to", "paper").err == "bench: --to paper: choose tensorboard or wandb\n"
    monkeypatch.setitem(sys.modules, "wandb", None)
    said = bench("mirror", "--to", "wandb")
    assert said.code == 2
    assert said.err == "bench: --to wandb needs its package: pip install 'awac-bench[wandb]'\n"
    assert not Path("mirror").exists()
    assert "nowhere is not a folder" in bench("mirror", "nowhere").err


def test_a_broken_run_is_named_and_the_others_are_passed_on(folder: Path, bench: Bench) -> None:
    pytest.importorskip("tensorboard")
    shutil.copytree(folder, folder.with_name("broken"))
    (folder.with_name("broken") / "run.json").write_text('{"format": 1, "algo": "x", "task": "y", "seeds": 5}')
    said = bench("mirror", "--out", "board", "--json")
    assert [row["new"] > 0 for row in json.loads(said.out)] == [True, True]
    assert "left out: runs/toy_env:point-v0/awac/broken/run.json: seeds: a list is needed, not 5" in said.err
    shutil.rmtree(folder)
    assert bench("mirror", "--out", "board").code == 2


def test_nothing_is_left_where_nothing_was_passed_on(bench: Bench, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    Path("runs").mkdir()
    assert bench("mirror", "--out", "some/board").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_nothing_is_left_beside_what_was_passed_on(folder: Path, bench: Bench) -> None:
    pytest.importorskip("tensorboard")
    assert bench("mirror", "--out", "board").code == 0
    assert sorted(path.name for path in Path("board").iterdir()) == ["passed-on.json", read_run(folder).task]


@pytest.mark.parametrize("earlier", [False, True], ids=["a new folder", "beside an earlier session"])
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            RuntimeError("api_key not configured\nat all"),
            "--to wandb: api_key not configured; what is new is",
        ),
        (OSError(28, "No space left on device"), "cannot write w: No space left on device; make room there, or name"),
    ],
)
def test_a_session_that_fails_is_one_line_and_leaves_nothing(
    error: Exception, said: str, earlier: bool, folder: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused, or begun on a disk that another process then fills, of which the package says nothing."""
    if earlier:
        Path("w/wandb/run-1").mkdir(parents=True)

    def init(**settings: Any) -> Any:
        place = Path(settings["dir"], "wandb")
        (place / "run-2").mkdir(parents=True)
        (place / "latest-run").symlink_to("run-2")
        if not isinstance(error, OSError):
            raise error
        monkeypatch.setattr(mirror, "reserve", full)
        return types.SimpleNamespace(define_metric=lambda *_, **more: None, log=lambda values: None, finish=bool)

    def full(*_: Any) -> None:
        raise error

    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=init, Settings=dict))
    answer = bench("mirror", "--to", "wandb", "--out", "w")
    assert (answer.code, answer.err.count("\n")) == (2, 1), answer.err
    assert answer.err.startswith(f"bench: {said}")
    assert [str(p) for p in Path("w").rglob("*")] == (["w/wandb", "w/wandb/run-1"] if earlier else [])
    assert Path("w").exists() == earlier
