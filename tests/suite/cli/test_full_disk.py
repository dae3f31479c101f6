"""Commands on a disk that is full: one line that names the path and what to do, and what was there is still whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import full_disk
import numpy as np
import pytest
import toy_run
from full_disk import PAGE, Outcome, Tree, bench_with

import suite.cli
from envs import tasks
from envs.data.episodes import Episode
from suite.recipes import build
from suite.record import mirror
from suite.train.cell import run_cell
from suite.train.means import Means

PLENTY = 1 << 23


class Disk(NamedTuple):
    """Where a small file system is mounted, what lies on it, and what lies elsewhere."""

    place: Path
    before: Path
    runs: Path
    aside: Path


def done(*arguments: str) -> None:
    """`bench ...`, which works."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["bench", *arguments])
        with pytest.raises(SystemExit) as end:
            suite.cli.main()
    assert end.value.code in (None, 0)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    """Two finished runs; what each command left of the first of them lies on the disk."""
    base = tmp_path_factory.mktemp("full")
    found = Disk(*(base / name for name in ("disk", "before", "runs", "aside")))
    for folder in found:
        folder.mkdir()
    if why := full_disk.why_not(found.place):
        pytest.skip(f"no file system can be mounted here: {why.strip().splitlines()[-1]}")
    with toy_run.registered():
        for algo in ("awac", "bc"):
            run_cell(toy_run.experiment(algo), Means(found.runs, toy_run.ONE_THREAD))
        done("reference", "update", str(found.runs / toy_run.TASK.id / "bc"), "--folder", str(found.before / "packed"))
        done("mirror", str(found.runs / toy_run.TASK.id / "bc"), "--out", str(found.before / "board"))
        done("data", "convert", toy_run.DATA, str(found.aside / "data.npz"))
        done("data", "bundle", toy_run.DATA, "--out", str(found.aside / "data.zip"))
        shutil.copytree(os.environ["MINARI_DATASETS_PATH"], found.before / "store")
        yield found


def refused(outcome: Outcome, named: Path) -> None:
    """It ended in one line with the path, the reason and what to do."""
    assert outcome.code == 2, outcome.err
    assert outcome.err.count("\n") == 1, outcome.err
    assert outcome.err.startswith("bench: ")
    assert f"{named}" in outcome.err
    assert "No space left on device; make room there, or " in outcome.err


def changed(outcome: Outcome) -> Tree:
    """What lies elsewhere on the disk than before, or is gone."""
    names = outcome.before.keys() | outcome.after.keys()
    return {n: outcome.after.get(n, "gone") for n in names if outcome.before.get(n) != outcome.after.get(n)}


