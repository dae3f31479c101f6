"""Every `bench` command in the documents is one that the command line takes, with names and settings that exist.

Blocks that are run need no look: `test_docs_run.py`. What is only mentioned or takes hours is held here.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from blocks import blocks

from suite.cli import app
from suite.experiment.request import Request
from suite.experiment.resolve import resolve_all
from suite.experiment.used import check_used
from suite.plans.read import load
from suite.tune.plan import Plan

ROOT = Path(__file__).parents[2]
RUN = ["README.md", *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md"))]
DOCUMENTS = [*RUN, "CONTRIBUTING.md", "benchmarks/README.md", "benchmarks/scores.md", "envs/experts/README.md"]
FOLDED = re.compile(r"\\\n\s*")


def commands(text: str, run: bool = False) -> list[str]:
    """What follows `bench` in blocks of code that are not `run`, and between backticks."""
    found = [b.text for b in blocks(text) if b.language == "bash" and (b.not_run or not run)]
    found += [] if run else re.findall(r"(?:^    .*\n)+", text, re.M)
    lines = [line.strip() for block in found for line in FOLDED.sub("", block).splitlines()]
    inline = [re.sub(r"\s+", " ", code) for code in re.findall(r"`(bench [^`]*)`", text)]
    return [
        line.split("  #")[0].strip().removeprefix("bench ") for line in (*lines, *inline) if line.startswith("bench ")
    ]


def cases() -> list[Any]:
    return [
        pytest.param(command, id=f"{name}: {command}")
        for name in DOCUMENTS
        for command in dict.fromkeys(commands((ROOT / name).read_text(encoding="utf-8"), name in RUN))
    ]


def parsed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """The command's path and what its options are given; raises what the command line would say.

    Of a command that is only named, nothing is given.
    """
    found: Any = typer.main.get_command(app)
    context = found.make_context("bench", list(words), resilient_parsing=True)
    path: list[str] = []
    while hasattr(found, "commands") and words:
        name, *words = words
        found = found.get_command(context, name)
        assert found is not None, f"No such command: {name}"
        path.append(name)
        context = found.make_context(name, list(words), parent=context, resilient_parsing=not words)
    return " ".join(path), context.params if words else {}


def understood(command: str) -> str:
    """The path of a command whose options, names and settings exist; raises what is said of one that does not work."""
    path, given = parsed(shlex.split(command))
    whole = bool(given.get("algo")) and bool(given.get("env"))  # or only some options are mentioned
    if path == "run" and whole and not given["like"] and not given["preset"].endswith(".toml"):  # which nobody wrote
        asked = ("algo", "env", "seeds", "profile", "preset", "name", "dataset", "set_")
        request = Request.parse(**{option: given[option] for option in asked})
        check_used(request, resolve_all(request))
    if path == "tune" and whole:
        asked = ("algo", "env", "profile", "dataset", "set_")
        Plan.of(
            Request.parse(seeds="3", **{option: given[option] for option in asked}), trials=1, search=given["search"]
        )
    if path.startswith("suite") and "name" in given and not given["name"].endswith(".toml"):
        load(given["name"])
    return path


@pytest.mark.parametrize("command", cases())
def test_a_command_in_the_documents_is_understood(command: str) -> None:
    if "..." in command or command.rstrip().endswith(".."):
        pytest.skip("shortened")
    assert command.startswith(understood(command))


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("runn --algo awac", "No such command"),
        ("run --algo awac --envs door-binary", "No such option"),
        ("run --algo awak --env door-binary", "did you mean 'awac'"),
        ("run --algo awac --env door-binary --set temperatur=1", "did you mean 'temperature'"),
        ("suite show awac-fig33", "unknown suite"),
        ("explain awac", "Missing"),
        ("tune --algo awac --env door-binary --search temprature", "did you mean 'temperature'"),
    ],
)
def test_a_command_that_does_not_work_would_be_found(command: str, why: str) -> None:
    with pytest.raises(Exception, match=why):
        understood(command)


def test_the_documents_hold_commands() -> None:
    """At least so many, of every kind of mention: else the search for them is broken."""
    page = commands((ROOT / "docs/commands.md").read_text(encoding="utf-8"), run=True)
    assert len(page) > 25
    assert "suite status awac-fig3-dexterous --profile paper" in page, "in a block that is not run"
    assert "speed --packs 1,3,5" in page, "in a line"
