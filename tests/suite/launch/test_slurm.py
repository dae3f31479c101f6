"""Cells as SLURM jobs: what sbatch is given, how a job stops and goes on. Scripts play SLURM's commands."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import Bench

from algos.settings import SettingError
from suite.launch.slurm import parse_options, queued, submit
from suite.record.folders import read_run

pytest.importorskip("submitit")

SBATCH = 'cp "$1" "$CLUSTER/submitted.sh"; echo x >> "$CLUSTER/times"; echo "Submitted batch job 12"'
SQUEUE = 'cat "$CLUSTER/queue"'
SCONTROL = 'echo "$@" >> "$CLUSTER/told"'
BOTH = ("--algo", "sac-scratch", "--env", "point-reach,pen-binary", "--seeds", "2", "--profile", "smoke")


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with SLURM's commands, and what they were told."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "queue").touch()
    for name, script in {"sbatch": SBATCH, "srun": "exit 1", "squeue": SQUEUE, "scontrol": SCONTROL}.items():
        play(folder, name, script)
    monkeypatch.setenv("CLUSTER", str(folder))
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def play(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def asked(cluster: Path) -> dict[str, str]:
    """The options in the script that sbatch was given."""
    lines = (cluster / "submitted.sh").read_text().splitlines()
    found = [re.match(r"#SBATCH --([a-z-]+)=(.*)", line) for line in lines]
    return {option[1]: option[2].strip("'") for option in found if option}


def test_cells_become_one_array_with_the_options_asked_for(bench: Bench, cluster: Path) -> None:
    options = ("time=1:30:00", "partition=gpu", "gpus-per-node=1", "cpus_per_task=4", "job-name=hands")
    said = bench("run", *BOTH, "--jobs", "1", *(word for option in options for word in ("--slurm", option)))
    assert said.code == 0, said.err
    folders = re.findall(r"^(runs/\S+): submitted as job 12_[01]$", said.err, re.M)
    assert [folder.split("/")[1] for folder in folders] == ["point-reach-v0", "pen-binary-v0"]
    want = {"time": "90", "partition": "gpu", "gpus-per-node": "1", "cpus-per-task": "4", "job-name": "hands"}
    assert want.items() <= asked(cluster).items()
    assert asked(cluster)["array"] == "0-1%1"
    assert asked(cluster)["signal"].startswith("USR2@")
    for n, env in enumerate(("point-reach", "pen-binary")):
        command = pickle.loads(Path(f"runs/slurm/12_{n}_submitted.pkl").read_bytes()).function.command
        assert command[command.index("--env") + 1] == env
        assert command[command.index("--threads") + 1] == command[command.index("--workers") + 1] == "4"
        assert command[command.index("--out") + 1] == "runs"
    assert said.out == "", "nothing has been run yet"


def test_what_is_in_the_queue_is_left_there(bench: Bench, cluster: Path) -> None:
    bench("run", *BOTH, "--slurm", "time=60")
    (cluster / "queue").write_text("12_1\n99\n")
    said = bench("run", *BOTH, "--slurm", "time=60")
    assert re.findall(r"^runs/pen-binary-v0/\S+: in the queue already, job 12_1$", said.err, re.M)
    assert re.findall(r"^runs/point-reach-v0/\S+: submitted as job 12$", said.err, re.M)
    assert "array" not in asked(cluster)
    (cluster / "queue").write_text("12\n12_1\n")
    assert bench("run", *BOTH, "--slurm", "time=60").code == 0
    assert (cluster / "times").read_text() == "x\nx\n", "nothing was left to submit"
    assert sorted(queued(Path("runs")).values()) == ["12", "12_1"]
    assert queued(Path("runs").resolve()).keys() == {str(Path(folder).resolve()) for folder in queued(Path("runs"))}
    (cluster / "queue").write_text("")
    assert queued(Path("runs")) == {}


@pytest.mark.slow
def test_finished_cells_are_not_submitted(bench: Bench, cluster: Path) -> None:
    one = ("run", "--algo", "sac-scratch", "--env", "point-reach", "--seeds", "1", "--profile", "smoke")
    assert bench(*one).code == 0
    said = bench(*one, "--slurm", "time=60")
    assert "finished already" in said.err
    assert not (cluster / "times").exists()


def test_a_suite_is_submitted_and_its_status_tells_of_the_queue(bench: Bench, cluster: Path) -> None:
    plan = ("awr-table1-online", "--profile", "smoke", "--only", "env=hopper,algo=td3,sac-scratch")
    assert bench("suite", "run", *plan, "--slurm", "time=60").code == 0
    (cluster / "queue").write_text("12_0\n12_1\n")
    said = bench("suite", "status", *plan)
    assert len(re.findall(r"queued: job 12_[01]", said.out)) == 2, said.out


def test_what_sbatch_refuses_is_said_in_one_line(bench: Bench, cluster: Path) -> None:
    play(cluster, "sbatch", "echo 'sbatch: error: invalid partition specified: gqu' >&2; exit 1")
    said = bench("run", *BOTH, "--slurm", "time=60", "--slurm", "partition=gqu")
    assert (said.code, said.err) == (2, "bench: --slurm: invalid partition specified: gqu\n")


def test_without_slurm_it_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = bench("run", *BOTH, "--slurm", "time=60")
    assert said.code == 2
    assert (
        said.err == "bench: --slurm: no sbatch and srun here; submit where SLURM's commands are, or leave --slurm out\n"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("partition", "give an option of sbatch as name=value"),
        ("time=", "give an option of sbatch as name=value"),
        ("partition=gpu", "needs a time limit"),
        ("array=0-3", "set here already"),
        ("time=8h", "give minutes, hours:minutes:seconds or days-hours"),
    ],
)
def test_options_that_are_none(text: str, why: str) -> None:
    with pytest.raises(SettingError, match=why):
        parse_options([text])


def test_cores_are_a_number() -> None:
    with pytest.raises(SettingError, match="give a number of cores"):
        parse_options(["time=1", "cpus-per-task=all"])


@pytest.mark.parametrize(  # sbatch's manual, --time
    ("text", "minutes"),
    [("90", 90), ("90:30", 91), ("1:30:00", 90), ("1-0", 1440), ("1-2", 1560), ("1-2:03", 1563), ("1-2:03:04", 1564)],
)
def test_time_limits_as_sbatch_reads_them(text: str, minutes: int, cluster: Path, tmp_path: Path) -> None:
    from suite.launch.processes import Command

    submit([Command(str(tmp_path / "a"), ["true"])], parse_options([f"time={text}"]), None, tmp_path)
    assert asked(cluster)["time"] == str(minutes)


@pytest.mark.slow
def test_a_job_whose_time_is_up_makes_a_checkpoint_and_goes_on_when_it_is_queued_again(
    bench: Bench, cluster: Path, tmp_path: Path
) -> None:
    """SLURM warns every process of a job, the environments' workers included."""
    words = ("--algo", "sac-scratch", "--env", "point-reach", "--seeds", "1", "--profile", "smoke", "--workers", "2")
    bench("run", *words, "--set", "online_steps=600", "--slurm", "time=60")

    def start() -> subprocess.Popen[str]:
        environment = {**os.environ, "SUBMITIT_EXECUTOR": "slurm", "SLURM_JOB_ID": "12"}
        return subprocess.Popen(
            [sys.executable, "-m", "submitit.core._submit", "runs/slurm"],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    with start() as job:
        wait_for(lambda: any("online" in path.read_text() for path in tmp_path.rglob("metrics.csv")))
        os.killpg(job.pid, signal.SIGUSR2)
        said = job.communicate(timeout=60)[0]
    folder = next(tmp_path.rglob("run.json")).parent
    assert "the same command goes on from here" in said
    assert (cluster / "told").read_text() == "requeue 12\n"
    stopped = read_run(folder).status
    assert stopped["state"] == "stopped"
    assert 0 < stopped["env_step"] < 600
    with start() as job:
        said = job.communicate(timeout=60)[0]
    assert job.returncode == 0, said
    assert read_run(folder).finished


def wait_for(true: object) -> None:
    assert callable(true)
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.05)
