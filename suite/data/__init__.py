"""The tasks' own datasets: recipes, whoever carries them out, experts, and what the data are worth."""
