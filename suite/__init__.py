"""The experiment: offline then online, recorded so that it can be resumed and reported.

    output      lines for people, and files that a command writes
    record      run folders, metrics, printed results: all that reports may read
    recipes     datasets and experts that are made here
    experiment  a request -> experiments: every setting with its source
    train       one experiment -> one run folder: the protocol, its recorder, its checkpoints
    policies    what runs leave behind: found, scored once more, filmed, exported
    measure     speed, cost of a run, worth of data, health of the installation
    launch      several cells at once, here or on a cluster
    plans       the papers' figures and tables as grids of cells
    reference   results that come with the package: packed, run again
    tune        settings chosen by trials, the same number for every method
    new         packages of the user's own, from templates
    cli         one file per command or group: parses, calls one function, prints

A room imports only from those above it.
"""
