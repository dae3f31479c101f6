"""A run killed anywhere and started again leaves the same bytes as one never interrupted."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import resource
import signal
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy_run
from toy_run import experiment, results, train
from updates import followed_by

import suite.train.cell
import suite.train.evaluate
import suite.train.protocol
import suite.train.recorder
from algos.learner.actor_critic import ActorCritic
from suite.record.folders import read_run
from suite.record.rows import RecordError
from suite.record.writer import Extent, RunWriter
from suite.train.cell import run_cell, run_folder
from suite.train.checkpoint import Checkpoints
from suite.train.means import Means
from suite.train.protocol import Runner
from suite.train.stop import Stopped

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "awac": ("awac", {}),
    "sac": ("sac", {}),
    "sac-scratch": ("sac-scratch", {}),
    "sac-bc": ("sac-bc", {}),
    "bc": ("bc", {}),
    "no offline data online": ("awac", {"keep_offline_data": False}),
    "all parts anew": ("sac", {"reset_at_switch": "networks,targets,optimisers,duals"}),
    "half offline": ("sac-prior", {"offline_fraction": 0.5}),
    "nothing kept of the offline data": ("awac", {"prior_data": "warm", "warmup_steps": 32}),
    "chunks of actions": ("fql", {"action_chunk": 3}),
    "warm-up": ("awac", {"warmup_steps": 32}),
    "ring that wraps": ("awac", {"buffer_size": 24}),  # and does not hold whole iterations
    "behaviour of a ring": ("brac", {"buffer_size": 24}),
    "awr": ("awr", {"value_updates": 2, "policy_updates": 5}),
    "awr in a ring that wraps": ("awr", {"value_updates": 2, "policy_updates": 5, "buffer_size": 24}),
    "ppo": ("ppo", {"minibatch": 4, "passes": 2}),
    "dapg": ("dapg", {"value_batch": 4}),
}

# where a process may die: before and after each of these
POINTS: list[tuple[Any, str]] = [
    (Runner, "_collect"), (Runner, "_switch"), (Runner, "_finish"), (ActorCritic, "update"),
    (suite.train.evaluate, "_wave"), (RunWriter, "append"), (RunWriter, "status"),
    (Checkpoints, "write_chunk"), (Checkpoints, "save"), (os, "replace"), (suite.train.recorder, "save_policy"),
]  # fmt: skip
WRITES = {"append", "status", "write_chunk", "save", "replace", "save_policy"}
PLACES = [f"before {name}" for _, name in POINTS] + [f"after {name}" for _, name in POINTS if name in WRITES]


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the suite may catch it."""


@pytest.fixture(scope="module", autouse=True)
def _toy() -> Iterator[None]:
    with toy_run.registered():
        yield


