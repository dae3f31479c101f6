"""Packages of the user's own, written from templates: an algorithm, a task."""
