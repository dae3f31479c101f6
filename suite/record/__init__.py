"""Run folders, metrics and printed results: all that reports may read. Imports neither torch nor simulators."""
