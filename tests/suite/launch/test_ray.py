"""Cells on a Ray cluster: what each gets, what becomes of a task's process. `test_real_ray.py` has a real one."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from command import Bench
from signalled import signal_once

from algos.settings import SettingError
from suite.cli import _with_address
from suite.launch.processes import NOT_STARTED, REFUSED, Command
from suite.launch.ray_cluster import LOST, Cluster, Share, _Tasks
from suite.launch.ray_log import Log, log_path
from suite.launch.ray_task import ended
from suite.train.hardware import Hardware

HERE = [str(Path(__file__).parents[3])]
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="no ray: pip install 'awac-bench[ray]'")


@pytest.mark.parametrize(
    ("nodes", "cells", "jobs", "per_gpu", "hardware", "share"),
    [
        ([(8, 0)], 4, None, 1, Hardware(), Share(2)),
        ([(8, 0)], 4, 2, 1, Hardware(), Share(4)),
        ([(8, 0)], 100, None, 1, Hardware(), Share(1)),  # the others wait
        ([(8, 0), (2, 0)], 3, None, 1, Hardware(), Share(2)),  # not 3: the smaller node takes one of 2
        ([(0, 0), (4, 0), (4, 0)], 2, None, 1, Hardware(threads=3), Share(3)),
        ([(16, 2)], 9, None, 1, Hardware(), Share(8, 1.0)),  # as many as there are GPUs
        ([(16, 2)], 9, None, 4, Hardware(), Share(2, 0.25)),
        ([(16, 2)], 3, None, 4, Hardware("cuda"), Share(5, 0.25)),
        ([(64, 0), (4, 1)], 2, None, 2, Hardware(), Share(2, 0.5)),  # a node without a GPU takes none of them
        ([(16, 2)], 4, None, 1, Hardware("cpu"), Share(4)),
    ],
)
def test_what_each_cell_gets_of_a_cluster(
    nodes: list[tuple[int, int]], cells: int, jobs: int | None, per_gpu: int, hardware: Hardware, share: Share
) -> None:
    found = Cluster(nodes).share(cells, jobs, per_gpu, hardware)
    assert found == share
    assert found.hardware(hardware).threads == share.cores


@pytest.mark.parametrize(
    ("nodes", "hardware", "why"),
    [
        ([(4, 0)], Hardware("cuda"), "no node of the Ray cluster has a GPU"),
        ([(4, 0), (2, 0)], Hardware(threads=5), "needs 5 cores, and no node of the cluster has more than 4"),
        ([(0, 0)], Hardware(), "no node of the cluster has more than 0"),
    ],
)
def test_what_a_cluster_cannot_give(nodes: list[tuple[int, int]], hardware: Hardware, why: str) -> None:
    with pytest.raises(SettingError, match=why):
        Cluster(nodes).share(2, None, 1, hardware)


@pytest.mark.parametrize(
    ("words", "read"),
    [
        (["run", "--ray"], ["run", "--ray", "local"]),
        (["run", "--ray", "--env", "x"], ["run", "--ray", "local", "--env", "x"]),
        (["run", "--ray", "head:6379"], ["run", "--ray", "head:6379"]),
        (["run", "--ray=auto"], ["run", "--ray=auto"]),
        ([], []),
    ],
)
def test_the_address_may_be_left_out(words: list[str], read: list[str]) -> None:
    assert _with_address(words) == read


def test_without_ray_it_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suite.launch.ray_cluster.find_spec", lambda name: None)
    said = bench("run", "--algo", "bc", "--env", "point-reach", "--ray")
    assert (said.code, said.err) == (2, "bench: --ray needs Ray: pip install 'awac-bench[ray]'\n")


@needs_ray
@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:70000"])
def test_where_no_cluster_answers_it_says_so_at_once(bench: Bench, address: str) -> None:
    said = bench("run", "--algo", "sac-scratch", "--env", "point-reach", "--ray", address)
    assert (said.code, len(said.err.splitlines())) == (2, 1)
    assert said.err.startswith(f"bench: --ray {address}: no Ray cluster answers there")


@needs_ray
def test_data_alone_are_not_for_ray(bench: Bench) -> None:
    said = bench("run", "--algo", "bc", "--env", "point-reach", "--ray", "--data-only")
    assert (said.code, len(said.err.splitlines())) == (2, 1)


def test_a_task_ends_with_its_commands_code_and_keeps_its_lines(tmp_path: Path) -> None:
    program = "import os, sys; sys.exit(os.environ['WHAT'] + ' in ' + os.getcwd())"
    environment = {"PYTHONPATH": HERE[0], "WHAT": "it ran"}
    for _ in range(2):
        assert ended(["-c", program], str(tmp_path), environment, "ray/a.log", "runs/a") == 1
    said = f"runs/a: on node {platform.node()}\nit ran in {tmp_path}\n"
    assert (tmp_path / "ray" / "a.log").read_text() == said * 2


@pytest.mark.parametrize(("program", "code"), [("143", 143), ("0", 0)])
def test_a_task_that_is_cancelled_asks_its_command_to_stop(program: str, code: int, tmp_path: Path) -> None:
    """Also where SIGINT was ignored, as in what a shell starts in the background; as Ray interrupts a worker."""
    text = f"""
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit({program}))
pathlib.Path("begun").touch()
time.sleep(30)
"""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    stopper = signal_once([tmp_path / "begun"], signal.SIGINT)
    try:
        assert ended(["-c", text], str(tmp_path), {"PYTHONPATH": HERE[0]}, "log", "a") == code
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
        stopper.join()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux kills children with their parents")
def test_a_command_dies_with_the_worker_that_started_it(tmp_path: Path) -> None:
    text = "import os, pathlib, time; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(60)"
    call = f"from suite.launch.ray_task import ended; ended(['-c', {text!r}], {str(tmp_path)!r}, {{}}, 'log', 'a')"
    worker = subprocess.Popen([sys.executable, "-c", call], env={**os.environ, "PYTHONPATH": HERE[0]})
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert worker.poll() is None
        time.sleep(0.05)
    worker.kill()
    worker.wait()
    command = Path("/proc") / (tmp_path / "pid").read_text() / "stat"
    until = time.monotonic() + 20
    while command.exists() and command.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < until, "it has outlived its parent"
        time.sleep(0.05)


def test_new_whole_lines_are_passed_on_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = log_path("runs/a-v0/awac/quick-1", Path("runs"))
    assert str(path) == "runs/ray/a-v0--awac--quick-1.log"
    assert str(log_path("awac-bench/a/default-v0", Path("runs"))) == "runs/ray/awac-bench--a--default-v0.log"
    path = tmp_path / "log"
    Log(path).pass_on()  # not there yet
    path.write_text("of an earlier command\n")
    log = Log(path)
    for text in ("one\ntw", "o\n", ""):
        with path.open("a") as file:
            file.write(text)
        log.pass_on()
    assert capsys.readouterr().err == "one\ntwo\n"


@needs_ray
def test_what_failed_or_was_lost_is_started_again_so_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost node is none of a cell's tries; a folder that such a node still seems to hold is tried again, later."""
    monkeypatch.setattr("suite.launch.ray_cluster._LOCK_SECONDS", 1000.0)
    tasks = _Tasks([Command("a", []), Command("b", [])], Share(1), 1, tmp_path, 1, lambda name: False)

    def again(code: int | None, name: str = "a") -> bool:
        tasks.waiting.clear()
        tasks._perhaps_again(name, code)
        return name in tasks.waiting

    assert not any(map(again, (0, NOT_STARTED, REFUSED, 143)))
    for _ in range(3):
        tasks.lost["a"] += 1
        assert again(LOST)
    assert again(REFUSED)
    assert tasks.waiting["a"] > time.monotonic() + 900
    assert not again(REFUSED, "b")
    assert again(1)
    assert not again(1)
    tasks.lost["a"] = 1000
    assert not again(LOST)


