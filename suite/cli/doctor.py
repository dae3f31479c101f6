"""`bench doctor`."""

from __future__ import annotations

import typer

from suite.cli.options import AsJson, print_rows

__all__ = ["doctor"]


def doctor(as_json: AsJson = False) -> None:
    """Check this installation; exit code 1 when something is broken."""
    from suite.measure.doctor import examine

    checks = examine()
    print_rows([vars(c) for c in checks], as_json)
    raise typer.Exit(int(any(c.state == "fail" for c in checks)))
