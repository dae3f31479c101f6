"""The experiment: offline then online, recorded so that it can be resumed and reported.

config      names and overrides -> an `experiment`, with the source of every setting
cell        one experiment -> one run folder: `protocol` trains, `evaluate` scores, `record` writes and reads
data        the tasks' own datasets, made by experts, clones and noise
plan        the papers' figures as grids of cells (`plans/`, `papers.csv`)
launch      several cells at once, here or on a cluster
policies    what runs leave behind: scored once more, filmed, exported
commands    what the commands do; `cli` parses and prints
"""