@needs_ray
def test_cells_that_no_node_has_room_for_are_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What each asks for and what nodes have, in one line; again only where the nodes are others."""
    nodes = [
        {"NodeManagerHostname": "n1", "Alive": True, "Resources": {"CPU": 4.0, "GPU": 1.0, "memory": 1e9}},
        {"NodeManagerHostname": "n2", "Alive": True, "Resources": {"CPU": 1.0}},
        {"NodeManagerHostname": "gone", "Alive": False, "Resources": {"CPU": 64.0}},
    ]
    monkeypatch.setattr("ray.nodes", lambda: nodes)
    cells = [Command(name, []) for name in "abcd"]
    tasks = _Tasks(cells, Share(2, 0.5), 4, tmp_path, 0, lambda name: False)
    log_path("a", tmp_path).parent.mkdir()
    for name in "abcd":
        tasks.running[name], tasks.submitted[name] = None, time.monotonic() - 60
    log_path("a", tmp_path).write_text("a: on node n1\n")
    tasks.logs["a"].pass_on()
    tasks.submitted["d"] = time.monotonic()  # it may well be starting
    capsys.readouterr()
    for _ in range(3):
        tasks._tell_of_waiting()
    asked = "2 of 4 wait for room on the cluster (b, c): each asks for 2 cores and 0.5 GPU; of the nodes"
    n2 = "n2 has 1 core"
    taken = f"{asked} n1 has 4 cores and 1 GPU, {n2}; what they have is taken\n"
    assert capsys.readouterr().err == taken
    nodes[0]["Alive"] = False
    for _ in range(2):
        tasks._tell_of_waiting()
    assert capsys.readouterr().err == f"{asked} {n2}; none of them has as much: they wait for one that joins\n"
