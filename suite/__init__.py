"""The experiment: offline then online, recorded so that it can be resumed and reported."""
