"""Damage to what a run relies on: it goes on to the same bytes, or says what is wrong; never to others in silence."""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy_run
from toy_run import experiment, train

import suite.train.protocol
from algos.learner.actor_critic import ActorCritic
from disk import sums
from suite.record.folders import find_runs, read_run
from suite.record.rows import RecordError
from suite.record.writer import Extent
from suite.train.cell import run_cell, run_folder
from suite.train.checkpoint import Checkpoints
from suite.train.means import Means

FLIPS = 400  # bits, over all files of a checkpoint


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.fixture(scope="module", autouse=True)
def _toy() -> Iterator[None]:
    with toy_run.registered():
        yield


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """A run killed in its last updates, with two states that both rely on chunks; and what it would have left."""
    out = tmp_path_factory.mktemp("begun")
    real, updates = ActorCritic.update, 0

    def update(*arguments: Any, **named: Any) -> Any:
        nonlocal updates
        updates += 1
        if updates == 22:
            raise Killed
        return real(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suite.train.protocol, "BLOCK", 2)
        patch.setattr(suite.train.protocol, "CHECKPOINT_SECONDS", 0.0)
        patch.setattr(ActorCritic, "update", update)
        with pytest.raises(Killed):
            train(experiment(), out)
    return run_folder(experiment(), out), train(experiment(), tmp_path_factory.mktemp("whole"))


@pytest.fixture
def again(begun: tuple[Path, dict[str, bytes]], tmp_path: Path) -> Path:
    """A copy of the folder of the killed run, where `train(experiment(), tmp_path)` goes on with it."""
    folder = run_folder(experiment(), tmp_path)
    shutil.copytree(begun[0], folder)
    return folder


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8 % len(content)] ^= 1 << bit % 8
    path.write_bytes(content)


def relied_on(folder: Path) -> list[Path]:
    return [
        *sorted(folder.glob("checkpoint/state-*.pt")),
        *folder.glob("checkpoint/online-*.npy"),
        folder / "metrics.csv",
    ]


def test_whatever_bit_is_flipped_no_other_state_is_resumed_from(begun: tuple[Path, dict[str, bytes]]) -> None:
    """The states that are loaded are the two that were written; metrics.csv counts up to the length they say."""
    folder, rng = begun[0], np.random.default_rng(0)
    files, counts = relied_on(folder), {"newest": 0, "before": 0, "refused": 0}
    written = {p.name: torch.load(tail(p), weights_only=True) for p in files if p.suffix == ".pt"}
    kept = {p: p.read_bytes() for p in files}
    for path in files:
        for bit in rng.integers(0, 8 * len(kept[path]), FLIPS // len(files)).tolist():
            flip(path, bit)
            said: list[str] = []
            found = loaded(folder, said.append)
            path.write_bytes(kept[path])
            if isinstance(found, str):
                assert path.name in found, "the damaged file is named"
                counts["refused"] += 1
                continue
            name = f"state-{found[0]:08d}.pt"
            assert same(found[1], written[name])
            assert bool(said) is (name != max(written)), "a state that is passed over is named"
            counts["newest" if name == max(written) else "before"] += 1
    assert counts["before"] > 50, "flips in the newest state"
    assert counts["refused"] > 50, "flips in what both rely on"


def loaded(folder: Path, say: Callable[[str], object]) -> tuple[int, dict[str, Any]] | str:
    """The state that a run would go on from, or why there is none."""
    try:
        return Checkpoints(folder / "checkpoint").load(say) or (0, {})
    except RecordError as error:
        return str(error)


def tail(path: Path) -> Any:
    """A state's file, behind its line of checksums."""
    return io.BytesIO(path.read_bytes().partition(b"\n")[2])


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else bool(one == other)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a bit of the newest state": (lambda d: flip(max(d.glob("checkpoint/state-*.pt")), 40_000), "going on from state-"),
    "the newest state cut off": (
        lambda d: os.truncate(max(d.glob("checkpoint/state-*.pt")), 900),
        "its content is not what was written",
    ),
    "metrics.csv beyond the checkpoint": (lambda d: append(d / "metrics.csv", b"\xff\x00garbage,,\n1,onl"), "resuming"),
}


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as f:
        f.write(content)


