"""Reference results made from runs, and some of them run again here."""
