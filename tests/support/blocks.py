"""Blocks of code in Markdown pages, and what each is for: run as it stands, written to a file, or not run for a reason.

    <!-- not run: REASON -->        the line before a block that is not run
    ```bash                         commands; blocks without a language are such where a line begins with one
    ```python                       one program per page, block after block
    ```python title="FILE"          written to FILE, in the page's folder
    ```toml title="FILE"            likewise, of any language

A block inside an HTML comment is run, too, and no reader sees it: what a page takes for granted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Block", "blocks"]

SHELL = ("bash", "sh", "console")
_BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]+?) -->\n+)?^```(?P<language>\w*)(?: title=\"(?P<file>[^\"]+)\")?[^\n]*\n"
    r"(?P<text>.*?)^```$",
    re.M | re.S,
)
_COMMAND = re.compile(r"^(bench|make|pip|python|git|\.venv/bin/\w+) ", re.M)


@dataclass(frozen=True)
class Block:
    """One block: what it holds, and where it begins."""

    language: str  # "bash", "python", or what it says; "" for no code
    text: str
    line: int
    file: str  # that it is written to; "": none
    not_run: str  # why; "": it is run

    @property
    def is_code(self) -> bool:
        """Whether a reader would run it."""
        return not self.file and self.language in ("bash", "python")


def blocks(page: str) -> list[Block]:
    """Every fenced block of a page, in order."""
    return [_block(page, match) for match in _BLOCK.finditer(page)]


def _block(page: str, match: re.Match[str]) -> Block:
    language, text = match["language"], match["text"]
    if language in SHELL or (not language and _COMMAND.search(text)):
        language = "bash"
    line = page.count("\n", 0, match.start("text"))
    return Block(language, text, line, match["file"] or "", match["reason"] or "")
