"""From run folders to cells: one algorithm on one task, with the seeds that were run."""
