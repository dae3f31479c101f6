"""What the commands do, as functions that return rows or an exit code; `suite.cli` parses and prints."""
