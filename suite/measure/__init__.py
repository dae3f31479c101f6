"""Measurements: speed of this machine, cost of a run, worth of data, health of the installation."""
