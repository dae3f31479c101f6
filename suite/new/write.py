"""Packages of the user's own, written from the templates that ship with the suite."""

from __future__ import annotations

import importlib.util
import keyword
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import jinja2

import algos
from algos.settings import SettingError
from disk.trouble import unwritten
from envs import tasks

__all__ = ["algorithm", "task"]

_FILES = {  # what is written -> its template; {} is the module's name
    "pyproject.toml": "pyproject.toml.j2",
    "README.md": "README.md.j2",
    "src/{}.py": "module.py.j2",
    "tests/test_{}.py": "test.py.j2",
}


def algorithm(name: str, into: Path) -> list[Path]:
    """Write `into/name`, a package that adds an algorithm of this name; returns its files.

    Whole or not at all: a name that cannot be used, or a folder that is there already, raises `SettingError`.
    """
    return _package("algorithm", name, algos.names(), into)


def task(name: str, into: Path) -> list[Path]:
    """Write `into/name`, a package that adds a task called `name`-v0, as gymnasium wants it; returns its files.

    Raises `SettingError` as `algorithm` does, and for a name that ends in a version.
    """
    if re.search(r"-v\d+$", name):
        raise SettingError(f"{name!r}: leave the version out, it becomes -v0")
    return _package("task", name, [re.sub(r"-v\d+$", "", known) for known in tasks.ids()], into)


def _package(kind: str, name: str, known: Iterable[str], into: Path) -> list[Path]:
    module = _module(kind, name, known)
    folder = into / name
    if folder.exists() or folder.is_symlink():
        raise SettingError(f"{folder} is there already; choose another name, or remove it")
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("suite", f"new/{kind}"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    texts = {
        path.format(module): templates.get_template(template).render(name=name, module=module)
        for path, template in _FILES.items()
    }
    try:
        _write(folder, texts)
    except OSError as error:
        raise SettingError(unwritten(folder, error, "work in another folder")) from None
    return [folder / path for path in texts]


def _module(kind: str, name: str, known: Iterable[str]) -> str:
    """Name of the module for that of an algorithm or a task; raises `SettingError` where either cannot be used."""
    module = name.replace("-", "_")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*([-_][A-Za-z0-9]+)*", name) or keyword.iskeyword(module):
        raise SettingError(
            f"{name!r} cannot name a package: use letters, digits and single dashes, a letter first, "
            "no word of Python, e.g. my-method"
        )
    taken = {other.replace("-", "_").lower(): other for other in known}
    if module.lower() in taken:
        article = "an" if kind[0] in "aeiou" else "a"
        raise SettingError(f"there is {article} {kind} {taken[module.lower()]!r} already; choose another name")
    spec = importlib.util.find_spec(module)
    if spec is not None and spec.origin is not None:  # a mere folder of that name has none
        raise SettingError(f"a module {module!r} is installed already and would be hidden; choose another name")
    return module


def _write(folder: Path, texts: dict[str, str]) -> None:
    """Write all files into a temporary folder, then give it its name."""
    passing = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        for path, text in texts.items():
            (passing / path).parent.mkdir(exist_ok=True)
            (passing / path).write_text(text, encoding="utf-8")
        passing.chmod(0o755)  # mkdtemp's 0700 would hide it from colleagues
        passing.rename(folder)
    except BaseException:
        shutil.rmtree(passing, ignore_errors=True)
        raise
