"""The tables that papers print, and LaTeX that fits a page."""

from __future__ import annotations

import re

import numpy as np
import pytest
from cells import cell

from reports.numbers.domains import domain_of
from reports.numbers.results import Results
from reports.tables.latex import LINE, SIZES, latex
from reports.tables.paper import paper_tables

FINALS = {
    ("pen-v0", "a"): (0.9, 0.8, 0.85, 0.95),
    ("pen-v0", "b"): (0.9, 0.7, 0.9, 0.9),
    ("pen-v0", "c"): (0.2, 0.1, 0.2, 0.22),
    ("door-v0", "a"): (0.5, 0.6, 0.55, 0.45),
    ("door-v0", "b"): (0.1, 0.15, 0.1, 0.12),
    ("hopper-v5", "a"): (0.3, 0.35, 0.3, 0.32),
    ("hopper-v5", "b"): (0.3, 0.3, 0.35, 0.33),
}


@pytest.fixture(scope="module")
def results():
    cells = [cell(t, a, {i: (0.0, v) for i, v in enumerate(values)}, (0, 9)) for (t, a), values in FINALS.items()]
    return Results(cells, "success")


def test_the_papers_table_has_means_deviations_and_averages_by_hand(results):
    means, iqms = paper_tables(results.before_after[0], results.per_task, results.averages, "success")
    rows = {row[0]: row[1:] for row in means.rows}
    assert list(means.header) == ["task", "a", "b", "c"]
    assert list(rows) == ["door-v0", "hopper-v5", "pen-v0", "average, hand", "average"]
    spread = np.std(FINALS["pen-v0", "a"], ddof=1)
    assert rows["pen-v0"] == [f"0.88 ± {spread:.2f}", "0.85 ± 0.10", "0.18 ± 0.05"]
    assert rows["door-v0"][2] == "–"
    hand = (np.mean(FINALS["pen-v0", "a"]) + np.mean(FINALS["door-v0", "a"])) / 2
    assert rows["average, hand"] == [f"{hand:.2f}", "0.48", "–"]  # c has no score on door
    assert rows["average"][2] == "–"
    assert re.fullmatch(r"0\.\d\d \[0\.\d\d, (0|1)\.\d\d\]", iqms.rows[0][1])
    record = next(dict(zip(means.columns, r, strict=True)) for r in means.records if r[:2] == ["pen-v0", "a"])
    assert (record["mean"], record["spread"], record["bold"]) == pytest.approx((0.875, spread, 1))


def test_bold_is_the_best_and_what_the_verdict_does_not_tell_apart(results):
    means, _ = paper_tables(results.before_after[0], results.per_task, results.averages, "success")
    tasks = {row[0]: i for i, row in enumerate(means.rows)}
    for verdict in results.per_task:
        bold = {means.header[k] for i, k in means.bold if i == tasks[verdict.task]}
        assert bold == {verdict.best.label, *verdict.together}
    assert {means.header[k] for i, k in means.bold if i == tasks["pen-v0"]} == {"a", "b"}
    assert {means.header[k] for i, k in means.bold if i == tasks["door-v0"]} == {"a"}
    assert "| door-v0 | **0.53 ± 0.06** | 0.12 ± 0.02 | – |" in means.markdown()
    assert r"\textbf{0.53 $\pm$ 0.06} & 0.12 $\pm$ 0.02 & --" in means.latex()


def test_raw_returns_have_no_averages():
    cells = [cell(t, "a", {0: (0, 10.0), 1: (0, 20.0)}, (0, 9), "return") for t in ("ant-v5", "hopper-v5")]
    results = Results(cells, "return")
    means, _ = paper_tables(results.before_after[0], results.per_task, results.averages, "return")
    assert [row[0] for row in means.rows] == ["ant-v5", "hopper-v5"]
    assert means.bold == frozenset()  # a single entry is the best of nothing
    assert paper_tables([], [], [], "return") == []


@pytest.mark.parametrize(
    ("task", "domain"),
    [
        ("halfcheetah-v5 (medium)", "locomotion"),
        ("D4RL/relocate/human-v2", "hand"),
        ("D4RL/kitchen/partial-v1", "kitchen"),
        ("relocate-binary-v0", "hand"),
        ("antmaze-umaze-v0", "maze"),
        ("sawyer-push-v0", "sawyer"),
        ("humanoid-v5", "locomotion"),
        ("humanoid-imitate-walk-v0", "imitation"),
    ],
)
def test_a_domain_is_known_by_a_word_of_the_task(task, domain):
    assert domain_of(task) == domain


def table_of(columns, rows):
    header = [f"a rather long heading {k}" for k in range(columns)]
    body = [
        ["task-of-a-long-name-v0", *(f"0.{i}{k} [0.00, 1.00] (k = {i})" for k in range(1, columns))]
        for i in range(rows)
    ]
    return latex("a_name", "100% of _all_ & more", header, body, lambda i, k: (i, k) == (0, 1))


@pytest.mark.parametrize("columns", [1, 3, 8, 14])
@pytest.mark.parametrize("rows", [2, 60])
def test_no_table_in_latex_is_wider_than_its_page(columns, rows):
    text = table_of(columns, rows)
    shares = [float(x) for x in re.findall(r"\\dimexpr ([\d.]+)\\linewidth-2\\tabcolsep", text)]
    if shares:
        assert len(shares) == columns
        assert sum(shares) <= 1 + 1e-2
        factor = next(factor for factor, size in SIZES if f"{size}\\setlength" in text)
        longest = len("[0.00,")
        assert all(share * LINE * min(factor, 2) >= longest for share in shares)  # no word sticks out
    else:
        widest = max(len(line.replace(r"\textbf", "")) for line in text.splitlines() if line.startswith("task"))
        assert widest < 1.3 * LINE


def test_latex_has_caption_label_alignment_and_breaks_over_pages():
    short, long = table_of(3, 2), table_of(3, 60)
    for text in (short, long):
        assert r"\caption{100\% of \_all\_ \& more}" in text
        assert r"\label{tab:a-name}" in text
        assert text.count(r"\textbf{0.01") == 1
        assert text.count("{") == text.count("}")
    assert r"\begin{table}" in short
    assert "longtable" not in short
    assert r"\endhead" in long
    assert r"\usepackage{array, booktabs, longtable}" in long
    numbers = latex(
        "n",
        "t",
        ["task", "mean", "p"],
        [["pen", "−0.10 [−0.20, 0.00]", "< 0.001"], ["door", "–", "1,234"]],
        lambda i, k: False,
    )
    assert r"\begin{tabular}{lrr}" in numbers
