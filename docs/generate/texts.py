"""Markdown from facts: tables, code, texts in which nothing is markup by accident."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["code", "linked", "plain", "prose", "table"]

_SPECIAL = re.compile(r"([*_|<>\[\]])")
_CODE = re.compile(r"(`[^`]*`)")
_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")


def code(text: object) -> str:
    """A short text as code; nothing where it is empty."""
    return f"`{text}`" if str(text) else ""


def plain(text: str) -> str:
    """A text as it reads: what Markdown would take for markup is escaped, but for code between backticks."""
    parts = _CODE.split(text)
    return "".join(part if part.startswith("`") else _SPECIAL.sub(r"\\\1", part) for part in parts)


def linked(text: str) -> str:
    """Names of papers on arXiv as links to them."""
    return _ARXIV.sub(r"[arXiv:\1](https://arxiv.org/abs/\1)", text)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, or nothing where there are no rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *lines, ""])


def prose(docstring: str) -> str:
    """A docstring as Markdown: indented equations stay code, the rest is prose."""
    paragraphs = docstring.split("\n\n")
    return "\n\n".join(p if p.startswith("    ") else linked(plain(p)) for p in paragraphs)