@contextlib.contextmanager
def ticking(tick: Callable[[str], None]) -> Iterator[None]:
    """`tick` is told about every point that a run passes."""

    def told(real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            tick(f"before {name}")
            value = real(*arguments, **named)
            tick(f"after {name}")
            return value

        return call

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in POINTS:
            patch.setattr(owner, name, told(getattr(owner, name), name))
        yield


def passed(case: str, out: Path) -> list[str]:
    """The points that an uninterrupted run passes, in order."""
    points: list[str] = []
    with ticking(points.append):
        start(case, out)
    return points


def start(case: str, out: Path) -> dict[str, bytes]:
    algo, settings = CASES[case]
    return train(experiment(algo, **settings), out)


def start_and_die(case: str, out: Path, tick_number: int) -> bool:
    """Whether the run was still going at that point."""
    points: list[str] = []

    def tick(point: str) -> None:
        points.append(point)
        if len(points) == tick_number:
            raise Killed(point)

    try:
        with ticking(tick):
            start(case, out)
    except Killed:
        return True
    return False


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[list[str], dict[str, bytes]]]:
    """Case -> points passed and bytes left by a run that nobody disturbs."""
    known: dict[str, tuple[list[str], dict[str, bytes]]] = {}

    def look_up(case: str) -> tuple[list[str], dict[str, bytes]]:
        if case not in known:
            out = tmp_path_factory.mktemp("whole")
            with pytest.MonkeyPatch.context() as patch:  # whatever a test has set
                patch.setattr(suite.train.protocol, "BLOCK", 50)
                patch.setattr(suite.train.protocol, "CHECKPOINT_SECONDS", 1e9)
                points = passed(case, out)
            algo, settings = CASES[case]
            known[case] = points, results(run_folder(experiment(algo, **settings), out))
        return known[case]

    return look_up


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints between evaluations too, as in a run of hours."""
    monkeypatch.setattr(suite.train.protocol, "BLOCK", 2)
    monkeypatch.setattr(suite.train.protocol, "CHECKPOINT_SECONDS", 0.0)


@pytest.mark.parametrize("place", PLACES)
def test_killed_once_at_every_kind_of_place(place: str, uninterrupted: Any, tmp_path: Path) -> None:
    points, whole = uninterrupted("awac")
    there = [n for n, point in enumerate(points, start=1) if point == place]
    chosen = np.random.default_rng(zlib.crc32(place.encode())).choice(there)
    assert start_and_die("awac", tmp_path, int(chosen))
    assert start("awac", tmp_path) == whole


def test_killed_just_after_it_has_finished(uninterrupted: Any, tmp_path: Path) -> None:
    """The status says so, the online rows are still there: the same command removes them."""
    points, whole = uninterrupted("awac")
    assert start_and_die("awac", tmp_path, len(points) - points[::-1].index("after status"))
    folder = run_folder(experiment("awac"), tmp_path)
    assert read_run(folder).finished
    assert list(folder.glob("checkpoint/online-*"))
    assert start("awac", tmp_path) == whole
    assert not list(folder.glob("checkpoint/online-*"))


@pytest.mark.slow
@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("case", CASES)
def test_killed_again_and_again_at_random_updates(
    case: str, uninterrupted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every third of the run once; it goes on from a checkpoint in the middle of a phase or an iteration."""
    points, whole = uninterrupted(case)
    thirds = np.array_split(np.arange(1, points.count("after update")), 3)
    rng = np.random.default_rng(zlib.crc32(case.encode()))
    for last in [int(rng.choice(third)) for third in thirds]:

        def die(learner: ActorCritic, number: int, last: int = last) -> None:
            if number == last:
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(ActorCritic, "update", followed_by(die))
            with pytest.raises(Killed):
                start(case, tmp_path)
    assert start(case, tmp_path) == whole


@pytest.mark.parametrize("case", ["ring that wraps", "no offline data online"])
def test_killed_in_the_last_iteration(case: str, uninterrupted: Any, tmp_path: Path) -> None:
    """A chunk then holds several iterations, more rows than the ring."""
    folder = die_online(case, tmp_path / "out")
    assert np.load(folder / "checkpoint" / "online-000000.npy").shape[1] == 32
    assert start(case, tmp_path / "out") == uninterrupted(case)[1]


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2])
def test_a_stop_signal_ends_the_run_at_a_checkpoint(signal_number: int, uninterrupted: Any, tmp_path: Path) -> None:
    """Asked to stop in an update of the second iteration, it saves and says so; the same command goes on."""
    whole = uninterrupted("awac")[1]  # before anything is counted: it may have to be run first
    done: list[str] = []

    def tick(point: str) -> None:
        done.extend([point] if point == "after update" else [])
        if point == "after update" and len(done) == 13:
            os.kill(os.getpid(), signal_number)

    handlers = [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)]
    with ticking(tick), pytest.raises(Stopped, match="the same command goes on") as stop:
        start("awac", tmp_path)
    assert stop.value.code == 128 + signal_number
    assert [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)] == handlers
    folder = run_folder(experiment("awac"), tmp_path)
    assert read_run(folder).status["state"] == "stopped"
    with ticking(tick):
        assert start("awac", tmp_path) == whole
    assert len(done) == 7 + 16, "it went on from where it stopped: no update was made twice"


def test_a_finished_run_is_left_alone(uninterrupted: Any, tmp_path: Path) -> None:
    start("awac", tmp_path)
    folder = run_folder(experiment("awac"), tmp_path)
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}
    start("awac", tmp_path)
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()} == before
    assert not list(folder.glob("checkpoint/online-*")), "the online rows of a finished run are dead weight"


