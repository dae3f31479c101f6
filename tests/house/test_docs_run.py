"""Every block of shell and Python in the documents is run, at the smallest sizes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from blocks import Block, blocks
from command import Bench
from house import ROOT

from suite.cli import app

# Options that only say how much is done or by how many processes, in every command that has them; those in ADDED also
# where a command that would do more by itself is not given them.
SMALL = {"profile": "smoke", "trials": "2", "jobs": "1", "episodes": "2", "workers": "0"}
ADDED = ("profile", "trials", "workers")
PAGES = ["README.md", *(str(page.relative_to(ROOT)) for page in sorted((ROOT / "docs").rglob("*.md")))]
_COMMENT = re.compile(r"\s+#.*")
_PACKAGE = re.compile(r"installs ([\w-]+), which the test does by hand")  # of what `bench new` wrote


def small(words: list[str]) -> list[str]:
    """A command with its options of `SMALL` set to those values."""
    found: Any = typer.main.get_command(app)
    deep = 0
    while hasattr(found, "commands") and deep < len(words):
        found, deep = found.commands[words[deep]], deep + 1
    params = [param for param in getattr(found, "params", []) if param.name in SMALL]
    has = {param.name: param.opts[0] for param in params}
    more = {param.name for param in params if param.name != "profile" or param.default or "--suite" in words}
    out, given = list(words), {option: number for number, option in enumerate(words) if option in has.values()}
    for name, option in has.items():
        if option in given:
            out[given[option] + 1] = SMALL[name]
    return out + [
        word for name in ADDED if name in more and has[name] not in given for word in (has[name], SMALL[name])
    ]


class Reader:
    """Somebody who follows a page: a folder, and one Python session."""

    def __init__(self, page: str, folder: Path, bench: Bench) -> None:
        self.page, self.folder, self.bench = page, folder, bench
        self.session: dict[str, Any] = {"__name__": "page"}

    def follow(self, block: Block) -> None:
        """Do what a block says."""
        if block.file:
            file = self.folder / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            exec(compile("\n" * block.line + block.text, self.page, "exec"), self.session)
        elif block.language == "bash":
            for line in block.text.replace("\\\n", " ").splitlines():
                self.say(_COMMENT.sub("", line).strip())

    def say(self, line: str) -> None:
        """One line of a shell; `bench` in this process, which has loaded all that it needs."""
        words = shlex.split(line)
        if not words:
            return
        if words[0] == "bench":
            said = self.bench(*small(words[1:]))
            assert said.code == 0, f"{self.page}: {line}\n{said.out}{said.err}"
            return
        paths = [*sys.path, os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PATH": _with_python()}
        done = subprocess.run(line, shell=True, cwd=self.folder, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, f"{self.page}: {line}\n{done.stdout}{done.stderr}"


def _with_python() -> str:
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture
def own_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Packages that a page writes with `bench new` are found as if they had been installed with their entry points."""
    modules = set(sys.modules)
    yield
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make what an installer makes of a package's pyproject.toml: metadata with the entry point, on the path."""
    project = (folder / "pyproject.toml").read_text(encoding="utf-8")
    group, table = re.findall(r'^\[project\.entry-points\."([\w.]+)"\]\n(.*?)\n\n', project, re.M | re.S)[0]
    source = folder / "src"
    metadata = source / f"{folder.name.replace('-', '_')}-0.1.0.dist-info"
    metadata.mkdir()
    facts = {
        "METADATA": f"Metadata-Version: 2.1\nName: {folder.name}\nVersion: 0.1.0\n",
        "entry_points.txt": f"[{group}]\n" + table.replace('"', "") + "\n",
    }
    for name, text in facts.items():
        (metadata / name).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(source))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_runs(
    page: str, tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch, own_packages: None
) -> None:
    reader = Reader(page, tmp_path, bench)
    for block in blocks((ROOT / page).read_text(encoding="utf-8")):
        if package := _PACKAGE.match(block.not_run):
            install(tmp_path / package[1], monkeypatch)
        elif not block.not_run:
            reader.follow(block)


def test_commands_are_made_small() -> None:
    assert small(shlex.split("run --algo awac --profile paper --jobs 4")) == shlex.split(
        "run --algo awac --profile smoke --jobs 1 --workers 0"
    )
    assert small(["report", "runs"]) == ["report", "runs"]
    assert small(["report", "--suite", "mine.toml"])[3:] == ["--profile", "smoke"]
    assert small(["suite", "list"]) == ["suite", "list"]
    assert small(["eval", "runs", "--episodes", "100"])[:4] == ["eval", "runs", "--episodes", "2"]
