"""`bench doctor`."""

from __future__ import annotations

import typer

from suite.cli.tables import AsJson, Wide, print_rows

__all__ = ["doctor"]


def doctor(as_json: AsJson = False, wide: Wide = False) -> None:
    """Check this installation; exit code 1 when something is broken."""
    from suite.measure.doctor import examine

    checks = examine()
    print_rows([vars(c) for c in checks], as_json, wide)
    raise typer.Exit(int(any(c.state == "fail" for c in checks)))