def die_online(case: str, out: Path) -> Path:
    """A run killed in its last iteration, with two states and a chunk on disk; the run folder."""
    points = passed(case, out.parent / "whole")
    assert start_and_die(case, out, len(points) - points[::-1].index("before _collect"))
    algo, settings = CASES[case]
    folder = run_folder(experiment(algo, **settings), out)
    assert len(list(folder.glob("checkpoint/state-*.pt"))) == 2
    assert list(folder.glob("checkpoint/online-*.npy"))
    return folder


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    path.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "zeros": bytes(len(content))}[how])


@pytest.mark.parametrize("how", ["cut", "empty", "zeros"])
def test_falls_back_to_the_older_state(how: str, uninterrupted: Any, tmp_path: Path) -> None:
    folder = die_online("awac", tmp_path / "out")
    damage(max(folder.glob("checkpoint/state-*.pt")), how)
    assert start("awac", tmp_path / "out") == uninterrupted("awac")[1]


def test_leftovers_of_a_killed_writer_are_ignored_and_removed(uninterrupted: Any, tmp_path: Path) -> None:
    folder = die_online("awac", tmp_path / "out")
    leftovers = [
        folder / "checkpoint" / ".state-00000099.pt.tmp",
        folder / "checkpoint" / ".online-000099.npy.tmp",
        folder / ".status.json.x1y2",
    ]
    for path in leftovers:
        path.write_bytes(b"half")
    with (folder / "metrics.csv").open("a") as f:
        f.write("0,online,64,23,suc")
    np.save(folder / "checkpoint" / "online-000001.npy", np.zeros((2, 3, 4)))  # beyond the state: not its own
    assert start("awac", tmp_path / "out") == uninterrupted("awac")[1]
    assert not any(path.exists() for path in leftovers)


def without_checksum(run: str) -> str:
    """run.json as earlier versions wrote it."""
    return json.dumps({name: value for name, value in json.loads(run).items() if name != "checksum"}, indent=1)


def test_says_what_is_broken(tmp_path: Path) -> None:
    folder = die_online("awac", tmp_path / "out")
    states, chunk = sorted(folder.glob("checkpoint/state-*.pt")), folder / "checkpoint" / "online-000000.npy"
    kept = {p: p.read_bytes() for p in (*states, chunk, folder / "metrics.csv", folder / "run.json")}

    def refused() -> str:
        with pytest.raises(RecordError) as caught:
            start("awac", tmp_path / "out")
        for path, content in kept.items():
            path.write_bytes(content)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    for state in states:
        damage(state, "cut")
    said = refused()
    assert f"no checkpoint of {folder} can be relied on: {states[1].name} (its content is not what was written)" in said
    assert said.endswith(f"bring the files back from a copy, or delete {folder} to start again")
    (folder / "metrics.csv").write_bytes(kept[folder / "metrics.csv"][:200])
    assert "metrics.csv holds 200 of " in refused()
    damage(states[0], "cut")  # the one before has no chunk
    damage(chunk, "cut")
    assert f"{states[1].name} (online-000000.npy is not what was written)" in refused()
    damage(states[0], "cut")
    chunk.unlink()
    assert f"{states[1].name} (online-000000.npy is missing)" in refused()
    (folder / "run.json").write_text('{"format": 1')
    assert "not readable as JSON" in refused()
    (folder / "run.json").write_text('{"format": 99}')
    assert "format 99, this version reads 1" in refused()
    (folder / "run.json").write_text('{"format": 1, "algo": "awac", "task": "x", "seeds": [0]}')
    assert "not the record of this run" in refused()
    text = kept[folder / "run.json"].decode()
    (folder / "run.json").write_text(without_checksum(text.replace(experiment("awac").hash, "0badc0de")))
    assert "not the record of this run (hash 0badc0de" in refused()
    for old, new in (('"fingerprint": "', '"fingerprint": "x'), ('"threads": 1', '"threads": 2'), ("  1\n", "  3\n")):
        assert old in text
        (folder / "run.json").write_text(text.replace(old, new))
        assert "run.json: settings, seeds or other facts are not those that were written" in refused()
        (folder / "run.json").write_text(without_checksum(text.replace(old, new)))
        if "threads" not in old:
            assert re.search("the dataset is now|its seeds or settings are not those of its hash", refused())
    assert start("awac", tmp_path / "out"), "restored, it goes on"


