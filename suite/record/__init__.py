"""What is recorded of runs, and all that reports may read. Imports neither torch nor simulators.

files    files and folders that take the place of earlier ones as a whole
metrics  what a run may log: names, units, printed intervals
folders  run folders: their one writer and their one reader
trials   trials of `bench tune`: their scores as run folders tell them
tidy     results from elsewhere, in a tidy CSV
papers   numbers printed in the papers
mirror   records passed on to TensorBoard or Weights & Biases
"""
