"""House rule: every file has tests that are quick, so that `make test` says something about all of the code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from house import ROOT

# files whose tests are all slow, and why
ALL_SLOW = {
    "tests/suite/launch/test_real_ray.py": "a cluster of daemons, with trainings",
    "tests/suite/launch/test_real_slurm.py": "a cluster of daemons, with trainings",
    "tests/suite/train/test_killed_compiled.py": "a C++ compiler, and what processes that it is killed in leave",
}


def quick_tests(tree: ast.Module) -> list[str]:
    """Names of the tests in a module that no decorator marks as slow."""
    found = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            marks = [ast.unparse(decorator) for decorator in node.decorator_list]
            if not any(mark.startswith("pytest.mark.slow") for mark in marks):
                found.append(node.name)
    return found


def whole_module_is_slow(tree: ast.Module) -> bool:
    return any(isinstance(n, ast.Assign) and "pytest.mark.slow" in ast.unparse(n) for n in tree.body)


def test_every_file_has_quick_tests() -> None:
    files = {str(p.relative_to(ROOT)): p for p in sorted((ROOT / "tests").rglob("test_*.py"))}
    slow = {n for n, p in files.items() if not _quick(p)}
    assert slow == ALL_SLOW.keys()


def _quick(path: Path) -> bool:
    tree = ast.parse(path.read_text())
    return bool(quick_tests(tree)) and not whole_module_is_slow(tree)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def test_a(): ...", ["test_a"]),
        ("@pytest.mark.slow\ndef test_a(): ...", []),
        ("@pytest.mark.slow\n@pytest.mark.parametrize('x', [1])\ndef test_a(x): ...\ndef test_b(): ...", ["test_b"]),
        ("def helper(): ...", []),
    ],
)
def test_the_check_sees_what_it_should(source: str, found: list[str]) -> None:
    assert quick_tests(ast.parse(source)) == found
