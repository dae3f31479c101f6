"""Files that other programs read: continuous integration, hooks, the container. They say what the project says."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from house import PACKAGES, ROOT

yaml = pytest.importorskip("yaml")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {name.lower(): version for name, _, version in (line.partition("==") for line in lines) if version}


def test_every_promised_python_is_tested_by_the_one_script() -> None:
    job = read(".github/workflows/ci.yml")["jobs"]["test"]
    promised = [c.rpartition(" :: ")[2] for c in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d", c)]
    assert job["strategy"]["matrix"]["python"] == promised
    assert job["steps"][-1] == {"run": ".ci/run"}
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100


def test_hooks_have_the_pinned_versions() -> None:
    (repo,) = read(".pre-commit-config.yaml")["repos"]
    needed = [word for hook in repo["hooks"] for word in hook.get("additional_dependencies", ())]
    assert needed
    assert {tuple(word.split("==")) for word in needed} <= set(pinned().items())


def test_the_container_is_built_from_what_there_is_and_the_package_index_alone() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = {word for line in re.findall(r"^COPY (.*)$", text, re.M) for word in shlex.split(line)[:-1]}
    assert copied >= set(PACKAGES)
    assert all((ROOT / name).exists() for name in copied)
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[0] == "!"}
    assert kept == copied
    assert not re.search(r"apt|curl|wget|https?:", text)
    extras = re.findall(r"/source\[([\w,]+)\]", text)[0].split(",")
    assert set(extras) <= PROJECT["optional-dependencies"].keys()


def test_issue_forms_are_whole() -> None:
    forms = [path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"]
    assert len(forms) == 3
    for path in forms:
        form = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        assert form["name"], path
        assert form["description"], path
        assert all({"type", "id", "attributes"} <= field.keys() for field in form["body"]), path


def test_what_dev_installs_is_pinned() -> None:
    """Else two people's `make setup` differ."""
    extras = PROJECT["optional-dependencies"]
    words = [*PROJECT["dependencies"], *extras["dev"]]
    for name in re.findall(r"[\w]+", re.findall(r"awac-bench\[(.*?)\]", " ".join(extras["dev"]))[0]):
        words += extras[name]
    names = {re.split(r"[\[<>=~!]", word)[0].lower() for word in words} - {"awac-bench"}
    assert {name.replace("_", "-") for name in names} <= {name.replace("_", "-") for name in pinned()}