@pytest.mark.parametrize("what", DAMAGE)
def test_a_run_goes_on_where_it_can(
    what: str, again: Path, begun: tuple[Path, dict[str, bytes]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    DAMAGE[what][0](again)
    assert train(experiment(), tmp_path) == begun[1]
    assert DAMAGE[what][1] in capsys.readouterr().err
    assert DAMAGE[what][1] in (again / "log.txt").read_text()


def changed_digit(folder: Path) -> None:
    text = (folder / "metrics.csv").read_text()
    at = text.index(".", 200) + 1
    (folder / "metrics.csv").write_text(text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :])


def shorter_chunk(folder: Path) -> None:
    chunk = min(folder.glob("checkpoint/online-*.npy"))
    np.save(chunk, np.load(chunk)[:, :-1])


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a digit of metrics.csv": (changed_digit, "metrics.csv is not what it was in its first"),
    "a chunk with another row count": (shorter_chunk, "online-000000.npy is not what was written"),
    "a bit of both states": (
        lambda d: [flip(path, 40_000) for path in d.glob("checkpoint/state-*.pt")],
        "no checkpoint of",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_run_that_cannot_go_on_says_why_and_changes_nothing(what: str, again: Path, tmp_path: Path) -> None:
    REFUSED[what][0](again)
    before = {p: sums.of_file(p) for p in relied_on(again)}
    with pytest.raises(RecordError, match=REFUSED[what][1]) as caught:
        train(experiment(), tmp_path)
    assert f"or delete {again} to start again" in str(caught.value)
    assert {p: sums.of_file(p) for p in relied_on(again)} == before


def test_a_state_that_may_not_be_read_is_not_called_damaged(again: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.open

    def opened(path: Path, *arguments: Any, **named: Any) -> Any:
        if path.suffix == ".pt":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(RecordError, match=r"state-\d+.pt cannot be read \(Permission denied\); nothing was changed"):
        Checkpoints(again / "checkpoint").load()


def old(folder: Path) -> None:
    """Make a folder one of an earlier version, without checksums."""
    for path in folder.glob("checkpoint/state-*.pt"):
        path.write_bytes(path.read_bytes().partition(b"\n")[2])
    for path in (folder / "run.json", folder / "status.json"):
        content = json.loads(path.read_text())
        path.write_text(json.dumps({k: v for k, v in content.items() if k not in ("checksum", "sums")}))


def test_a_folder_of_an_earlier_version_goes_on(
    again: Path, begun: tuple[Path, dict[str, bytes]], tmp_path: Path
) -> None:
    old(again)
    assert train(experiment(), tmp_path) == begun[1]
    assert json.loads((again / "status.json").read_text())["sums"]


def test_states_of_an_earlier_version_that_are_cut_off_are_passed_over(again: Path) -> None:
    old(again)
    for path in again.glob("checkpoint/state-*.pt"):
        os.truncate(path, 5000)
    with pytest.raises(RecordError, match=r"no checkpoint of .*not a state"):
        Checkpoints(again / "checkpoint").load()


@pytest.mark.parametrize("earlier", [False, True])
def test_a_forged_end_is_not_believed(
    earlier: bool,
    again: Path,
    begun: tuple[Path, dict[str, bytes]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if earlier:
        old(again)
    (again / "status.json").write_text('{"state": "finished", "env_step": 64}')
    assert train(experiment(), tmp_path) == begun[1]
    assert "marked finished, but metrics.csv ends at step 32, not 64: going on" in capsys.readouterr().err


def test_results_of_a_finished_run_are_what_it_wrote(tmp_path: Path) -> None:
    train(experiment(), tmp_path)
    folder = run_folder(experiment(), tmp_path)
    known = json.loads((folder / "status.json").read_text())["sums"]
    assert set(known) == {"metrics.csv", "policy/policy.json", "policy/seed-0.npz", "policy/seed-1.npz"}
    for path in (folder / name for name in known):
        before = path.read_bytes()
        flip(path, 999)
        with pytest.raises(RecordError, match=rf"{path.name} is not what the run wrote"):
            train(experiment(), tmp_path)
        path.write_bytes(before)
    before = (folder / "metrics.csv").read_bytes()
    flip(folder / "metrics.csv", 8 * len(before) - 16)  # its last digit: still a number
    with pytest.raises(RecordError, match=r"metrics\.csv is not what the run wrote"):
        read_run(folder)


def test_a_state_relies_on_its_own_chunks_alone(tmp_path: Path) -> None:
    """One that was written for a state that never came is of no concern."""
    (tmp_path / "metrics.csv").write_text("seed\n")
    checkpoints, extent = (
        Checkpoints(tmp_path / "checkpoint"),
        Extent(*reversed((sums.of_file(tmp_path / "metrics.csv"), 5))),
    )
    checkpoints.write_chunk(0, np.zeros((2, 3, 4), np.float32))
    checkpoints.save(1, {"learner": 1, "chunks": 1}, extent)
    checkpoints.write_chunk(1, np.ones((2, 3, 4), np.float32))
    found = Checkpoints(tmp_path / "checkpoint")
    assert found.load() == (1, {"learner": 1, "chunks": 1})
    found.write_chunk(1, np.full((2, 3, 4), 2, np.float32))
    found.save(2, {"learner": 2, "chunks": 2}, extent)
    assert (found.load() or (0,))[0] == 2


def test_an_option_without_effect_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(experiment(), tmp_path)
    capsys.readouterr()
    run_cell(experiment(), Means(tmp_path, toy_run.ONE_THREAD, keep_policies=True))
    assert "finished already" in (said := capsys.readouterr().err)
    assert "--keep-policies has no effect: evaluations keep them, and all have been made without" in said


def test_a_run_goes_on_without_locks_and_without_a_terminal(
    begun: tuple[Path, dict[str, bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def flock(*_: Any) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    assert train(experiment(), tmp_path / "a") == begun[1]
    assert "no locks in" in capsys.readouterr().err

    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(sys, "stderr", Gone())
    assert train(experiment(), tmp_path / "b") == begun[1]


def test_a_folder_that_may_not_be_looked_into_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(experiment(), tmp_path / "runs")
    shut = tmp_path / "runs" / "shut"
    shut.mkdir()
    real = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path) == shut:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert find_runs(tmp_path / "runs") == [shut, run_folder(experiment(), tmp_path / "runs")]