def needed(disk: Disk, *arguments: str) -> int:
    """Pages that a command must have: what it writes with room to spare, as what it replaces stays until then."""
    outcome = bench_with(PLENTY, disk.place, disk.before, *arguments)
    assert outcome.code == 0, outcome.err
    written = changed(outcome)
    assert not [name for name in written if "/." in name], "nothing is left beside it"
    pages = sum(-(-len(bytes.fromhex(content)) // PAGE) for content in written.values() if content not in ("/", "gone"))
    assert pages > 0
    return pages


def nothing_changes(disk: Disk, named: Path, *arguments: str) -> None:
    """With any room that is too small, the command is refused and leaves the disk as it was."""
    enough = needed(disk, *arguments)
    for pages in sorted({0, enough // 2, enough - 1}):
        outcome = bench_with(pages * PAGE, disk.place, disk.before, *arguments)
        refused(outcome, named)
        assert changed(outcome) == {}, pages


def test_reference_results(disk: Disk) -> None:
    folder = disk.place / "packed"
    nothing_changes(disk, folder, "reference", "update", str(disk.runs), "--folder", str(folder))


def test_reference_results_in_a_new_folder(disk: Disk) -> None:
    folder = disk.place / "new/packed"
    nothing_changes(disk, folder, "reference", "update", str(disk.runs), "--folder", str(folder))


def test_records_for_tensorboard(disk: Disk) -> None:
    """What was passed on before the room was used up is whole and counted; nothing else is there."""
    pytest.importorskip("tensorboard")
    board = disk.place / "board"
    command = ("mirror", str(disk.runs), "--out", str(board))
    for pages in range(needed(disk, *command)):
        outcome = bench_with(pages * PAGE, disk.place, disk.before, *command)
        refused(outcome, board)
        new = changed(outcome)
        events = {name for name, content in new.items() if content != "/"} - {"board/passed-on.json"}
        assert all("/events.out.tfevents." in name for name in events)
        counted = json.loads(bytes.fromhex(outcome.after["board/passed-on.json"]))
        assert {Path(name).parent.name for name in events} <= {Path(name).name for name in counted}
        assert not set(outcome.before) - set(outcome.after)


def test_records_for_tensorboard_in_a_new_folder(disk: Disk) -> None:
    pytest.importorskip("tensorboard")
    board = disk.place / "new/board"
    outcome = bench_with(0, disk.place, disk.before, "mirror", str(disk.runs), "--out", str(board))
    refused(outcome, board)
    assert changed(outcome) == {}


@pytest.mark.slow
@pytest.mark.parametrize("meanwhile", [False, True], ids=["full", "filled meanwhile"])
@pytest.mark.parametrize("pages", [0, 8])
def test_records_for_weights_and_biases(
    pages: int, meanwhile: bool, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own package goes on as if nothing was wrong where the disk is full."""
    pytest.importorskip("wandb", reason="no wandb: pip install 'awac-bench[wandb]'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    for name in ("CACHE", "CONFIG", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(disk.aside / name))
    real, looks = mirror.reserve, iter([meanwhile])
    monkeypatch.setattr(mirror, "reserve", lambda *asked: None if next(looks, False) else real(*asked))
    out = disk.place / "w"
    command = ("mirror", str(disk.runs), "--to", "wandb", "--out", str(out))
    outcome = bench_with(pages * PAGE, disk.place, disk.before, *command)
    refused(outcome, out)
    assert changed(outcome) == {}
    monkeypatch.setattr(mirror, "reserve", real)
    outcome = bench_with(PLENTY, disk.place, disk.before, *command)
    assert (outcome.code, outcome.err) == (0, "")
    counted = json.loads(bytes.fromhex(outcome.after["w/passed-on.json"]))
    kept = [bytes.fromhex(content) for name, content in outcome.after.items() if name.endswith(".wandb")]
    assert len(kept) == len(counted) == 4, "two runs of two seeds"
    assert all(b"env_step" in content for content in kept)


@pytest.fixture
def store(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store lies on the disk."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(disk.place / "store"))
    return disk.place / "store"


def test_a_dataset_that_is_built(disk: Disk, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def episodes(task: Any, *_: Any) -> Any:
        rng = np.random.default_rng(0)
        obs = rng.uniform(-1, 1, (task.horizon + 1, task.obs_dim)).astype(np.float32)
        action = rng.uniform(-1, 1, (task.horizon, task.action_dim)).astype(np.float32)
        reward = -np.ones(task.horizon, np.float32)
        return [Episode(obs, action, reward=reward)], "made by a test"

    monkeypatch.setitem(build._MAKERS, type(tasks.get("point-reach").recipe), episodes)
    nothing_changes(disk, store, "data", "build", "--env", "point-reach", "--workers", "0")


def test_a_dataset_that_is_imported(disk: Disk, store: Path) -> None:
    command = ("data", "import", str(disk.aside / "data.npz"), "--env", toy_run.TASK.id, "--as", "mine/toy-v0")
    nothing_changes(disk, store, *command)


def test_a_bundle_that_is_added(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(disk.place / "another"))
    nothing_changes(disk, disk.place / "another", "data", "add", str(disk.aside / "data.zip"))


@pytest.mark.parametrize("file", ["data.hdf5", "data.npz", "data.zip"])
def test_a_file_of_a_dataset(disk: Disk, file: str) -> None:
    path = disk.place / file
    command = ("bundle", toy_run.DATA, "--out") if file.endswith("zip") else ("convert", toy_run.DATA)
    nothing_changes(disk, path, "data", *command, str(path))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["torch", "onnx"])
def test_policies_for_other_programs(kind: str, disk: Disk) -> None:
    """Those that were written before the room was used up are whole, with their texts; of the next one nothing is."""
    if kind == "onnx":
        pytest.importorskip("onnxscript", reason="no onnxscript: pip install 'awac-bench[export]'")
    out = disk.place / "exported"
    command = ("export", str(disk.runs / toy_run.TASK.id / "bc"), "--to", kind, "--out", str(out))
    for pages, whole in ((0, 0), (2, 0), (needed(disk, *command) - 1, 1)):
        outcome = bench_with(pages * PAGE, disk.place, disk.before, *command)
        refused(outcome, out)
        new = {name: bytes.fromhex(c) for name, c in changed(outcome).items() if c != "/"}
        texts = [json.loads(content) for name, content in new.items() if name.endswith(".json")]
        assert len(texts) >= whole
        assert {f"exported/{t['file']}" for t in texts} == {name for name in new if not name.endswith(".json")}
        assert all(hashlib.sha256(new[f"exported/{t['file']}"]).hexdigest() == t["sha256"] for t in texts)
        assert ("exported" in outcome.after) == bool(texts)


@pytest.mark.slow
def test_a_report(disk: Disk, tmp_path: Path) -> None:
    done("report", str(disk.runs / toy_run.TASK.id / "bc"), "--out", str(tmp_path / "before/report"))
    there = Disk(disk.place, tmp_path / "before", disk.runs, disk.aside)
    for pages in (0, 4, 64):
        out = there.place / "report"
        outcome = bench_with(pages * PAGE, there.place, there.before, "report", str(disk.runs), "--out", str(out))
        refused(outcome, out)
        assert changed(outcome) == {}, pages
