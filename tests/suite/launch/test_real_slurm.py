"""A real SLURM on this machine: jobs when preempted, out of time, cancelled, in need of data, or on a dead node."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command import Bench
from real_slurm import Slurm, lacking
from signalled import wait_for

from suite.record.folders import read_run, read_status

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(lacking()), reason=lacking() or "there is one")]
pytest.importorskip("submitit")

SIZES = ("--env", "point-reach", "--seeds", "1", "--profile", "smoke", "--workers", "0")
LONG = (
    "run",
    "--algo",
    "sac-scratch,td3",
    *SIZES,
    "--set",
    "td3.prior_data=false",
    "--set",
    "online_steps=1000000",
    "--set",
    "compile=false",
)
PLAN = """
title = "one cell"
seeds = { value = 1, source = "ours" }
[[grid]]
algos = ["awac"]
envs = ["point-reach"]
[set]
dataset_seed = { value = 4, source = "ours" }
"""
SPREAD = """
title = "three cells without data"
seeds = { value = 1, source = "ours" }
[[grid]]
algos = ["sac-scratch"]
envs = ["point-reach"]
[[grid]]
algos = ["td3", "ddpg"]
envs = ["point-reach"]
[grid.set]
prior_data = { value = false, source = "ours", always = true }
[set]
online_steps = { value = 1600, source = "ours", always = true }
eval_every_online = { value = 80, source = "ours", always = true }
compile = { value = "false", source = "ours", always = true }
"""
# the first task that starts here sleeps before it runs anything
SLOW_START = """
import os, time
if "SLURM_PROCID" in os.environ and not os.path.exists("begun"):
    open("begun", "w").close()
    time.sleep(60)
"""


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    yield from started(monkeypatch)


@pytest.fixture
def three_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    yield from started(monkeypatch, nodes=("n1", "n2", "n3"), cores=1)


def started(monkeypatch: pytest.MonkeyPatch, **nodes: Any) -> Iterator[Slurm]:
    """A cluster, and its commands."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # short: a socket's path may not be long
    cluster = Slurm(folder, **nodes)
    for name in ("SLURM_CONF", "PATH"):
        monkeypatch.setenv(name, cluster.environment[name])
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder)


def said() -> str:
    """What all jobs have said."""
    return "".join(path.read_text() for path in sorted(Path("runs/slurm").glob("*.out")))


def steps(run: Path) -> int:
    """Online steps that the run's status tells of."""
    return int(read_status(run).get("env_step", 0)) if (run / "status.json").exists() else 0


def test_jobs_come_back_when_preempted_or_out_of_time_and_not_when_cancelled(bench: Bench, slurm: Slurm) -> None:
    """Of an array of two, both are preempted; the last goes on through the rest."""
    submitted = bench(*LONG, "--slurm", "time=10").err
    jobs = {Path(run): job for run, job in re.findall(r"^(\S+): submitted as job (\S+)$", submitted, re.M)}
    wait_for(lambda: all(map(steps, jobs)))
    first = slurm.take_the_place()
    wait_for(lambda: first not in slurm.jobs())
    preempted = {run: steps(run) for run in jobs}
    assert slurm.jobs().keys() == set(jobs.values()), "both are in the queue again"
    wait_for(lambda: all(steps(run) > preempted[run] for run in jobs), 240)
    assert all(f"resuming at step {done:,}" in said() for done in preempted.values())
    other, (run, job) = jobs.items()
    slurm.run("scancel", other[1])

    slurm.soon_out_of_time(job)
    wait_for(lambda: said().count("Requeued job") == 3)
    wait_for(lambda: read_status(run)["state"] == "stopped")
    stopped = steps(run)
    slurm.run("scontrol", "update", f"JobId={job}", "TimeLimit=10")
    wait_for(lambda: steps(run) > stopped)
    assert f"resuming at step {stopped:,}" in said()
    assert slurm.jobs().keys() == {job}

    slurm.run("scancel", job)
    wait_for(lambda: not slurm.jobs())
    assert read_status(run)["state"] == "stopped"
    assert said().count("Requeued job") == 3
    again = bench(*LONG, "--slurm", "time=10").err
    assert again.count("submitted as job") == 2, "what was cancelled is submitted when asked for"


def test_a_cell_waits_for_its_data_and_a_suite_tells_how_far_it_is(
    bench: Bench, slurm: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job that builds them is asked to leave before its Python could notice, and returns nonetheless."""
    Path("plan.toml").write_text(PLAN)
    Path("sitecustomize.py").write_text(SLOW_START)
    monkeypatch.setenv("PYTHONPATH", f"{Path.cwd()}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    slurm.run("scontrol", "update", "NodeName=localhost", "State=DRAIN", "Reason=not yet")
    plan = ("plan.toml", "--profile", "smoke")
    submitted = bench("suite", "run", *plan, "--workers", "0", "--slurm", "time=10")
    data, cell = re.findall(r"submitted as job (\d+)", submitted.err)
    assert f"after job {data}" in submitted.err
    assert slurm.run("squeue", "--noheader", f"--jobs={cell}", "--format=%E").startswith(f"afterok:{data}")
    assert f"queued: job {cell}" in bench("suite", "status", *plan).out
    again = bench("suite", "run", *plan, "--workers", "0", "--slurm", "time=10")
    assert f"in the queue already, job {cell}" in again.err, "neither data nor cell twice"
    assert sorted(slurm.jobs()) == sorted([data, cell])

    slurm.run("scontrol", "update", "NodeName=localhost", "State=RESUME")
    wait_for(Path("begun").exists)
    slurm.run("scancel", "--signal=TERM", data)
    wait_for(lambda: "Restarts=1" in slurm.run("scontrol", "show", "job", data))
    wait_for(lambda: not slurm.jobs())
    assert read_run(next(Path("runs").glob("*/*/*/run.json")).parent).finished, said()
    assert "finished" in bench("suite", "status", *plan).out


def test_cells_of_a_node_that_dies_go_on_elsewhere(bench: Bench, three_nodes: Slurm) -> None:
    """Killed with its daemon and all that runs on it while its cell trains; nobody gives a command again."""
    Path("plan.toml").write_text(SPREAD)
    plan = ("plan.toml", "--profile", "smoke")
    assert bench("suite", "run", *plan, "--workers", "0", "--out", "undisturbed").code == 0
    submitted = bench("suite", "run", *plan, "--workers", "0", "--slurm", "time=10").err
    jobs = {Path(run): job for run, job in re.findall(r"^(\S+): submitted as job (\S+)$", submitted, re.M)}
    wait_for(lambda: all(map(steps, jobs)), 300)
    places = {job: three_nodes.node_of(job) for job in jobs.values()}
    assert sorted(places.values()) == ["n1", "n2", "n3"], "a cell each"
    job = next(iter(jobs.values()))
    three_nodes.lose(places[job])
    wait_for(lambda: not three_nodes.jobs(), 600)
    assert three_nodes.state(places[job]) == "down"
    assert said().count("resuming at step ") == 1
    for run in jobs:
        assert read_run(run).finished, said()
        alone = "undisturbed" / run.relative_to("runs")
        assert (run / "metrics.csv").read_bytes() == (alone / "metrics.csv").read_bytes()
    assert bench("suite", "status", *plan).out.count("finished") == 3
