"""Several cells at once: as processes on this machine, or as jobs of a SLURM cluster."""
