"""The tasks, one module per family, facts only: no simulator is loaded here."""
