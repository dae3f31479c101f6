"""How several cells are spread: over processes here, jobs of a SLURM cluster, or a Ray cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from algos.settings import SettingError
from suite.launch import ray_cluster, slurm

__all__ = ["Spread"]


@dataclass(frozen=True)
class Spread:
    """The options of a command that runs several cells; a run folder's name does not depend on them."""

    jobs: int | None = None  # cells at the same time; None: one, on a cluster as many as it takes
    retries: int = 0  # of a cell that fails
    cells_per_job: int = 1  # that share a job of SLURM's, or a GPU of Ray's
    slurm: Mapping[str, str] = field(default_factory=dict)  # options of sbatch; none: no SLURM
    ray: str | None = None  # address of a Ray cluster; None: no Ray

    @classmethod
    def parse(
        cls,
        *,
        jobs: int | None = None,
        retries: int = 0,
        cells_per_job: int | None = None,
        slurm_options: Sequence[str] = (),
        ray: str | None = None,
    ) -> Spread:
        """Read the command line's options; raises `SettingError` where they contradict each other."""
        cluster = slurm.parse_options(slurm_options)
        if cluster and ray is not None:
            raise SettingError("--slurm and --ray: give one of them")
        if cells_per_job is not None and not cluster and ray is None:
            raise SettingError("--cells-per-job is for --slurm and --ray; here, --jobs says how many run side by side")
        address = None if ray is None else ray_cluster.parse_address(ray)
        return cls(jobs, retries, cells_per_job or 1, cluster, address)

    @property
    def elsewhere(self) -> bool:
        """Whether cells train on a cluster, which has other devices than this machine."""
        return bool(self.slurm) or self.ray is not None

    def in_processes(self, cells: int) -> bool:
        """Whether so many cells get a process each; else they train in this one, one after the other."""
        return self.elsewhere or self.retries > 0 or ((self.jobs or 1) > 1 and cells > 1)
