"""What is said with an estimate: that it is measured, before it is, and that the machine is busy, where it is."""

from __future__ import annotations

import os

import pytest

from suite.experiment.request import Request
from suite.launch import run as launch
from suite.launch.spread import Spread
from suite.measure import estimate
from suite.train.means import Means


@pytest.mark.parametrize(("load", "busy"), [(0.4, False), (3.9, False), (4.1, True), (64.0, True)])
def test_a_busy_machine_is_said_to_be(load: float, busy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(estimate, "default_workers", lambda: 8)
    said = estimate.busy()
    assert (f"load {load:.1f} on 8 cores" in said) is busy
    assert bool(said) is busy


def test_it_says_at_once_that_it_measures(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def measured(*_: object) -> estimate.Cost:
        assert estimate.MEASURING in capsys.readouterr().err
        return estimate.Cost(1.0, "about 1s")

    monkeypatch.setattr(launch, "estimate", measured)
    request = Request.parse(algo="bc", env="point-reach", seeds="1")
    assert launch.run(request, Means(), Spread(), dry_run=True) == 0
    assert "estimate: about 1s" in capsys.readouterr().out
