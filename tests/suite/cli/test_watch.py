"""`bench watch`: runs that go on are seen while they do, and leave nothing of it behind."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy_run
from command import Bench

from disk.lock import lock
from suite.record.folders import LOCK
from suite.record.standing import going, write_standing
from suite.record.writer import RunWriter
from suite.train import recorder

FAR = {"phase": "online", "done": 500, "total": 2_000, "unit": "steps", "rate": 12.5, "left": 130.0}


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[Path]:
    """A run that goes on, with its lock held as by its process, beside one that nobody runs."""
    for name in ("quick-a", "quick-b"):
        RunWriter(tmp_path / "runs" / "t-v0" / "awac" / name).create({"algo": "awac", "task": "t-v0", "seeds": [0, 1]})
    run = tmp_path / "runs" / "t-v0" / "awac" / "quick-a"
    with lock(run / LOCK):
        yield run


def test_what_goes_on_is_shown(begun: Path, bench: Bench) -> None:
    (row,) = json.loads(bench("watch", "--json").out)
    assert (row["phase"], row["left"], row["run"]) == ("starting", "-", "quick-a")
    write_standing(begun, **FAR, score="success 0.40 at 0")
    said = bench("watch", "--once")
    assert said.code == 0
    for word in ("quick-a", "online", "500/2,000 steps", "12 steps/s", "2m10s", "success 0.40 at 0"):
        assert word in said.out
    assert "quick-b" not in said.out


@pytest.mark.parametrize("text", ["", "{", "[]", '{"phase": 3}', '{"phase": "online"}'])
def test_what_cannot_be_read_is_a_run_that_starts(text: str, begun: Path) -> None:
    (begun / "progress.json").write_text(text, encoding="utf-8")
    (run,) = going([begun.parents[2]])
    assert (run.phase, run.total) == ("starting", 0)


def test_it_ends_when_nothing_goes_on(begun: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    write_standing(begun, **FAR)

    def end(seconds: float) -> None:
        assert seconds == 0.1
        (begun / "status.json").write_text('{"state": "finished"}', encoding="utf-8")

    with monkeypatch.context() as patch:
        patch.setattr(time, "sleep", end)
        said = bench("watch", "--every", "0.1")
    assert (said.code, "500/2,000" in said.out) == (0, True)
    said = bench("watch")
    assert (said.code, said.out) == (0, "")
    assert "no run goes on below runs" in said.err


def test_a_run_says_how_far_it_is_and_takes_it_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(recorder, "STANDING_EVERY", 0.0)
    real = recorder.write_standing
    monkeypatch.setattr(recorder, "write_standing", lambda run, **said: (real(run, **said), seen.append(going([run]))))
    with toy_run.registered():
        words = ["run", "--algo", "awac", "--env", toy_run.TASK.id, "--seeds", "2", "--dataset", toy_run.DATA]
        words += ["--device", "cpu", "--threads", "1", "--workers", "0", "--mirror", "tensorboard"]
        said = bench(*words, *toy_run.options(toy_run.SIZES))
    assert said.code == 0, said.err
    moments = [run for (run,) in seen]
    assert {run.phase for run in moments} == {"offline", "online"}
    assert [run.done for run in moments if run.phase == "online"] == [16, 32, 48, 64]
    assert moments[-1].left == 0
    assert moments[-1].score.startswith("success ")
    folder = Path(said.out.strip())
    assert not (folder / "progress.json").exists()
    passed = json.loads(Path("mirror/passed-on.json").read_text(encoding="utf-8"))
    assert len(passed) == 2, "both seeds"
    assert all(count == len({(r.env_step, r.update) for r in toy_rows(folder)}) for count in passed.values())
    assert list(Path("mirror").rglob("events.out.tfevents.*"))


def toy_rows(folder: Path) -> list:
    from suite.record.folders import read_run

    return list(read_run(folder).rows)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--mirror", "tensorbord"], "--mirror tensorbord: choose tensorboard or wandb"),
        (["--mirror", "wandb"], "--mirror wandb needs its package: pip install 'awac-bench[wandb]'"),
    ],
)
def test_a_mirror_that_is_none_is_said_before_anything_is_trained(
    more: list[str], message: str, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from suite.record import mirror

    real = mirror.find_spec
    monkeypatch.setattr(mirror, "find_spec", lambda name: None if name == "wandb" else real(name))
    with toy_run.registered():
        said = bench("run", "--algo", "bc", "--env", toy_run.TASK.id, "--dataset", toy_run.DATA, *more)
    assert (said.code, said.err) == (2, f"bench: {message}\n")
    assert not list(tmp_path.iterdir())


def test_a_mirror_that_fails_keeps_nobody_from_training(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from suite.launch import mirrored

    monkeypatch.setattr(mirrored, "pass_on", lambda *_: 1 / 0)
    with toy_run.registered():
        words = ["run", "--algo", "bc", "--env", toy_run.TASK.id, "--seeds", "1", "--dataset", toy_run.DATA]
        words += ["--threads", "1", "--workers", "0", "--mirror", "tensorboard"]
        offline = ("hidden", "batch_size", "offline_updates", "eval_every_offline", "eval_episodes")
        said = bench(*words, *toy_run.options({name: toy_run.SIZES[name] for name in offline}))
    assert said.code == 0
    assert said.err.count("not mirrored any more: ZeroDivisionError") == 1
