"""Cells as SLURM jobs: what sbatch is given, how a job stops and goes on. Scripts play SLURM's commands."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
import time
import types
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from command import Bench
from signalled import signal_once

from algos.settings import SettingError
from suite.launch.processes import Command
from suite.launch.slurm import parse_options, queued, submit
from suite.launch.slurm_job import Job
from suite.record.folders import read_run

pytest.importorskip("submitit")

SBATCH = 'cp "$1" "$CLUSTER/submitted.sh"; echo x >> "$CLUSTER/times"; echo "Submitted batch job 12"'
SQUEUE = 'case "$*" in *--jobs=*) echo RUNNING;; *) cat "$CLUSTER/queue";; esac'
COUNTING = (
    'n=$(ls "$CLUSTER" | grep -c "^[0-9]*\\.sh"); n=$((n+1)); cp "$1" "$CLUSTER/$n.sh"; echo "Submitted batch job $n"'
)
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


def options(script: Path) -> dict[str, str]:
    """The options in a script for sbatch; "" of those without a value."""
    found = re.findall(r"^#SBATCH --([a-z-]+)(?:=(.*))?$", script.read_text(), re.M)
    return {name: value.strip("'") for name, value in found}


def asked(cluster: Path) -> dict[str, str]:
    """The options of what was submitted last."""
    return options(cluster / "submitted.sh")


def job_of(number: str) -> Job:
    """What a job carries out."""
    job = pickle.loads(Path(f"runs/slurm/{number}_submitted.pkl").read_bytes()).function
    assert isinstance(job, Job)
    return job


def queued_by(cluster: Path, job: str) -> dict[str, str]:
    (cluster / "queue").write_text(f"{job}\n")
    return queued(Path("runs"))


def word(command: Sequence[str], option: str) -> str:
    return command[command.index(option) + 1]


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
        command = job_of(f"12_{n}").commands[0].command
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


def test_small_cells_share_jobs_and_their_cores(bench: Bench, cluster: Path) -> None:
    three = ("--algo", "sac-scratch", "--env", "point-reach,pen-binary,door-binary", "--profile", "smoke")
    said = bench("run", *three, "--cells-per-job", "2", "--slurm", "time=60", "--slurm", "cpus-per-task=6")
    assert re.findall(r"submitted as job (\S+)", said.err) == ["12_0", "12_0", "12_1"]
    shared = job_of("12_0")
    assert [word(c.command, "--env") for c in shared.commands] == ["point-reach", "pen-binary"]
    assert {word(c.command, "--threads") for c in shared.commands} == {"3"}
    assert len(queued_by(cluster, "12_0")) == 2, "one job, two run folders"


def test_datasets_are_jobs_that_cells_wait_for(bench: Bench, cluster: Path) -> None:
    """One dataset of two cells, which no other cell waits for; it is built once, also for cells that come later."""
    play(cluster, "sbatch", COUNTING)
    both = ("--env", "point-reach", "--seeds", "1", "--profile", "smoke", "--retries", "3", "--slurm", "time=60")
    said = bench("run", "--algo", "awac,bc,sac-scratch", "--set", "dataset_seed=5", *both)
    assert re.findall(r"^dataset \S+/point-reach/default-s5\S+: submitted as job (\d+)$", said.err, re.M) == ["1"]
    assert len(re.findall(r"submitted as job 2_[01], after job 1$", said.err, re.M)) == 2
    assert len(re.findall(r"sac-scratch\S+: submitted as job 3$", said.err, re.M)) == 1
    data, cells, alone = (options(cluster / f"{n}.sh") for n in (1, 2, 3))
    assert (cells["dependency"], cells["kill-on-invalid-dep"], cells["requeue"]) == ("afterok:1", "yes", "")
    assert "dependency" not in data | alone
    assert "--data-only" in job_of("1").commands[0].command
    assert (job_of("1").goes_on, job_of("1").retries, job_of("3").goes_on) == (False, 3, True)
    (cluster / "queue").write_text("1\n")
    said = bench("run", "--algo", "iql", "--set", "dataset_seed=5", *both)
    assert "in the queue already, job 1" in said.err
    assert options(cluster / "4.sh")["dependency"] == "afterok:1"


def test_with_a_limit_a_cell_waits_for_its_own_data_alone(bench: Bench, cluster: Path) -> None:
    """One array, which SLURM limits as a whole; each of its jobs is then told what it waits for, if anything."""
    play(cluster, "sbatch", COUNTING)
    two = ("--env", "point-reach,sawyer-push", "--seeds", "1", "--profile", "smoke", "--set", "dataset_seed=7")
    said = bench("run", "--algo", "bc,sac-scratch", *two, "--jobs", "2", "--slurm", "time=60")
    data = re.findall(r"^dataset \S+: submitted as job (\S+)$", said.err, re.M)
    cells = dict(re.findall(r"^runs/(\S+?)-v0/bc/\S+: submitted as job \S+, after job (\S+)$", said.err, re.M))
    assert data == ["1_0", "1_1"]
    assert set(cells.values()) == set(data)
    array = options(cluster / "2.sh")
    assert (array["array"], array["dependency"]) == ("0-3%2", "afterok:1_0:1_1"), "until it is told, it waits for all"
    told = dict(re.findall(r"^update JobId=(\S+) Dependency=(\S+)$", (cluster / "told").read_text(), re.M))
    waits = {n: word(job_of(f"2_{n}").commands[0].command, "--env") for n in range(4)}
    assert told == {
        f"2_{n}": f"afterok:{cells[env]}" if "bc" in job_of(f"2_{n}").commands[0].command else "0"
        for n, env in waits.items()
    }


def test_where_slurm_does_not_let_it_a_cell_waits_for_all_data_and_says_so(bench: Bench, cluster: Path) -> None:
    play(cluster, "sbatch", COUNTING)
    play(cluster, "scontrol", 'echo "scontrol: error: Access/permission denied" >&2; exit 1')
    one = ("--algo", "bc,sac-scratch", "--env", "point-reach", "--profile", "smoke", "--set", "dataset_seed=8")
    said = bench("run", *one, "--jobs", "1", "--slurm", "time=60")
    assert said.code == 0
    assert "job 2_1 waits for all datasets, not for its own alone: Access/permission denied\n" in said.err
    assert options(cluster / "2.sh")["dependency"] == "afterok:1"


def test_data_alone_are_built_here_or_as_jobs(bench: Bench, cluster: Path) -> None:
    play(cluster, "sbatch", COUNTING)
    asked = ("--algo", "awac", "--env", "point-reach", "--profile", "smoke", "--set", "dataset_seed=6", "--data-only")
    assert "submitted as job 1" in bench("run", *asked, "--slurm", "time=60").err
    assert not (cluster / "2.sh").exists()
    built = bench("run", *asked)
    assert re.fullmatch(r"awac-bench/point-reach/default-s6-\S+\n", built.out)
    assert "is there already" in bench("run", *asked, "--slurm", "time=60").err
    assert not list(Path("runs").glob("point-reach*")), "nothing was trained"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--slurm", "time=60", "--ray", "auto"), "--slurm and --ray: give one of them"),
        (("--cells-per-job", "2"), "--cells-per-job is for --slurm and --ray"),
        (("--retries", "-1"), "give 0 or more"),
    ],
)
def test_options_that_contradict_each_other(bench: Bench, options: tuple[str, ...], why: str) -> None:
    said = bench("run", *BOTH, *options)
    assert (said.code, len(said.err.splitlines())) == (2, 1)
    assert why in said.err


@pytest.fixture
def requeued(monkeypatch: pytest.MonkeyPatch, cluster: Path) -> list[int]:
    """Signals that a job raises for submitit, which then queues it again."""
    raised: list[int] = []
    monkeypatch.setattr("suite.launch.slurm_job.signal.raise_signal", raised.append)
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    return raised


WAITS = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(30)"
FAILS = "import os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); sys.exit(7)"
WAITS_FOR_B = """
import os, pathlib, sys, time
def ended(file):
    try:
        os.kill(int(file.read_text()), 0)
    except (FileNotFoundError, ValueError):
        pass
    except ProcessLookupError:  # its parent knows that it has ended
        return True
