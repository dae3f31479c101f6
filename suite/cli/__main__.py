"""`python -m suite.cli` is `bench`."""

from suite.cli import main

main()
