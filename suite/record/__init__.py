"""What is recorded of runs, and all that reports may read. Imports neither torch nor simulators.

files    whether a file that a command is told to write can be written
metrics  what a run may log: names, units, printed intervals
rows     of metrics.csv: what one is, and their parser
shapes   what the JSON files of run folders hold
folders  run folders: where things lie in them, and their one reader
writer   run folders: their one writer
trials   trials of `bench tune`: their scores as run folders tell them
tidy     results from elsewhere, in a tidy CSV
papers   numbers printed in the papers
mirror   records passed on to TensorBoard or Weights & Biases
"""
