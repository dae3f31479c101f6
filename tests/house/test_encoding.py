"""House rule: text files are read and written in an encoding that is named, or they would differ with the locale."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from house import PACKAGES, ROOT, sources

_OF_OTHERS = {"os", "gzip", "Image", "archive"}  # whose `open` is of bytes, or of no file
_INSTALLED = "installed"  # a distribution, whose `read_text` takes a file's name


def unnamed(tree: ast.AST) -> Iterator[str]:
    """Calls that read or write text without saying how it is encoded."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or any(keyword.arg == "encoding" for keyword in node.keywords):
            continue
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        owner = getattr(called.value, "id", "") if isinstance(called, ast.Attribute) else ""
        words = [part.value for given in node.args for part in ast.walk(given) if isinstance(part, ast.Constant)]
        binary = any(isinstance(word, str) and set("b") < set(word) <= set("rwab+") for word in words)
        if owner == _INSTALLED:
            continue
        if name in ("read_text", "write_text") or (name == "open" and owner not in _OF_OTHERS and not binary):
            yield ast.unparse(node)


def test_every_text_names_its_encoding() -> None:
    files = [file for package in PACKAGES for file in sources(package)]
    wrong = {str(file.relative_to(ROOT)): [*unnamed(ast.parse(file.read_text(encoding="utf-8")))] for file in files}
    assert not {name: calls for name, calls in wrong.items() if calls}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("path.read_text()", 1),
        ("path.write_text('b')", 1),
        ("path.read_text(encoding='utf-8')", 0),
        ("path.open('a', newline='')", 1),
        ("path.open('rb')", 0),
        ("open(name)", 1),
        ("open(name, 'w', encoding='utf-8')", 0),
        ("os.open(path, os.O_RDWR)", 0),
    ],
)
def test_the_check_sees_what_it_should(source: str, found: int) -> None:
    assert len([*unnamed(ast.parse(source))]) == found
