"""What a machine can do: speed, cost of a run, worth of data, health of the installation."""
