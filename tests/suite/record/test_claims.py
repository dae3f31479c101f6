"""The claims that ship: each is decided by cells that its suite trains."""

from __future__ import annotations

from itertools import product

import pytest

from suite.experiment.experiment import Experiment
from suite.plans.cells import planned
from suite.plans.read import load
from suite.record.claims import Asked, Claim, claims, parse
from suite.record.metrics import METRICS
from suite.record.shapes import by_hand

ONE = """
[[claim]]
name = "one"
place = "AWAC Figure 3"
says = "It is better."
suite = "awac-fig3-dexterous"
tasks = ["pen-binary-v0"]
metric = "success"
score = "final"
of = ["awac"]
refuted_by = "nothing"
"""


def trained(suite: str) -> list[tuple[str, Experiment]]:
    """Task, as a report names it, and experiment of every cell of a suite."""
    found = [cell.experiment for cell in planned(load(suite), "quick", (0,)) if cell.experiment is not None]
    return [(e.task.id if e.dataset is None else f"{e.task.id} ({e.dataset})", e) for e in found]


def is_meant(asked: Asked, e: Experiment) -> bool:
    wanted = {name: value for name, value in asked.by_hand.items() if name in e.settings}
    return (e.algo, e.preset, by_hand(e.settings)) == (asked.algo, asked.preset, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("suite", sorted({claim.suite for claim in claims()}))
def test_a_claim_names_cells_that_its_suite_trains(suite: str) -> None:
    cells = trained(suite)
    for claim in [one for one in claims() if one.suite == suite]:
        for task, name in product(claim.tasks, (*claim.of, *claim.over)):
            fitting = [e for own, e in cells if own == task and is_meant(claim.runs(name), e)]
            assert len(fitting) == 1, (claim.name, name, task)


@pytest.mark.parametrize("claim", claims(), ids=lambda claim: claim.name)
def test_a_claim_is_about_metrics_that_are_recorded(claim: Claim) -> None:
    assert claim.metric in METRICS
    assert claim.says.endswith(".")
    assert not claim.refuted_by.endswith(".")


def test_the_entries_are_read() -> None:
    (claim,) = parse(ONE + 'above = 0.1\n[claim.cells.awac]\npreset = "official"\nset = { temperature = 1.0 }\n')
    assert (claim.bound, claim.above, claim.over) == (0.1, True, ())
    assert (claim.runs("awac").preset, claim.runs("awac").by_hand) == ("official", {"temperature": 1.0})
    assert claim.runs("sac").preset == "paper"
    assert claim.asks == "the score at the end (success) of awac is above 0.1"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("", "one of above and below is needed"),
        ("above = 0\nbelow = 1", "one of above and below is needed"),
        ("above = 0\nseeds = 3", "unknown seeds"),
        ("above = nan", "a number is needed"),
        ("above = 0\n" + ONE + "above = 0", "two claims have one name"),
        ("above = 0\n[claim.cells.awac]\nsets = 3", "unknown sets"),
    ],
)
def test_a_claim_that_says_too_little_or_too_much_is_refused(more: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse(ONE + more)
