"""`bench tune`: settings chosen by trials, the same number for every method, on seeds that are not reported.

space    what is tried of a method's settings on the tasks at hand
plan     a search: what is tried on what, by which criterion, how often; written once, as tune.json
sampler  the next trials of a method, from those before (Optuna)
search   round after round of trials, as ordinary runs, until the budget is used up
choice   the best trial of each method, as a preset file
"""
