"""One cell from an experiment to a finished run folder: the protocol, its recorder, its checkpoints."""
