"""The house as its imports draw it: sources, imported names, rooms, circles."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("disk", "algos", "envs", "suite", "reports")


def sources(place: str) -> list[Path]:
    """The Python files of a package, a room or a single module, given as a path without suffix."""
    module = ROOT / f"{place}.py"
    return [module] if module.is_file() else sorted((ROOT / place).rglob("*.py"))


def dotted(file: Path) -> str:
    """Name of a file's module, e.g. algos.networks.nets; of a package's __init__ the package's."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of everything imported, inside functions as well; `from a import b` is both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where a name comes from"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, parent: str) -> bool:
    return name == parent or name.startswith(f"{parent}.")


def unless_typing(tree: ast.Module) -> ast.Module:
    """The module without its `if TYPE_CHECKING` blocks, which never run."""
    body = [n for n in tree.body if not (isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")]
    return ast.Module(body, [])


def wrong_imports(tree: ast.Module, forbidden: tuple[str, ...]) -> list[str]:
    return [name for name in imports(unless_typing(tree)) if any(within(name, f) for f in forbidden)]


def names_method(docstring: str, module: str) -> bool:
    """Whether the first paragraph of a docstring names the method of a module, e.g. TD3+BC for td3_bc."""
    first = docstring.partition("\n\n")[0]
    written = module.rpartition(".")[2].replace("_", r"\W")
    return re.search(rf"\b{written}\b", first, re.IGNORECASE) is not None


def rooms_taken(file: Path, package: str) -> set[str]:
    """Rooms of its own package from which a file imports, TYPE_CHECKING or not, besides its own."""
    own = dotted(file).split(".")[1:2]
    found = {_room(name, package) for name in imports(ast.parse(file.read_text()))}
    return {room for room in found if room is not None and room not in own}


def _room(name: str, package: str) -> str | None:
    parts = name.split(".")
    if parts[0] != package or len(parts) < 2:
        return None
    place = ROOT / package / parts[1]
    return parts[1] if place.is_dir() or place.with_suffix(".py").is_file() else None


def graph() -> dict[str, set[str]]:
    """Module -> modules of the house that it imports, at any level and under TYPE_CHECKING too."""
    files = {dotted(f): f for p in PACKAGES for f in sources(p)}
    out = {}
    for name, file in files.items():
        taken = set()
        for full in imports(ast.parse(file.read_text())):
            module = full
            while module and module not in files:
                module = module.rpartition(".")[0]
            taken.add(module)
        out[name] = taken - {"", name}
    return out


def circle(arrows: Mapping[str, Iterable[str]]) -> list[str]:
    """Names that import each other in a circle, the first that is found; empty where there is none."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return path[path.index(name) :]
        if name in done:
            return []
        for other in sorted(arrows.get(name, ())):
            if found := walk(other, [*path, name]):
                return found
        done.add(name)
        return []

    for name in sorted(arrows):
        if found := walk(name, []):
            return found
    return []
