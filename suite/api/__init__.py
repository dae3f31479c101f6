"""The suite from Python: one cell trained and read, its policies, and what there is to train. The face is `suite`."""
