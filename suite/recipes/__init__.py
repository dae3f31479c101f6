"""Datasets and experts that are made here: demonstrations, clones, rollouts, noise, steered runs."""