@contextlib.contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """As on a full disk: a write beyond `size` fails, whoever writes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [300, 2000, 8000])  # in run.json, in metrics.csv, in the first state
def test_a_full_disk_is_one_clear_error_and_the_run_goes_on(size: int, uninterrupted: Any, tmp_path: Path) -> None:
    whole = uninterrupted("awac")[1]
    out = tmp_path / "out"
    with no_file_larger_than(size), pytest.raises(RecordError, match=r"make room and run the same command again"):
        start("awac", out)
    assert size > 300 or not out.exists(), "nothing was begun, nothing may stay"
    half_written = [p for p in out.rglob("*") if p.suffix == ".tmp" or ".json." in p.name]
    assert not half_written
    assert start("awac", out) == whole


def test_a_full_disk_late_in_the_run(uninterrupted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From some moment on nothing can be written any more, not even the log."""
    whole = uninterrupted("awac")[1]
    calls: list[int] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        calls.append(handle)
        if len(calls) > 12:
            raise OSError(28, "No space left on device")
        real(handle)

    def log(*_: Any) -> None:
        if len(calls) > 12:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        patch.setattr(RunWriter, "log", log)
        with pytest.raises(RecordError, match="No space left on device; make room"):
            start("awac", tmp_path)
    assert start("awac", tmp_path) == whole


def state_of(number: int, chunks: int = 0, size: int = 3) -> dict[str, Any]:
    return {"learner": torch.full((size,), float(number)), "n": number, "chunks": chunks}


def metrics(folder: Path, more: str = "") -> Extent:
    """What a folder's metrics.csv holds, with something appended."""
    with (folder / "metrics.csv").open("a") as f:
        f.write(more)
    content = (folder / "metrics.csv").read_bytes()
    return Extent(len(content), hashlib.sha256(content).hexdigest())


def test_states_are_numbered_and_two_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoint")
    assert checkpoints.load() is None
    for number in (1, 2, 3):
        checkpoints.save(number, state_of(number), metrics(tmp_path))
    assert [p.name for p in sorted((tmp_path / "checkpoint").iterdir())] == ["state-00000002.pt", "state-00000003.pt"]
    number, state = checkpoints.load() or (0, {})
    assert (number, state["n"], state["learner"].tolist()) == (3, 3, [3.0, 3.0, 3.0])


def test_a_state_never_runs_code(tmp_path: Path) -> None:
    """A checkpoint from a stranger is read as data: one that would call a function counts as unreadable."""
    checkpoints = Checkpoints(tmp_path / "checkpoint")

    class Evil:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {tmp_path / 'owned'}",)

    torch.save({"learner": Evil(), "chunks": 0}, tmp_path / "checkpoint" / "state-00000001.pt")
    with pytest.raises(RecordError, match="no checkpoint"):
        checkpoints.load()
    assert not (tmp_path / "owned").exists()


def test_a_failed_write_keeps_what_was_there(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoint")
    checkpoints.save(1, state_of(1), metrics(tmp_path))
    with no_file_larger_than(1000), pytest.raises(OSError, match="too large"):
        checkpoints.save(2, state_of(2, size=3000), metrics(tmp_path))
    with no_file_larger_than(1000), pytest.raises(OSError, match="too large"):
        checkpoints.write_chunk(0, np.zeros((2, 600, 3), np.float32))
    assert [p.name for p in (tmp_path / "checkpoint").iterdir()] == ["state-00000001.pt"]
    assert (checkpoints.load() or (0,))[0] == 1


def test_two_processes_cannot_run_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one is told so and leaves the first one's lock alone, also before there is a run.json."""
    said: list[str] = []
    folder = run_folder(experiment("awac"), tmp_path)

    def intrude() -> None:
        for _ in range(2):
            assert (folder / ".lock").exists()
            with pytest.raises(RecordError) as caught:
                run_cell(experiment("awac"), Means(tmp_path, toy_run.ONE_THREAD))
            said.append(str(caught.value))

    data = suite.train.cell._data

    def slow_data(*arguments: Any) -> Any:
        assert not (folder / "run.json").exists()
        intrude()
        return data(*arguments)

    monkeypatch.setattr(suite.train.cell, "_data", slow_data)
    with ticking(lambda point: intrude() if point == "before _switch" else None):
        start("awac", tmp_path)
    assert said == [f"{folder} is being run by another process"] * 4
