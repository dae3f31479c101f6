"""Rows printed for people: as a table that fits the terminal, in which no name is cut, or as JSON."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.cells import cell_len

from suite.output import show

__all__ = ["AsJson", "Wide", "print_rows", "table_lines"]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Wide = Annotated[bool, typer.Option("--wide", help="One line per row, however long; default: as wide as the terminal.")]

_GAP, _INDENT = "  ", "    "
_LEAST = 40  # columns; a narrower terminal wraps


def print_rows(rows: Sequence[Mapping[str, Any]], as_json: bool, wide: bool = False) -> None:
    """Print rows as JSON, as a table, or one row as lines.

    Of a table that is too wide for the terminal the widest columns go below each row, with their names, a line for
    each; `wide` leaves them in it.
    """
    if as_json:
        show(json.dumps(list(rows), indent=1, default=str))
        return
    width = max(_LEAST, shutil.get_terminal_size().columns)
    if not rows:
        lines = ["nothing"]
    elif len(rows) == 1:
        lines = _facts(rows[0])
    else:
        lines = table_lines(rows, None if wide else width)
    for line in lines:
        show(line)


def _facts(row: Mapping[str, Any]) -> list[str]:
    """One row, a line for each thing that is known of it; what a mapping holds is named like `made.seed`."""
    known = dict(_flat(row))
    width = max(map(cell_len, known), default=0)
    return [f"{_padded(name, width)}{_GAP}{value}" for name, value in known.items()]


def _flat(row: Mapping[str, Any], above: str = "") -> list[tuple[str, Any]]:
    out: list[tuple[str, Any]] = []
    for name, value in row.items():
        if isinstance(value, Mapping):
            out += _flat(value, f"{above}{name}.")
        elif value is not None:
            out.append((f"{above}{name}", value))
    return out


def table_lines(given: Sequence[Mapping[str, Any]], width: int | None) -> list[str]:
    """Lines of a table at most `width` wide (None: as wide as it takes), as far as single words allow."""
    rows = [{name: str(value) for name, value in row.items()} for row in given]
    widths = {name: max(cell_len(name), *(cell_len(row[name]) for row in rows)) for name in rows[0]}
    inside, below = dict(widths), []
    first = next(iter(widths))
    while width is not None and len(inside) > 1 and sum(inside.values()) + len(_GAP) * (len(inside) - 1) > width:
        widest = max((name for name in inside if name != first), key=inside.__getitem__)
        del inside[widest]
        below.append(widest)
    lines = [_line({name: name for name in inside}, inside)]
    for row in rows:
        lines.append(_line(row, inside))
        for name in (name for name in widths if name in below and row[name] not in ("", "-")):
            text = f"{name}: {row[name]}"
            lines += textwrap.wrap(
                text,
                width or len(text),
                initial_indent=_INDENT,
                subsequent_indent=_INDENT * 2,
                break_long_words=False,
                break_on_hyphens=False,
            )
    return lines


def _line(row: Mapping[str, str], widths: Mapping[str, int]) -> str:
    return _GAP.join(_padded(row[name], width) for name, width in widths.items()).rstrip()


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))
