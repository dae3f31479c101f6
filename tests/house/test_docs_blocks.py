"""Blocks in the documents are found, and what is not run says why."""

from __future__ import annotations

from blocks import blocks
from house import ROOT

PAGE = """
```bash
bench list algos
```

<!--
```bash
bench run --algo bc
```
-->

<!-- not run: needs a cluster -->
```bash
bench run --slurm time=1:00:00
```

```python title="mine.py"
x = 1
```

```
runs/task/algo
```

```
bench doctor  # why
```
"""


def test_blocks_are_told_apart() -> None:
    found = [(b.language, b.file, b.not_run, b.text.split("\n")[0]) for b in blocks(PAGE)]
    assert found == [
        ("bash", "", "", "bench list algos"),
        ("bash", "", "", "bench run --algo bc"),
        ("bash", "", "needs a cluster", "bench run --slurm time=1:00:00"),
        ("python", "mine.py", "", "x = 1"),
        ("", "", "", "runs/task/algo"),
        ("bash", "", "", "bench doctor  # why"),
    ]
    assert blocks(PAGE)[0].line == 2


def test_the_documents_hold_blocks_that_are_run() -> None:
    """At least so many, or else the search for them is broken."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    found = [block for page in pages for block in blocks(page.read_text(encoding="utf-8")) if block.is_code]
    assert sum(not block.not_run for block in found) > 30
    assert all(len(block.not_run) > 8 for block in found if block.not_run), "a reason, in words"
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.count("\n```") == 2 * len(blocks(text)), f"{page}: a fence belongs to no block"
