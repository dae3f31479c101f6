"""A SLURM of one node on this machine, for tests: munged, slurmctld and slurmd on the loopback, in their own folder."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
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
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
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
NodeName=localhost NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=low Nodes=localhost Default=YES PriorityTier=1 GraceTime=120 PreemptMode=REQUEUE
PartitionName=high Nodes=localhost PriorityTier=10 PreemptMode=OFF
"""


def lacking() -> str:
    """What keeps SLURM from being started here; nothing where it can be."""
    missing = [name for name in (*DAEMONS, "sbatch") if shutil.which(name, path=PATH) is None]
    return f"no {', '.join(missing)}: apt-get install slurm-wlm munge" if missing else ""


class Slurm:
    """The daemons, from `start` to `stop`, and what its commands answer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "PATH": PATH, "SLURM_CONF": str(folder / "slurm.conf")}

    def start(self) -> None:
        """Bring up the daemons; raises `AssertionError` with their last words where the node does not come up."""
        munge = self.folder / "munge"
        for name in ("munge", "state", "spool"):
            (self.folder / name).mkdir()
        munge.chmod(0o700)
        key = munge / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        text = CONF.format(folder=self.folder, user=getpass.getuser(), ports=_free_ports(2))
        (self.folder / "slurm.conf").write_text(text)
        places = {"key": key, "socket": munge / "socket", "pid": self.folder / "munged.pid", "log": munge / "log"}
        options = [f"--{name}{'' if name == 'socket' else '-file'}={path}" for name, path in places.items()]
        self.run("munged", "--force", f"--seed-file={munge / 'seed'}", *options)
        self.run("slurmctld")
        self.run("slurmd", "-N", "localhost")
        wait_for(lambda: self.run("sinfo", "--noheader", "--format=%T", "--partition=low").strip() == "idle", 30)

    def stop(self) -> None:
        """End all jobs, then the daemons."""
        self.run("scancel", f"--user={getpass.getuser()}")
        self.run("scancel", "--full", "--signal=KILL", f"--user={getpass.getuser()}")
        wait_for(lambda: not self.jobs(), 60)
        for name in reversed(DAEMONS):
            pid = int((self.folder / f"{name}.pid").read_text())
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


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
