"""Several cells at once: as processes on this machine, as jobs of a SLURM cluster, or as tasks of a Ray cluster."""
