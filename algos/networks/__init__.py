"""Seed-stacked networks, the four families of policies, their distributions and files."""
