"""Runs whose updates are compiled, killed by SIGKILL again and again: they end with the bytes of one never killed.

benchmarks/kill.py does the same with a task of its size, and with the plain command in a process that is started anew.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import toy_run
from toy_run import experiment, results, train

import suite.train.evaluate
import suite.train.protocol
import suite.train.recorder
from algos.learner.actor_critic import ActorCritic
from algos.learner.compiled import Compiled, compiler
from suite.record.folders import read_run
from suite.record.writer import RunWriter
from suite.train.cell import run_folder
from suite.train.checkpoint import Checkpoints
from suite.train.protocol import Runner

pytestmark = [pytest.mark.slow, pytest.mark.skipif(compiler() is None, reason="no C++ compiler")]

# at which call of what a process is killed, one after the other; each goes on from what the one before it left
OFFLINE: list[tuple[Any, str, int]] = [
    (ActorCritic, "update", 1),  # before the compiler has anything
    (ActorCritic, "update", 2),  # as it traces
    (Compiled, "_restore", 1),  # as soon as it has compiled
    (Compiled, "run", 3),
    (RunWriter, "append", 1),
    (Checkpoints, "save", 2),
    (os, "replace", 2),
    (Compiled, "run", 2),
    (suite.train.evaluate, "_wave", 1),
    (Compiled, "run", 2),
]
ONLINE: list[tuple[Any, str, int]] = [
    (Runner, "_switch", 1),
    (Compiled, "run", 6),  # across the switch, where updates are compiled anew
    (Runner, "_collect", 2),
    (Checkpoints, "write_chunk", 2),
    (Compiled, "run", 5),
    (os, "replace", 9),
    (RunWriter, "status", 3),
]
END: list[tuple[Any, str, int]] = [(suite.train.recorder, "save_policy", 1), (suite.train.recorder, "save_policy", 2)]
LONGER = {"hidden": "8", "offline_updates": "16", "eval_every_offline": "8", "compile": "true"}


FRESH = "BENCH_TEST_IN_A_FRESH_PROCESS"


@pytest.fixture(scope="module", autouse=True)
def _toy() -> Iterator[None]:
    with toy_run.registered():
        yield


def passes_alone(request: pytest.FixtureRequest) -> str:
    """What the test prints in a Python of its own.

    A compiler that has worked in this process keeps threads, for which its forks would wait for ever.
    """
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-s",
        "-p",
        "no:xdist",
        "-p",
        "no:cacheprovider",
        request.node.nodeid,
    ]
    root = request.config.rootpath
    done = subprocess.run(words, env=os.environ | {FRESH: "1"}, cwd=root, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    return done.stdout


def in_a_child(work: Callable[[], object]) -> int:
    """Exit code of a process that does this; minus the number of the signal that killed it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_at(owner: Any, name: str, number: int) -> None:
    """Have this process killed at a call of that function: before it does anything, or in the middle of others."""
    real, calls = getattr(owner, name), 0

    def call(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)

    setattr(owner, name, call)


@pytest.mark.parametrize(("algo", "kills"), [("bc", [*OFFLINE, *END]), ("awac", [*OFFLINE, *ONLINE, *END])])
def test_no_kill_of_a_compiled_run_loses_anything(
    algo: str,
    kills: list[tuple[Any, str, int]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if FRESH not in os.environ:
        print(passes_alone(request))
        return
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))  # with what killed processes leave there
    importlib.import_module("torch._inductor.compile_fx")  # once, and not in every child
    cell = experiment(algo, **LONGER)

    def trained(out: str) -> None:
        if out == "pieces":  # checkpoints between evaluations too, as in a run of hours
            suite.train.protocol.BLOCK, suite.train.protocol.CHECKPOINT_SECONDS = 2, 0.0
        train(cell, tmp_path / out)

    def killed(owner: Any, name: str, number: int) -> None:
        kill_at(owner, name, number)
        trained("pieces")

    met = []
    for kill in kills:
        met.append(in_a_child(lambda kill=kill: killed(*kill)))
        print(f"{algo}: killed at call {kill[2]} of {kill[1]}" if met[-1] else f"{algo}: {kill[1]} was not met again")
    assert set(met) <= {-signal.SIGKILL, 0}
    count = met.count(-signal.SIGKILL)
    assert count >= 10, f"{count} kills, of {len(kills)}"
    assert in_a_child(lambda: trained("pieces")) == 0
    assert in_a_child(lambda: trained("whole")) == 0
    whole, pieces = (run_folder(cell, tmp_path / out) for out in ("whole", "pieces"))
    assert read_run(pieces).finished
    assert results(pieces) == results(whole)
    for folder in (whole, pieces):
        assert read_run(folder).run["device"]["compiled"] is True
        assert "not compiled" not in (folder / "log.txt").read_text(), "and so they were"
    print(f"{algo}: {count} kills, 0 losses")
