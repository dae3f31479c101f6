"""The tasks' own datasets: recipes, whoever carries them out, and how experts are made."""