while not ended(pathlib.Path(sys.argv[1]).with_name("b")):
    time.sleep(0.05)
"""


def python(name: object, program: str) -> Command:
    return Command(str(name), [sys.executable, "-c", program, str(name)])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_a_job_that_has_to_leave_keeps_what_is_not_done(number: int, requeued: list[int], tmp_path: Path) -> None:
    left, failed = python(tmp_path / "a", WAITS_FOR_B + WAITS), python(tmp_path / "b", FAILS)
    job = Job([left, failed])
    stopper = signal_once([tmp_path / "a"], number)
    with pytest.raises(RuntimeError, match=r"b: exit code 7; .*a: exit code 143"):
        job()
    stopper.join()
    assert requeued == [signal.SIGUSR2]
    assert pickle.loads(pickle.dumps(job)).commands == [left]
    job.commands = [python(tmp_path / "a", "")]
    with pytest.raises(RuntimeError, match="b: exit code 7"):
        job()
    assert len(requeued) == 1


def test_the_last_job_of_an_array_asks_for_itself_alone(
    cluster: Path, requeued: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bare number is the whole array's, of which others may have left."""
    play(cluster, "squeue", 'case "$*" in *--jobs=12_1*) echo RUNNING;; *) echo RUNNING; echo COMPLETING;; esac')
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "1")
    stopper = signal_once([tmp_path / "a"], signal.SIGTERM)
    with pytest.raises(RuntimeError, match="exit code 143"):
        Job([python(tmp_path / "a", WAITS)])()
    stopper.join()
    assert requeued == [signal.SIGUSR2]


