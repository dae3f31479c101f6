"""House rule: what a module offers to others stands in its `__all__`."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from house import PACKAGES, dotted, imports, sources


def listed(file: Path) -> set[str] | None:
    """What a module says is for others; None where it has no list."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return None


def taken(tree: ast.AST) -> Iterator[str]:
    """Dotted names of what is imported, and of the attributes of what was imported from somewhere."""
    yield from imports(tree)
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    known = {alias.asname or alias.name: f"{node.module}.{alias.name}" for node in froms for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in known:
            yield f"{known[node.value.id]}.{node.attr}"


def unlisted(tree: ast.AST, lists: Mapping[str, set[str] | None]) -> set[str]:
    """What is taken from a module of the house that does not list it; modules themselves need no listing."""
    found = set()
    for name in taken(tree):
        module, _, last = name.rpartition(".")
        names = lists.get(module)
        if names is not None and last not in names and name not in lists:
            found.add(name)
    return found


def test_what_other_modules_take_is_in_a_modules_list() -> None:
    files = {dotted(f): f for p in PACKAGES for f in sources(p)}
    lists = {name: listed(file) for name, file in files.items()}
    wrong = {name: unlisted(ast.parse(file.read_text()), lists) for name, file in files.items()}
    assert not {name: found for name, found in wrong.items() if found}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from a.b import c", set()),
        ("from a.b import d", {"a.b.d"}),
        ("def f():\n    from a.b import c, d", {"a.b.d"}),
        ("from a import b\nimport a.b", set()),
        ("from a import b as x\nx.c, x.d", {"a.b.d"}),
        ("from a import z\nfrom e import f\nz.d, f.d", set()),
    ],
)
def test_the_list_check_sees_what_it_should(source: str, found: set[str]) -> None:
    assert unlisted(ast.parse(source), {"a": None, "a.b": {"c"}}) == found
