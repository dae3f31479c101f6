"""The site of the documents: pages of methods say what the modules say, and nothing is fetched from elsewhere."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import facts
import method_page
import pytest
import scores
import texts
import toy_run
from command import Bench
from house import ROOT

import algos
from algos.contract import Needs
from algos.registry import ALGOS
from algos.settings import describe
from suite.train.cell import run_cell
from suite.train.means import Means

METHODS = method_page.methods()


def test_every_entry_has_a_page_and_every_method_a_name() -> None:
    assert sorted(name for method in METHODS for name in method.entries) == sorted(ALGOS)
    titles = [method_page.title(method) for method in METHODS]
    assert len(set(titles)) == len(titles)
    assert {"AWAC", "TD3+BC", "Behaviour cloning", "CQL(H)"} <= set(titles)
    assert max(map(len, titles)) < 20


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_page_says_what_its_module_says(method: method_page.Method) -> None:
    page = method_page.page(method, [])
    for line in re.findall(r"^    .+$", method.docstring, re.M):
        assert line in page, "equations stand as they are"
    for name in method.entries:
        objective = algos.load(name)
        assert f"| `{name}` |" in page
        for setting, (meaning, _) in describe(objective.Config).items():
            assert f"| `{setting}` |" in page
            assert texts.plain(meaning) in page
        for preset, found in objective.presets.items():
            assert f"`{name}` with `--preset {preset}`" in page
            assert all(texts.plain(limit) in page for limit in found.limits)
    code = re.sub(r"^    ", "", page, flags=re.M)
    assert inspect.getsource(method.module.actor_loss).strip() in code


def test_reference_scores_stand_on_the_page_of_their_method(tmp_path: Path, bench: Bench) -> None:
    with toy_run.registered():
        for algo in ("awac", "bc"):
            run_cell(toy_run.experiment(algo), Means(tmp_path / "runs", toy_run.ONE_THREAD))
        assert bench("reference", "update", "runs", "--folder", "mine").code == 0
    found = scores.scores(tmp_path / "mine")
    assert [(score.algo, score.trains_online) for score in found] == [("awac", True), ("bc", False)]
    method = next(method for method in METHODS if method.name == "awac")
    page = method_page.page(method, found)
    row = next(line for line in page.splitlines() if line.startswith(f"| {found[0].task} |"))
    assert row.endswith(f"| {found[0].switch} | {found[0].final} |")
    assert re.fullmatch(r"\d\.\d\d \[\d\.\d\d, \d\.\d\d\]", found[0].final)
    assert "brings no results" in method_page.page(method, [])
    assert len(scores.leaders(tmp_path / "mine")) == 1


def test_whatever_a_method_may_need_has_words() -> None:
    assert set(method_page.NEEDS) == {field.name for field in dataclasses.fields(Needs)}


def test_what_would_be_markup_is_escaped_but_for_code() -> None:
    assert texts.plain("a|b `c|d_e` <s>") == r"a\|b `c|d_e` \<s\>"
    assert texts.linked("arXiv:2006.09359") == "[arXiv:2006.09359](https://arxiv.org/abs/2006.09359)"
    assert texts.table(("a", "b"), [("1", "2")]) == "| a | b |\n|---|---|\n| 1 | 2 |\n"
    assert texts.table(("a",), []) == ""


def test_facts_that_pages_ask_for_exist_and_all_are_asked_for() -> None:
    asked = {name for page in (ROOT / "docs").rglob("*.md") for name in facts.MARK.findall(page.read_text("utf-8"))}
    assert asked == set(facts.FACTS)
    for name, made in facts.FACTS.items():
        table = made([])
        widths = {line.replace("\\|", "").count("|") for line in table.splitlines() if line.startswith("|")}
        assert len(widths) == 1 or name == "leaders", f"{name}: rows of one table are equally wide"
    table = facts.FACTS["methods"]([])
    assert table.count("\n") == len(ALGOS) + 2
    assert "| `bc` |" not in table
    assert "[`bc`](methods/bc.md) | behaviour cloning of all offline data; offline only | offline alone |" in table


@pytest.mark.slow
def test_the_site_builds_and_asks_nothing_of_the_network(tmp_path: Path) -> None:
    """Strictly: every link leads somewhere, every page is in the navigation."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 40
    fetched = re.compile(r"<(?:script|img|iframe|link)[^>]*\s(?:src|href)=\"?https?:")
    for page in pages:
        assert not fetched.search(page.read_text(encoding="utf-8")), page
    assert (tmp_path / "site/search/search_index.js").exists(), "search works where the site is opened from files"
