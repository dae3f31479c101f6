"""A SLURM on this machine, for tests: munged, slurmctld and a slurmd per node on the loopback, in their own folder."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from signalled import wait_for

__all__ = ["HIGH", "Slurm", "lacking"]

DAEMONS = ("munged", "slurmctld", "slurmd")
HIGH = "high"  # the partition whose jobs take the place of others
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])

# jobs requeued may begin again as soon as their credentials have expired; those of `low` get time to leave
CONF = """
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=30
ReturnToService=2
{lines}
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 GraceTime=120 PreemptMode=REQUEUE
PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF
"""


def lacking() -> str:
    """What keeps SLURM from being started here; nothing where it can be."""
    missing = [name for name in (*DAEMONS, "sbatch") if shutil.which(name, path=PATH) is None]
    return f"no {', '.join(missing)}: apt-get install slurm-wlm munge" if missing else ""


class Slurm:
    """The daemons, from `start` to `stop`, and what its commands answer."""

    def __init__(self, folder: Path, nodes: Sequence[str] = ("localhost",), cores: int = 2) -> None:
        self.folder = folder
        self.nodes, self.cores = nodes, cores
        self.environment = {**os.environ, "PATH": PATH, "SLURM_CONF": str(folder / "slurm.conf")}

    def start(self) -> None:
        """Bring up the daemons; raises `AssertionError` with their last words where the node does not come up."""
        munge = self.folder / "munge"
        for name in ("munge", "state", *(f"spool-{node}" for node in self.nodes)):
            (self.folder / name).mkdir()
        munge.chmod(0o700)
        key = munge / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        ports = _free_ports(1 + len(self.nodes))
        lines = "\n".join(
            f"NodeName={node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs={self.cores} State=UNKNOWN"
            for node, port in zip(self.nodes, ports[1:], strict=True)
        )
        text = CONF.format(folder=self.folder, user=getpass.getuser(), ports=ports, lines=lines)
        (self.folder / "slurm.conf").write_text(text)
        places = {"key": key, "socket": munge / "socket", "pid": self.folder / "munged.pid", "log": munge / "log"}
        options = [f"--{name}{'' if name == 'socket' else '-file'}={path}" for name, path in places.items()]
        self.run("munged", "--force", f"--seed-file={munge / 'seed'}", *options)
        self.run("slurmctld")
        for node in self.nodes:
            self.run("slurmd", "-N", node)
        wait_for(lambda: all(self.state(node) == "idle" for node in self.nodes), 30)

    def stop(self) -> None:
        """End all jobs, then the daemons."""
        self.run("scancel", f"--user={getpass.getuser()}")
        self.run("scancel", "--full", "--signal=KILL", f"--user={getpass.getuser()}")
        wait_for(lambda: not self.jobs(), 60)
        for name in (*(f"slurmd-{node}" for node in self.nodes), "slurmctld", "munged"):
            pid = int((self.folder / f"{name}.pid").read_text())
            with suppress(ProcessLookupError):  # of a node that was lost
                os.kill(pid, signal.SIGTERM)
            wait_for(lambda pid=pid: not Path(f"/proc/{pid}").exists(), 30)  # type: ignore[misc]

    def run(self, *command: str) -> str:
        """Run one of SLURM's commands; returns what it says."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def jobs(self) -> dict[str, str]:
        """Jobs in the queue and their states."""
        lines = self.run("squeue", "--noheader", "--array", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)

    def state(self, node: str) -> str:
        """State of a node, such as idle or down."""
        return self.run("sinfo", "--noheader", f"--nodes={node}", "--format=%T", "--partition=low").strip().rstrip("*")

    def node_of(self, job: str) -> str:
        """The node that a running job is on."""
        return self.run("squeue", "--noheader", f"--jobs={job}", "--format=%N").strip()

    def lose(self, node: str) -> None:
        """Kill all that runs on a node, as a cut of its power does, and tell SLURM that it is gone."""
        for pid in _processes(self.folder / f"slurmd-{node}.log"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=no power")

    def take_the_place(self) -> str:
        """Submit a short job that needs the whole node, and gets it; returns its id."""
        script = self.folder / "high.sh"
        script.write_text("#!/bin/sh\nsleep 1\n")
        told = self.run("sbatch", f"--partition={HIGH}", "--exclusive", "--output=/dev/null", str(script))
        return told.split()[-1]

    def soon_out_of_time(self, job: str) -> None:
        """Have SLURM warn a running job at its next look at the clock, 30 s apart, and kill it 30 s later or more."""
        clock = self.run("squeue", "--noheader", f"--jobs={job}", "--format=%M").strip()
        minutes = int(clock.split(":")[-2])
        self.run("scontrol", "update", f"JobId={job}", f"TimeLimit={minutes + 2}")


def _processes(log: Path) -> list[int]:
    """The daemon that writes this log, the steps that it has started, which do so too, and all that runs in them."""
    found, children = [], {}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(place.name))
            if any(Path(os.readlink(handle)) == log for handle in (place / "fd").iterdir()):
                found.append(int(place.name))
    for pid in found:  # which grows
        found += [child for child in children.get(pid, ()) if child not in found]
    return found


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