def test_a_job_that_was_cancelled_does_not_return(cluster: Path, requeued: list[int], tmp_path: Path) -> None:
    play(cluster, "squeue", "echo COMPLETING")
    stopper = signal_once([tmp_path / "a"], signal.SIGTERM)
    with pytest.raises(RuntimeError, match="exit code 143"):
        Job([python(tmp_path / "a", WAITS)])()
    stopper.join()
    assert requeued == []


# holds the lock of a run folder from a moment before it says so until it is asked for a line
HOLDS = """
import sys
from pathlib import Path
from disk.lock import lock
with lock(Path(sys.argv[1]) / ".lock"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of a node that SLURM has given up, which still runs the cell `a`; it ends when written to."""
    (tmp_path / "a").mkdir()
    command = [sys.executable, "-c", HOLDS, str(tmp_path / "a")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    if process.poll() is None:
        process.communicate("\n")


TAKES_THE_LOCK = """
import sys
from pathlib import Path
from disk.lock import lock
with lock(Path(sys.argv[1]) / ".lock"):
    (Path(sys.argv[1]) / "trained").touch()
"""


def test_a_job_that_returns_waits_for_its_earlier_start(
    elsewhere: subprocess.Popen[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Refused by the lock, the cell would leave the queue, and nobody would take it up when the other is ended."""
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            elsewhere.communicate("\n")

    monkeypatch.setattr("suite.launch.slurm_job.time", types.SimpleNamespace(sleep=sleep))
    Job([python(tmp_path / "a", TAKES_THE_LOCK)])()
    assert (tmp_path / "a" / "trained").exists()
    assert len(looks) == 3
    assert capsys.readouterr().err.count("a: waiting, as a process of this job's earlier start still runs it\n") == 1


def test_a_job_that_waits_leaves_when_it_is_asked_to(
    elsewhere: subprocess.Popen[str], requeued: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    asks = types.SimpleNamespace(sleep=lambda seconds: os.kill(os.getpid(), signal.SIGTERM))
    monkeypatch.setattr("suite.launch.slurm_job.time", asks)
    job = Job([python(tmp_path / "a", TAKES_THE_LOCK)])
    with pytest.raises(RuntimeError, match="a: exit code"):
        job()
    assert requeued == [signal.SIGUSR2]
    assert len(job.commands) == 1
    assert not (tmp_path / "a" / "trained").exists()


def test_what_begins_anew_is_not_queued_again_when_its_time_is_up(requeued: list[int], tmp_path: Path) -> None:
    for number in (signal.SIGUSR2, signal.SIGTERM):
        stopper = signal_once([tmp_path / str(number)], number)
        with pytest.raises(RuntimeError, match="too short" if number == signal.SIGUSR2 else "exit code"):
            Job([python(tmp_path / str(number), WAITS)], goes_on=False)()
        stopper.join()
    assert requeued == [signal.SIGUSR2], "once: when it was preempted"


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
        ("time=0:02:00", "give 5 minutes or more"),
        ("time=3:59", "warned up to 150 s before its end"),
        ("time=8h", "give minutes, hours:minutes:seconds or days-hours"),
    ],
)
def test_options_that_are_none(text: str, why: str) -> None:
    with pytest.raises(SettingError, match=why):
        parse_options([text])


def test_cores_are_a_number() -> None:
    with pytest.raises(SettingError, match="give a number of cores"):
        parse_options(["time=5", "cpus-per-task=all"])


@pytest.mark.parametrize(  # sbatch's manual, --time
    ("text", "minutes"),
    [("90", 90), ("90:30", 91), ("1:30:00", 90), ("1-0", 1440), ("1-2", 1560), ("1-2:03", 1563), ("1-2:03:04", 1564)],
)
def test_time_limits_as_sbatch_reads_them(text: str, minutes: int, cluster: Path, tmp_path: Path) -> None:
    submit([Command(str(tmp_path / "a"), ["true"])], parse_options([f"time={text}"]), tmp_path)
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
